"""Courses, follow-up, clinicians' grades and what a study's tables make of them, over HTTP."""

from typing import Any

import httpx
import pytest

from tests.server.api.panels import baseline, panel, value

_P1 = "/v1/studies/default/patients/P1"
_NAUSEA = {"term": "Nausea", "grade": 2, "onset": "2011-02-14", "attribution": "related"}


def post_event(api: httpx.Client, **changed: object) -> dict[str, Any]:
    answer = api.post(f"{_P1}/events", json=_NAUSEA | changed)
    assert answer.status_code == 201, answer.text
    event: dict[str, Any] = answer.json()
    return event


def row(api: httpx.Client, label: str, phase: str = "acute") -> dict[str, Any]:
    rows = api.get(f"/v1/studies/default/toxicity-table?phase={phase}").json()["rows"]
    found: dict[str, Any] = next(r for r in rows if (r["label"], r["kind"]) == (label, "worst"))
    return found


@pytest.fixture
def patient(api: httpx.Client) -> httpx.Client:
    """P1: bilirubin 0.9 mg/dL before and 1.8 after radiotherapy, so grade 0, then 1."""
    stored = api.post(f"{_P1}/results", json=panel(value(), baseline=[baseline()]))
    assert stored.status_code == 201
    return api


def test_an_event_is_placed_like_a_result(patient: httpx.Client) -> None:
    event = post_event(patient, resolved="2011-02-20")
    assert {name: event[name] for name in ("term", "meddra", "grade", "phase", "on_treatment")} == {
        "term": "Nausea", "meddra": "10028813", "grade": 2, "phase": "acute", "on_treatment": True,
    }  # fmt: skip
    assert row(patient, "Nausea")["counts"]["2"] == 1
    assert row(patient, "Nausea", "late")["counts"]["0"] == 1


@pytest.mark.parametrize(
    ("label", "name"),
    [("liver pain", "Hepatic pain"), ("Leukopenia", "White blood cell decreased"),
     ("NAUSEA", "Nausea")],
)  # fmt: skip
def test_labels_are_mapped_to_terms(patient: httpx.Client, label: str, name: str) -> None:
    assert post_event(patient, term=label)["term"] == name


def test_an_event_is_corrected_and_withdrawn_with_its_history(patient: httpx.Client) -> None:
    assert patient.put("/v1/studies/default", json={"clinical_terms": ["nausea"]}).json()[
        "clinical_terms"
    ] == ["Nausea"]
    first = post_event(patient)
    assert post_event(patient) == first, "sent again, nothing changes"
    assert post_event(patient, grade=3)["version"] == 2
    assert row(patient, "Nausea")["counts"]["3"] == 1
    post_event(patient, grade=3, status="entered-in-error")
    assert row(patient, "Nausea")["counts"]["0"] == 1
    history = patient.get(f"{_P1}/events").json()["events"]
    assert [(e["version"], e["grade"], e["status"]) for e in history] == [
        (1, 2, "final"), (2, 3, "final"), (3, 3, "entered-in-error"),
    ]  # fmt: skip


def test_an_event_is_the_one_of_its_source_whenever_it_began(patient: httpx.Client) -> None:
    first = post_event(patient, source_id="AE-1")
    moved = post_event(patient, source_id="AE-1", onset="2011-02-02")
    other = post_event(patient, source_id="AE-2")
    unnamed = post_event(patient, source_id="")
    assert [e["version"] for e in (first, moved, other, unnamed)] == [1, 2, 1, 1]
    assert [e["source_id"] for e in (moved, other, unnamed)] == ["AE-1", "AE-2", None]
    assert post_event(patient) == unnamed, "without a source it is the one of its onset"
    assert post_event(patient, onset="2011-02-03")["version"] == 1


def test_grades_4_and_5_that_no_number_decides_come_from_clinicians(patient: httpx.Client) -> None:
    post_event(patient, term="Hypoalbuminemia", grade=4)
    assert row(patient, "Albumin")["counts"]["4"] == 1
    post_event(patient, term="Hypoalbuminemia", grade=5, onset="2011-05-01")
    assert row(patient, "Albumin")["counts"]["5"] == 1


@pytest.mark.parametrize(
    ("changed", "field", "accepted"),
    [
        ({"grade": 4}, "grade", "0, 1, 2, 3 for Nausea"),
        ({"grade": 6}, "grade", "5"),
        ({"grade": "2"}, "grade", "integer"),
        ({"term": "Nausia"}, "term", "Nausea"),
        ({"onset": None}, "onset", "required"),
        ({"onset": "2011-02-30"}, "onset", "2011"),
        ({"resolved": "2011-02-01"}, "resolved", "onset or later"),
        ({"attribution": "perhaps"}, "attribution", "related"),
        ({"onset": "2012-05-03"}, "onset", "death"),
    ],
)
def test_a_wrong_event_is_refused_by_field(
    patient: httpx.Client, changed: dict[str, object], field: str, accepted: str
) -> None:
    dead = {"last_contact": "2012-05-02", "vital_status": "dead", "cause": "tumour"}
    assert patient.put(_P1, json=dead).status_code == 200
    answer = patient.post(f"{_P1}/events", json=_NAUSEA | changed)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["loc"] == [field]
    assert accepted in error["message"]
    assert patient.get(f"{_P1}/events").json() == {"events": [], "next": None}


def test_a_patient_without_treatment_is_outside_the_denominator_and_named(
    api: httpx.Client,
) -> None:
    assert post_event(api)["phase"] == "unknown"
    table = api.get("/v1/studies/default/toxicity-table").json()
    assert (table["n_patients"], row(api, "Nausea")["n_evaluable"]) == (0, 0)
    assert table["without_course"] == {"n": 1, "patients": ["P1"]}


def test_a_clinical_row_that_nobody_recorded_or_declared_is_not_collected(
    patient: httpx.Client,
) -> None:
    url = "/v1/studies/default/toxicity-table"
    assert patient.get(url).json()["not_collected"] == ["Nausea", "Liver pain", "Fatigue"]
    post_event(patient, grade=0)
    declared = patient.put("/v1/studies/default", json={"clinical_terms": ["Fatigue"]})
    assert declared.status_code == 200
    assert patient.get(url).json()["not_collected"] == ["Liver pain"]
    assert row(patient, "Nausea")["counts"]["0"] == row(patient, "Fatigue")["counts"]["0"] == 1
    unknown = patient.put("/v1/studies/default", json={"clinical_terms": ["Nausia"]})
    assert unknown.json()["errors"][0]["loc"] == ["clinical_terms", 0]


def test_courses_with_dose_and_follow_up(patient: httpx.Client) -> None:
    sent = {
        "courses": [
            {"start": "2011-01-24", "end": "2011-03-09", "dose_gy": "21", "fractions": 7},
            {"start": "2011-04-20", "end": "2011-04-30"},
        ],
        "last_contact": "2012-05-02",
        "vital_status": "alive",
    }
    answer = patient.put(_P1, json=sent)
    assert answer.status_code == 200, answer.text
    first = answer.json()["courses"][0]
    # 21 Gy in 7 fractions of 3 Gy: 21 x (1 + 3/10) = 27.3 Gy
    assert (first["dose_gy"], first["fractions"], first["bed10_gy"]) == ("21", 7, "27.30")
    assert row(patient, "Bilirubin")["not_measured"] == 1, "the result is of the second course"
    assert patient.put(_P1, json={}).json() == answer.json(), "what is left out stays"
    again = patient.post(f"{_P1}/results", json=panel())
    assert again.status_code == 201
    assert patient.put(_P1, json={}).json() == answer.json(), "a panel names the first course only"


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"last_contact": "1011-04-22"}, ["last_contact"]),
        ({"vital_status": "alive"}, ["body"]),
        ({"last_contact": "2012-01-01", "vital_status": "alive", "cause": "x"}, ["body"]),
        ({"courses": [{"start": "2011-03-09", "end": "2011-01-24"}]}, ["courses", 0, "end"]),
        ({"courses": [{"start": "2011-03-09"}, {"start": "2011-01-24"}]}, ["courses", 1, "start"]),
        ({"courses": [{"start": "2011-03-09", "dose_gy": 0}]}, ["courses", 0, "dose_gy"]),
        ({"courses": [{"start": "2011-03-09", "dose_gy": "٣"}]}, ["courses", 0, "dose_gy"]),
        ({"courses": [{"start": "2011-03-09", "fractions": 0}]}, ["courses", 0, "fractions"]),
        ({"died": "2012-01-01"}, ["died"]),
    ],
)
def test_a_wrong_record_is_refused_by_field(
    patient: httpx.Client, sent: dict[str, object], field: list[str | int]
) -> None:
    before = patient.put(_P1, json={}).json()
    answer = patient.put(_P1, json=sent)
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["errors"]] == [field]
    assert patient.put(_P1, json={}).json() == before


@pytest.mark.parametrize(("dose", "status"), [("500", 200), ("500.1", 422), ("-1", 422)])
def test_a_dose_is_in_gray(patient: httpx.Client, dose: str, status: int) -> None:
    course = {"start": "2011-01-24", "end": "2011-03-09", "dose_gy": dose, "fractions": 25}
    assert patient.put(_P1, json={"courses": [course]}).status_code == status


def test_a_table_of_nobody(api: httpx.Client) -> None:
    table = api.get("/v1/studies/default/toxicity-table").json()
    assert table["n_patients"] == 0
    assert table["any_toxicity"]["percent"] is None


@pytest.mark.parametrize("path", ["toxicity-table", "shift-table?term=Nausea"])
def test_an_unknown_study_is_404(api: httpx.Client, path: str) -> None:
    assert api.get(f"/v1/studies/none/{path}").status_code == 404


def test_an_unknown_row_names_the_near_ones(api: httpx.Client) -> None:
    answer = api.get("/v1/studies/default/shift-table?term=Nausia")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["loc"] == ["query", "term"]
    assert "Nausea" in error["message"]
    assert "Liver enzymes" in error["message"]
