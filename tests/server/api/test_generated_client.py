"""A client that a public generator makes of the OpenAPI document calls every route.

Each answer is what the document says, with no field that it does not describe.
"""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import httpx
import jsonschema_rs
import polars as pl
import pytest

from tests.fhir.resources import ENCODER, bundle, observation
from tests.server.api.panels import panel, value
from tests.server.ehr.oru import message
from tests.server.ehr.test_cds import call as hook
from tests.server.ehr.test_cds import platelets
from tests.server.jobs.stored import HEADER, Stored, stored
from toxgrade.server.main import create_app
from toxgrade.server.settings import Settings

_BYTES = ("application/hl7-v2", "application/vnd.apache.parquet")
_FHIR = {"Bundle", "CapabilityStatement", "OperationDefinition", "OperationOutcome"}
_ISSUER = {
    "jwt_issuer": "https://login.example.org",
    "jwt_audience": "https://toxgrade.example.org",
    "jwt_keys": "https://login.example.org/keys",
    "jwt_token_url": "https://login.example.org/token",
}
_STUDY, _PATIENT = "trial", "P1"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


@pytest.fixture(scope="module")
def package(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the package that the generator writes."""
    folder, name = tmp_path_factory.mktemp("client"), "client_of_toxgrade"
    (folder / "openapi.json").write_text(json.dumps(document))
    settings = {"content_type_overrides": dict.fromkeys(_BYTES, "application/octet-stream")}
    (folder / "settings.json").write_text(json.dumps(settings | {"post_hooks": []}))
    generator = Path(sys.executable).with_name("openapi-python-client")
    command = (generator, "generate", "--path", "openapi.json", "--config", "settings.json",
               "--meta", "none", "--output-path", name)  # fmt: skip
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    yield name
    sys.path.remove(str(folder))
    shutil.rmtree(folder)


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Stored]:
    with stored(database_url, tmp_path / "batches", **_ISSUER) as found:
        yield found


class _Caller:
    """Calls operations by their names in the generated client, and holds answers to it."""

    def __init__(self, package: str, client: object, document: Mapping[str, Any]) -> None:
        self._package, self._client = package, client
        self._strict = _without_other_fields(document)
        self.called: set[str] = set()
        self._operations = {
            operation["operationId"]: operation
            for path in document["paths"].values()
            for operation in path.values()
        }

    @property
    def not_called(self) -> set[str]:
        return self._operations.keys() - self.called

    def model(self, name: str) -> Any:
        return getattr(importlib.import_module(f"{self._package}.models"), name)

    def file(self, content: str) -> Any:
        types = importlib.import_module(f"{self._package}.types")
        return types.File(BytesIO(content.encode()), "labs.csv", "text/csv")

    def __call__(self, name: str, *path: object, body: Any = None, **query: object) -> Any:
        """Call an operation; return its answer as the client read it."""
        function = self._module(name).sync_detailed
        if isinstance(body, dict):
            body = get_type_hints(function)["body"].from_dict(body)
        given = {} if body is None else {"body": body}
        answer = function(*path, client=self._client, **given, **query)
        assert answer.status_code // 100 == 2, (name, answer.content)
        media = answer.headers.get("content-type", "").partition(";")[0]
        if media.endswith("json"):
            document = json.loads(answer.content)
            self._check(name, str(int(answer.status_code)), media, document)
            assert answer.parsed.to_dict() == document
        self.called.add(name)
        return answer.parsed

    def _module(self, name: str) -> ModuleType:
        (tag,) = self._operations[name]["tags"]
        return importlib.import_module(f"{self._package}.api.{tag.lower()}.{name}")

    def _check(self, name: str, status: str, media: str, answer: object) -> None:
        schema = self._operations[name]["responses"][status]["content"][media]["schema"]
        jsonschema_rs.validator_for({**schema, "components": self._strict}).validate(answer)


def _without_other_fields(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the models of a document, which take no field that they do not describe."""
    components: dict[str, Any] = deepcopy(document["components"])
    for name, schema in components["schemas"].items():
        if "properties" in schema and name not in _FHIR:
            schema["additionalProperties"] = False
    return components


def test_a_generated_client_calls_every_route(
    package: str, service: Stored, document: dict[str, Any]
) -> None:
    address, allowed = str(service.client.base_url), httpx.Timeout(30)
    with importlib.import_module(package).Client(
        base_url=address, raise_on_unexpected_status=True, timeout=allowed
    ) as client:
        call = _Caller(package, client, document)
        _ask_the_open_routes(call)
        _choose(call)
        _store_a_patient(call)
        _read_the_patient(call)
        _store_batches(call, service)
        _ask_for_reports(call)
        _call_as_an_ehr(call)
        _read_the_audit(call)
        etag = service.client.get(f"/v1/studies/{_STUDY}/patients/{_PATIENT}").headers["etag"]
        reason = {"reason": "the patient asked for it"}
        assert call("delete_patient", _STUDY, _PATIENT, body=reason, if_match=etag).rows_erased > 0
        assert call.not_called == set()


def _ask_the_open_routes(call: _Caller) -> None:
    assert call("livez").status == "alive"
    assert call("readyz").uploads == "ready"
    assert "toxgrade" in call("metrics")
    assert call("smart_configuration").jwks_uri == _ISSUER["jwt_keys"]
    for edition in ("4.03", "5.0", "6.0"):
        chosen = call("get_criteria", edition=call.model("GetCriteriaEdition")(edition))
        assert chosen.edition == edition
    from_, to = call.model("CompareEditionsFrom")("4.03"), call.model("CompareEditionsTo")("6.0")
    assert call("compare_editions", from_=from_, to=to).differences
    assert {one.analyte for one in call("get_analytes").analytes} >= {"bilirubin", "WBC"}
    graded = call("grade_panel", body=panel(value(), value(source_id="LAB-2", value="<0.1")))
    assert [one.grade for one in graded.grades] == [1, 0]


def _choose(call: _Caller) -> None:
    """Make a study with everything that can be chosen, and change it to the defaults."""
    rows = [{"label": "Leukopenia", "terms": ["White blood cell decreased"]}]
    chosen = {
        "edition": "4.03", "window": "rtog90", "rows": rows, "clinical_terms": ["Nausea"],
        "interpretations": {"hypokalemia": "grade-1"},
        "dictionary": {"analytes": {"POTAS": "potassium"}},
    }  # fmt: skip
    assert call("put_study", _STUDY, body=chosen).window.days == 90
    assert call("get_study", _STUDY).rows[0].label == "Leukopenia"
    assert call("put_study", _STUDY, body={"window": "paper"}).window.months == 3
    ranges = {"ranges": [{"analyte": "ALT", "uln": 34, "unit": "U/L", "sex": "female"}]}
    assert call("put_reference_ranges", _STUDY, body=ranges).patients_regraded == 0
    assert call("get_reference_ranges", _STUDY).ranges[0].uln == "34"
    assert _STUDY in [study.study for study in call("get_studies").studies]


def _store_a_patient(call: _Caller) -> None:
    course = {"start": "2020-01-06", "end": "2020-02-14", "dose_gy": "21", "fractions": 7}
    patient = {"courses": [course], "last_contact": "2021-05-02", "vital_status": "alive",
               "sex": "female", "birth_year": 1950}  # fmt: skip
    assert call("put_patient", _STUDY, _PATIENT, body=patient).courses[0].bed10_gy == "27.30"
    labs = [_lab("ALT", 30, "2020-01-03"), _lab("ALT", 300, "2020-06-07"),
            _lab("bilirubin", 3, "2020-06-07", "mg/dL", 1), _lab("ALP", 60, "2020-06-07"),
            _lab("ALT", 70, "2020-07-07", uln=None)]  # fmt: skip
    answer = call("post_results", _STUDY, _PATIENT, body={"results": labs})
    assert answer.grades[-1].study_range.uln == "34"
    event = {"term": "Nausea", "grade": 2, "onset": "2020-03", "attribution": "related"}
    assert call("post_event", _STUDY, _PATIENT, body=event).phase.value == "acute"
    review = {"finding": "hys_law", "date": "2020-06-07", "verdict": "rejected",
              "cause": "viral-hepatitis"}  # fmt: skip
    assert not call("post_review", _STUDY, _PATIENT, body=review).outdated


def _lab(
    analyte: str, number: float, day: str, unit: str = "U/L", uln: int | None = 40
) -> dict[str, Any]:
    lab = {"analyte": analyte, "value": number, "unit": unit, "collected": day}
    return lab if uln is None else lab | {"uln": uln}


def _read_the_patient(call: _Caller) -> None:
    whose = (_STUDY, _PATIENT)
    assert call("get_patients", _STUDY).patients[0].patient == _PATIENT
    assert call("get_patient", *whose).birth_year == 1950
    grades = call("get_grades", *whose, limit=2)
    assert len(call("get_grades", *whose, cursor=grades.next_).grades) == 3
    assert call("get_toxicity", *whose).summary
    assert [event.term for event in call("get_events", *whose).events] == ["Nausea"]
    assert len(call("get_reviews", *whose).reviews) == 1
    (first, *_) = grades.grades
    wrong = {"reason": "sent for the wrong patient"}
    withdrawn = call("post_withdrawal", *whose, first.id, body=wrong)
    assert withdrawn.grade.status == "entered-in-error"
    versions = call("get_grade_history", *whose, first.id).history
    assert [version.audit.reason for version in versions] == [None, wrong["reason"]]


def _store_batches(call: _Caller, service: Stored) -> None:
    rows = [
        "P2,2020-03-01,ALT,90,U/L,,40,2020-01-06,2020-02-14",
        "P2,no day,ALT,90,U/L,,40,2020-01-06,2020-02-14",
    ]
    form = call.model("PostBatchFilesBody")
    first = call("post_batch", _STUDY, body=form(call.file("\n".join([HEADER, *rows]))))
    second = call("post_batch", _STUDY, body=form(call.file(f"{HEADER}\n{rows[0]}")))
    assert call("delete_batch", _STUDY, second.id).state.value == "cancelled"
    service.work()
    done = call("get_batch", _STUDY, first.id)
    assert done.state.value == "done", done.detail
    assert len(call("get_batches", _STUDY).batches) == 2
    assert call("get_rejects", _STUDY, first.id).rejects[0].row == 2
    graded = pl.read_parquet(call("get_graded_rows", _STUDY, first.id).payload)
    assert graded.height == 2


def _ask_for_reports(call: _Caller) -> None:
    term = "Alanine aminotransferase increased"
    asked: Mapping[str, Mapping[str, object]] = {
        "get_toxicity_table": {}, "get_shift_table": {"term": term}, "get_late_toxicity": {},
        "get_time_to_grade": {"term": term, "min_grade": 1}, "get_survival": {},
        "get_liver_safety": {},
    }  # fmt: skip
    for name, query in asked.items():
        call(name, _STUDY, **query)


def _call_as_an_ehr(call: _Caller) -> None:
    assert call("get_capability_statement").fhir_version == "4.0.1"
    assert call("get_operation_definition").code == "ctcae-grade"
    assert (
        len(call("post_ctcae_grade", body=json.loads(ENCODER.encode(bundle(observation())))).entry)
        == 1
    )
    prefetch = call("get_cds_services").services[0].prefetch
    assert {"labs", "radiotherapy"} == set(prefetch.additional_keys)
    (card,) = call("post_ctcae_labs", body=json.loads(ENCODER.encode(hook(platelets(20))))).cards
    accepted = {
        "card": card.uuid,
        "outcome": "accepted",
        "outcomeTimestamp": "2026-12-01T12:00:00Z",
    }
    call("post_ctcae_labs_feedback", body={"feedback": [accepted]})
    ack = call("post_hl7v2", body=call.file(message()), study=_STUDY)
    assert b"MSA|AA" in ack.payload.read()


def _read_the_audit(call: _Caller) -> None:
    assert call("get_study_audit", _STUDY, limit=1000).entries
    assert {entry.patient for entry in call("get_patient_audit", _STUDY, _PATIENT).entries} == {
        _PATIENT
    }
    assert call("get_audit").entries
