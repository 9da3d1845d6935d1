"""A study's reports do not depend on the door, the order or the requests of what was sent."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import NewDatabase
from tests.fhir.resources import bundle, coded, observation, parameters, post, quantity
from tests.server.ehr.oru import fields, message, obx
from tests.server.jobs.stored import Stored, stored

_TESTS = {
    "1742-6": ("U/L", None, "40"),
    "777-3": ("10*9/L", "150", "400"),
    "1975-2": ("mg/dL", None, "1.2"),
}  # fmt: skip
"""ALT, platelets and bilirubin by LOINC code: unit, LLN and ULN."""
_VALUES = {
    "1742-6": ["30", "60", "130", "<130", "250", "900"],
    "777-3": ["200", "120", "60", "30", "<60", "10"],
    "1975-2": ["0.6", "1.5", "3", "5"],
}  # fmt: skip
_DAYS = [
    "2019-12-20", "2020-01-06", "2020-01-06T07:30", "2020-02-01", "2020-03", "2020-05-14", "2020",
    "2020-08-20", "2020-11-03", "2099-01-01",
]  # fmt: skip
"""Two courses: 6 January to 14 February, 1 August to 10 August 2020."""
_COURSES = [
    [{"start": "2020-01-06", "end": "2020-02-14"}],
    [{"start": "2020-01-06"}],
    [{"start": "2020-01-06", "end": "2020-02-14"}, {"start": "2020-08-01", "end": "2020-08-10"}],
    [],
]
_EVENTS = [
    {"term": "Nausea", "grade": 2, "onset": "2020-02-01", "ongoing": True},
    {"term": "Nausea", "grade": 1, "onset": "2020-01", "attribution": "related"},
    {"term": "Nausea", "grade": 3, "onset": "2020-06-20", "attribution": "unrelated"},
    {"term": "Ascites", "grade": 2, "onset": "2020-03-20", "resolved": "2020-06-01"},
    {"term": "Fatigue", "grade": 1, "onset": "2019-12-01", "resolved": "2019-12-24"},
    {"term": "Alanine aminotransferase increased", "grade": 3, "onset": "2020-03-01"},
]
_FOLLOW_UPS: list[dict[str, Any]] = [
    {},
    {"last_contact": "2021-01-01", "vital_status": "alive"},
    {"last_contact": "2020-08-20", "vital_status": "dead"},
]

Told = tuple[str, str, dict[str, Any]]
"""Method, path and body of what is told of a patient."""
Lab = tuple[str, str, str, str, str]
"""Patient, number, LOINC code, value and time."""


@st.composite
def _studies(draw: st.DrawFn) -> tuple[list[Lab], list[Told]]:
    labs: list[Lab] = []
    told: list[Told] = []
    for patient in ("A", "B"):
        for number in range(draw(st.integers(1, 5))):
            code = draw(st.sampled_from([*_TESTS]))
            value = draw(st.sampled_from(_VALUES[code]))
            labs.append((patient, f"{patient}{number}", code, value, draw(st.sampled_from(_DAYS))))
        told.append(("PUT", patient, {"courses": draw(st.sampled_from(_COURSES))}))
        for event in draw(st.lists(st.sampled_from(_EVENTS), max_size=3, unique_by=str)):
            told.append(("POST", f"{patient}/events", event))
    return labs, told


def by_json(service: Stored, study: str, labs: Sequence[Lab]) -> None:
    for patient in sorted({lab[0] for lab in labs}):
        results = [_json(lab) for lab in labs if lab[0] == patient]
        url = f"/v1/studies/{study}/patients/{patient}/results"
        answer = service.client.post(url, json={"results": results})
        assert answer.status_code == 201, answer.text


def _json(lab: Lab) -> dict[str, str | None]:
    _, number, code, value, time = lab
    unit, lln, uln = _TESTS[code]
    return {"analyte": code, "value": value, "unit": unit, "lln": lln, "uln": uln,
            "collected": time, "source_id": number}  # fmt: skip


def by_file(service: Stored, study: str, labs: Sequence[Lab]) -> None:
    header = "patient,source_id,analyte,value,collected,unit,lln,uln"
    rows = [",".join((*lab, *(text or "" for text in _TESTS[lab[2]]))) for lab in labs]
    batch = service.done("\n".join([header, *rows, ""]), study)
    assert (batch["state"], batch["rows_rejected"]) == ("done", 0), batch


def by_hl7v2(service: Stored, study: str, labs: Sequence[Lab]) -> None:
    for patient, number, code, value, time in labs:
        unit, lln, uln = _TESTS[code]
        sent = obx(
            f2="SN" if value.startswith("<") else "NM",
            f3=f"{code}^x^LN", f5=value.replace("<", "<^"), f6=unit,
            f7=f"{lln}-{uln}" if lln else f"<={uln}",
            f14="".join(c for c in time if c.isdigit()),
        )  # fmt: skip
        text = message(sent, pid=f"PID|1||{patient}", obr=f"OBR|1||{number}")
        answer = service.client.post(f"/hl7v2?study={study}", content=text)
        assert fields(answer.text, "MSA")[0][1] == "AA", answer.text


def by_fhir(service: Stored, study: str, labs: Sequence[Lab]) -> None:
    for patient in sorted({lab[0] for lab in labs}):
        resources = [_observation(lab) for lab in labs if lab[0] == patient]
        sent = parameters(bundle(*resources), persist=True, patient=patient, study=study)
        answer = post(service.client, sent)
        assert answer.status_code == 200, answer.text


def _observation(lab: Lab) -> dict[str, Any]:
    _, number, code, value, time = lab
    unit, lln, uln = _TESTS[code]
    limits = {side: quantity(n, unit) for side, n in (("low", lln), ("high", uln)) if n}
    comparator = {"comparator": "<"} if value.startswith("<") else {}
    return observation(
        id=number, code=coded(code), effectiveDateTime=f"{time}:00Z" if "T" in time else time,
        valueQuantity=quantity(value.lstrip("<"), unit) | comparator, referenceRange=[limits],
    )  # fmt: skip


_DOORS: list[Callable[[Stored, str, Sequence[Lab]], None]] = [by_json, by_file, by_hl7v2, by_fhir]
_REPORTS = [
    *(f"toxicity-table?phase={p}&course={c}" for p in ("acute", "late", "both") for c in (1, 2)),
    "toxicity-table?on_treatment=false&include_baseline=true",
    *(f"shift-table?term={t}&phase=both" for t in ("Platelet count decreased", "Liver enzymes")),
    "late-toxicity",
    "late-toxicity?course=2",
    "time-to-grade?term=Thrombocytopenia&min_grade=2",
    "time-to-grade?term=Nausea&min_grade=1&attribution=unknown",
    "time-to-grade?term=Liver enzymes&min_grade=1&censor=last-result",
    "survival",
    "liver-safety",
    "patients/A/toxicity",
]


def reports(service: Stored, study: str) -> dict[str, Any]:
    """Return all reports of a study, without its name."""
    found = {path: service.get(f"/v1/studies/{study}/{path}") for path in _REPORTS}
    return {path: without_order(answer | {"study": ""}) for path, answer in found.items()}


def without_order(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with a patient's terms by name: they are told as they arrived."""
    if "summary" in answer:
        answer["summary"].sort(key=lambda term: term["term"])
    return answer


@pytest.fixture(scope="module")
def service(new_sqlite: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with stored(new_sqlite(), tmp_path_factory.mktemp("batches")) as found:
        yield found


_numbers = count(1)


@settings(max_examples=6, deadline=None)
@given(sent=_studies(), edition=st.sampled_from(["4.03", "5.0"]), data=st.data())
def test_neither_door_nor_order_nor_requests_matter_to_reports(
    service: Stored,
    sent: tuple[list[Lab], list[Told]],
    edition: str,
    data: st.DataObject,
) -> None:
    labs, told = sent
    followed = [(name, data.draw(st.sampled_from(_FOLLOW_UPS))) for name in ("A", "B")]
    number, found = next(_numbers), []
    for door in _DOORS:
        study = f"s{number}{door.__name__}"
        service.client.put(f"/v1/studies/{study}", json={"edition": edition}).raise_for_status()
        shuffled = data.draw(st.permutations(labs))
        cut = data.draw(st.integers(0, len(labs)))
        parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
        for patient in ("A", "B"):
            service.client.put(f"/v1/studies/{study}/patients/{patient}", json={})
        requests = [
            *(partial(door, service, study, part) for part in parts),
            *(partial(tell, service, study, *one) for one in told),
        ]
        for request in data.draw(st.permutations(requests)):
            request()
        for patient, follow_up in followed:  # What came after a death is refused once it is known.
            tell(service, study, "PUT", patient, follow_up)
        found.append(reports(service, study))
    for other in found[1:]:
        assert other == found[0]


def tell(service: Stored, study: str, method: str, path: str, body: dict[str, Any]) -> None:
    url = f"/v1/studies/{study}/patients/{path}"
    answer = service.client.request(method, url, json=body)
    assert answer.is_success, answer.text
