"""What no row can hold is refused as the caller's fault, at every door and alike on both databases.

PostgreSQL takes no NUL, no number beyond its column and no text longer than it; SQLite takes all of
these, and neither takes half of a surrogate pair. None of it is "the database cannot answer now".
"""

import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.fhir.resources import bundle, coded, observation, parameters
from tests.server.api.panels import panel, value
from tests.server.ehr.oru import message, obx
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_ODD = {
    "NUL": "a\0b", "half a surrogate pair": "\ud800", "line break": "a\nb", "300": "x" * 300,
    "2^31": str(2**31), "2^63": str(2**63), "2^64": str(2**64), "-1": "-1", "empty": "",
}  # fmt: skip
_STUDY, _PATIENT = "/v1/studies/default", "/v1/studies/default/patients/P1"
_ADDRESSES = (
    "/v1/studies/{}", "/v1/studies/{}/patients", "/v1/studies/default/patients/{}",
    "/v1/studies/default/patients/{}/grades", f"{_PATIENT}/grades?cursor={{}}",
    f"{_PATIENT}/grades?term={{}}", f"{_PATIENT}/grades/{{}}/history",
    f"{_PATIENT}/audit?cursor={{}}", f"{_STUDY}/patients?cursor={{}}",
    f"{_STUDY}/audit?cursor={{}}", f"{_STUDY}/shift-table?term={{}}", f"{_STUDY}/batches/{{}}",
    f"{_STUDY}/batches?limit={{}}", f"{_STUDY}/batches/{'0' * 32}/rejects?cursor={{}}-1",
    f"{_STUDY}/batches/{'0' * 32}/rejects?cursor=1-{{}}", f"{_STUDY}/liver-safety?cursor={{}}",
    f"{_STUDY}/time-to-grade?term={{}}", "/studies/{}", "/studies/{}/patients", "/studies/{}/audit",
    "/studies/default/audit?after={}", "/studies/default/patients/{}",
    "/studies/default/patients/P1?page={}", "/studies/default/patients?page={}",
    "/studies/default/patients/{}/timeline.svg", "/studies/{}/batches",
    "/studies/default/batches/{}", "/studies/{}/pictures/edish.svg",
    "/studies/default/pictures/shift.json?term={}", "/criteria/{}",
)  # fmt: skip

Sent = tuple[str, bytes, str]
"""A path, a body and its media type."""


def _json(path: str, body: object) -> Sent:
    return path, json.dumps(body, default=str).encode(), "application/json"


def _fhir(**changed: object) -> Sent:
    kept = {"persist": True, "patient": "P1"}
    given = {name: changed.pop(name) for name in ("patient", "study") if name in changed}
    body = parameters(bundle(observation(**changed)), **kept | given)
    return "/fhir/$ctcae-grade", json.dumps(body, default=float).encode(), "application/fhir+json"


def _hl7(text: str) -> Sent:
    return "/hl7v2", text.encode("utf-8", "surrogatepass"), "application/hl7-v2"


_BODIES: dict[str, Callable[[str], Sent]] = {
    "event, term": lambda odd: _json(
        f"{_PATIENT}/events", {"term": odd, "grade": 1, "onset": "2011-04-23"}
    ),
    "event, source_id": lambda odd: _json(
        f"{_PATIENT}/events",
        {"term": "Nausea", "grade": 1, "onset": "2011-04-23", "source_id": odd},
    ),
    "graded only, analyte": lambda odd: _json("/v1/grade", panel(value(analyte=odd))),
    "ranges, lab": lambda odd: _json(
        f"{_STUDY}/reference-ranges",
        {"ranges": [{"analyte": "ALT", "uln": 34, "unit": "U/L", "lab": odd}]},
    ),
    "FHIR, id": lambda odd: _fhir(id=odd),
    "FHIR, patient": lambda odd: _fhir(patient=odd),
    "FHIR, study": lambda odd: _fhir(study=odd),
    "FHIR, code": lambda odd: _fhir(code=coded(odd)),
    "FHIR, unit": lambda odd: _fhir(valueQuantity={"value": 1.8, "unit": odd, "code": odd}),
    "FHIR, performer": lambda odd: _fhir(performer=[{"display": odd}]),
    "FHIR, identifier": lambda odd: _fhir(identifier=[{"system": odd, "value": odd}]),
    "HL7, study": lambda odd: (
        f"/hl7v2?study={quote(odd, errors='surrogatepass', safe='')}",
        *_hl7(message())[1:],
    ),
    "HL7, patient": lambda odd: _hl7(message(pid=f"PID|1||{odd}^^^STUDY")),
    "HL7, order": lambda odd: _hl7(message(obr=f"OBR|1|{odd}|{odd}|24325-3^Panel^LN|||20110423")),
    "HL7, code": lambda odd: _hl7(message(obx(f3=odd))),
    "HL7, value": lambda odd: _hl7(message(obx(f5=odd))),
    "HL7, unit": lambda odd: _hl7(message(obx(f6=odd))),
    "HL7, laboratory": lambda odd: _hl7(message(obx(f15=odd, f23=odd))),
}  # fmt: skip


def _result(name: str) -> Callable[[str], Sent]:
    return lambda odd: _json(f"{_PATIENT}/results", panel(value(**{name: odd})))


for _name in ("analyte", "value", "unit", "collected", "source_id", "lab", "limit_unit"):
    _BODIES[f"result, {_name}"] = _result(_name)


@pytest.fixture(scope="module")
def both(new_sqlite: NewDatabase, new_postgresql: NewDatabase) -> Iterator[list[httpx.Client]]:
    """The service over each kind of database, with one patient."""
    with (
        served(Settings(database_url=new_sqlite(), auth="off")) as one,
        served(Settings(database_url=new_postgresql(), auth="off")) as other,
    ):
        for client in (one, other):
            assert client.post(f"{_PATIENT}/results", json=panel()).status_code == 201
        yield [one, other]


@pytest.mark.parametrize("address", _ADDRESSES)
def test_addresses(both: list[httpx.Client], address: str) -> None:
    for name, odd in _ODD.items():
        path = address.format(quote(odd, errors="surrogatepass", safe=""))
        answers = [client.get(path) for client in both]
        assert [one.status_code for one in answers] == [answers[0].status_code] * 2, name
        assert answers[0].status_code in (200, 307, 404, 422), (name, answers[0].text)
        if odd and address.startswith("/studies") and answers[0].status_code != 200:
            assert answers[1].headers["Content-Type"].startswith("text/html"), name


@pytest.mark.parametrize("door", _BODIES)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}], ids=["", "once"])
def test_bodies(both: list[httpx.Client], door: str, key: dict[str, str]) -> None:
    for number, (name, odd) in enumerate(_ODD.items()):
        path, body, media = _BODIES[door](odd)
        headers = {"Content-Type": media, **{k: f"{door}{number}".replace(" ", "") for k in key}}
        method = "PUT" if path.endswith("ranges") else "POST"
        answers = [client.request(method, path, content=body, headers=headers) for client in both]
        statuses = [one.status_code for one in answers]
        assert statuses[0] == statuses[1], (name, answers[0].text, answers[1].text)
        assert statuses[0] in (200, 201, 400, 404, 422), (name, statuses, answers[0].text)


def test_a_caller_with_a_long_name_stores_once(database_url: str) -> None:
    with transaction(database_url) as opened:
        keys = [create_key(opened, "x" * 195 + end) for end in ("a", "b")]
    with served(Settings(database_url=database_url)) as client:
        for key in keys:
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "k"}
            replayed = []
            for _ in range(2):
                answer = client.post(f"{_PATIENT}/results", json=panel(), headers=headers)
                assert answer.status_code == 201
                replayed.append("Idempotency-Replayed" in answer.headers)
            assert replayed == [False, True], "each caller's keys are its own"


@pytest.mark.parametrize("path", ["/v1/studies/x%00y", "/studies/x%00y", "/hl7v2?study=x%00y"])
def test_a_foreign_study_of_an_impossible_name(database_url: str, path: str) -> None:
    with transaction(database_url) as opened:
        key = create_key(opened, "a ward", "writer", ["default"])
    with served(Settings(database_url=database_url)) as client:
        method = "POST" if path.startswith("/hl7v2") else "GET"
        answer = client.request(method, path, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 404
