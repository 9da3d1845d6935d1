"""What a study's tables make of results that they cannot place, of severe terms, of choices."""

from typing import Any

import httpx
import pytest

_STUDY = "/v1/studies/reductions"
_P = f"{_STUDY}/patients/P1"
_RT = {"start": "2020-01-06", "end": "2020-02-14"}  # the acute window ends on 2020-05-14


def alt(value: str, collected: str) -> dict[str, str]:
    return {"analyte": "ALT", "value": value, "unit": "U/L", "uln": "40", "collected": collected}


@pytest.fixture
def study(api: httpx.Client) -> httpx.Client:
    assert api.put(_STUDY, json={}).status_code == 201
    return api


def store(api: httpx.Client, *results: dict[str, str], **more: object) -> None:
    answer = api.post(f"{_P}/results", json={"results": list(results), **more})
    assert answer.status_code == 201, answer.text


def table(api: httpx.Client, phase: str, course: int = 1) -> dict[str, Any]:
    answer = api.get(f"{_STUDY}/toxicity-table?phase={phase}&course={course}")
    document: dict[str, Any] = answer.json()
    return document


def enzymes(document: dict[str, Any]) -> dict[str, Any]:
    (row,) = [
        row for row in document["rows"] if (row["label"], row["kind"]) == ("Liver enzymes", "worst")
    ]
    found = {grade: n for grade, n in row["counts"].items() if n}
    return found | {n: row[n] for n in ("undecided", "could_be_higher", "not_measured") if row[n]}


@pytest.mark.parametrize(
    ("radiotherapy", "day", "acute", "late", "both", "why"),
    [
        # No end of treatment: after the shortest acute window it may be acute or late, certainly
        # after the start.
        ({"start": "2020-01-06"}, "2020-06-07", {"undecided": 1}, {"undecided": 1}, {"3": 1},
         "no_end_of_treatment"),
        # A month across the end of the acute window.
        (_RT, "2020-05", {"undecided": 1}, {"undecided": 1}, {"3": 1}, "date_too_coarse"),
        # A year: it may also lie before the start.
        (_RT, "2020", {"undecided": 1}, {"undecided": 1}, {"undecided": 1}, "date_too_coarse"),
        (_RT, "2020-04", {"3": 1}, {"not_measured": 1}, {"3": 1}, None),
    ],
)  # fmt: skip
def test_a_grade_3_of_unknown_phase_counts_wherever_it_may_belong(
    study: httpx.Client,
    radiotherapy: dict[str, str],
    day: str,
    acute: dict[str, int],
    late: dict[str, int],
    both: dict[str, int],
    why: str | None,
) -> None:
    store(study, alt("30", "2020-01-03"), alt("300", day), radiotherapy=radiotherapy)
    found = {phase: table(study, phase) for phase in ("acute", "late", "both")}
    assert {phase: enzymes(one) for phase, one in found.items()} == {
        "acute": acute, "late": late, "both": both,
    }  # fmt: skip
    assert found["acute"]["phase_unknown"] == ({"n": 1, why: 1} if why else {"n": 0})
    toxicity = study.get(f"{_P}/toxicity").json()
    assert toxicity["phase_unknown"] == found["acute"]["phase_unknown"]
    summary = toxicity["summary"][0]
    possible = 3 if why else None
    assert summary["worst_late_at_most"] == possible
    assert summary["worst_acute_at_most"] == 3


def test_a_certain_grade_1_could_be_higher_by_a_result_of_unknown_phase(
    study: httpx.Client,
) -> None:
    """Platelets of 20 dated 2020 are grade 4; the worst grade said 1, at most 1."""
    count = {"analyte": "platelets", "unit": "10*9/L", "lln": "150"}
    store(
        study,
        count | {"value": "120", "collected": "2020-03-02"},
        count | {"value": "20", "collected": "2020"},
        radiotherapy=_RT,
    )
    (row,) = [r for r in table(study, "acute")["rows"] if r["label"] == "Thrombocytopenia"]
    assert (row["counts"]["1"], row["could_be_higher"]) == (1, 1)
    severe = table(study, "acute")["grade_3_or_more"]
    assert (severe["n"], severe["n_at_most"], severe["unknown"]) == (0, 1, ["P1"])
    (summary,) = study.get(f"{_P}/toxicity").json()["summary"]
    assert (summary["worst_acute"], summary["worst_acute_at_most"]) == (1, 4)


def test_results_of_another_course_are_counted_and_named(study: httpx.Client) -> None:
    second = {"start": "2020-07-01", "end": "2020-07-10"}
    store(study, alt("30", "2020-01-03"), alt("400", "2020-09-01"))
    study.put(_P, json={"courses": [_RT, second]})
    first = table(study, "both")
    assert enzymes(first) == {"not_measured": 1}
    assert first["other_courses"] == {"results": 1, "patients": ["P1"]}
    assert enzymes(table(study, "both", course=2)) == {"3": 1}
    assert study.get(f"{_P}/toxicity").json()["other_courses"] == 1


def test_a_fatal_event_that_no_row_names_is_in_the_table(study: httpx.Client) -> None:
    store(study, alt("30", "2020-01-03"), radiotherapy=_RT)
    study.put(_P, json={"last_contact": "2020-03-20", "vital_status": "dead"})
    event = {"term": "Hepatic failure", "grade": 5, "onset": "2020-03-20", "attribution": "related"}
    assert study.post(f"{_P}/events", json=event).status_code == 201
    document = table(study, "acute")
    assert document["other"] == [
        {"term": "Hepatic failure", "grade": 5, "n": 1, "patients": ["P1"]}
    ]
    severe = document["grade_3_or_more"]
    assert (severe["n"], severe["percent"], severe["low"], severe["high"]) == (1, 100, 2.5, 100)
    text = study.get(f"{_STUDY}/toxicity-table", headers={"Accept": "text/csv"}).text
    assert ",Hepatic failure,other," in text
    page = study.get(f"{_STUDY}/toxicity-table", headers={"Accept": "text/html"}).text
    assert "Other, grade 3 or more: Hepatic failure, grade 5: 1." in page


@pytest.mark.parametrize(
    ("edition", "result", "interpretation", "grades"),
    [
        ("4.03", {"analyte": "uric acid", "value": "7.1", "unit": "mg/dL", "uln": "7.0"},
         ("hyperuricemia", "grade-3", "grade-1"), (3, 1)),
        ("5.0", {"analyte": "lipase", "value": "400", "unit": "U/L", "uln": "60"},
         ("pancreatic-enzymes", "symptomatic", "asymptomatic"), (4, 3)),
    ],
)  # fmt: skip
def test_a_grade_that_depends_on_an_interpretation_is_told(
    study: httpx.Client,
    edition: str,
    result: dict[str, str],
    interpretation: tuple[str, str, str],
    grades: tuple[int, int],
) -> None:
    study.put(_STUDY, json={"edition": edition})
    store(study, result | {"collected": "2020-03-02"}, radiotherapy=_RT)
    (effect,) = table(study, "acute")["depends_on_interpretation"]
    assert (effect["interpretation"], effect["chosen"], effect["other"]) == interpretation
    assert (effect["grade"], effect["other_grade"], effect["patients"]) == (*grades, ["P1"])


def test_tables_count_the_attributions_that_are_asked_for(study: httpx.Client) -> None:
    """An unrelated fatigue of grade 3 beside a related nausea, and ALT of grade 3."""
    store(study, alt("30", "2020-01-03"), alt("300", "2020-03-02"), radiotherapy=_RT)
    for term, grade, attribution in (("Nausea", 2, "related"), ("Fatigue", 3, "unrelated")):
        event = {"term": term, "grade": grade, "onset": "2020-02-01", "attribution": attribution}
        assert study.post(f"{_P}/events", json=event).status_code == 201
    url = f"{_STUDY}/toxicity-table?phase=acute"
    asked = {
        "": {"Nausea": "2", "Fatigue": "3", "Liver enzymes": "3"},
        "&attribution=related": {"Nausea": "2", "Fatigue": "0"},
        "&attribution=related&attribution=unknown": {
            "Nausea": "2", "Fatigue": "0", "Liver enzymes": "3",
        },
    }  # fmt: skip
    for query, expected in asked.items():
        document = study.get(url + query).json()
        worst = [row for row in document["rows"] if row["kind"] == "worst"]
        found = {row["label"]: grade for row in worst for grade, n in row["counts"].items() if n}
        assert found == expected, query
    assert study.get(f"{url}&attribution=perhaps").status_code == 422


def test_a_clinician_s_grade_of_a_laboratory_term_without_baseline_is_not_called_worse(
    study: httpx.Client,
) -> None:
    store(study, alt("30", "2020-01-03"), radiotherapy=_RT)
    event = {"term": "Platelet count decreased", "grade": 3, "onset": "2020-02-01"}
    assert study.post(f"{_P}/events", json=event).status_code == 201
    document = table(study, "acute")
    assert document["any_toxicity"]["unknown"] == ["P1"]
    assert document["grade_3_or_more"]["patients"] == ["P1"]


@pytest.mark.parametrize(("edition", "worst"), [("5.0", 2), ("6.0", 3)])
def test_an_enzyme_that_quadruples_from_an_abnormal_baseline_is_worse(
    study: httpx.Client, edition: str, worst: int
) -> None:
    """ALT 250 to 1,000 U/L: grade 3 by its ULN before, then 4 times its own baseline."""
    study.put(_STUDY, json={"edition": edition})
    store(study, alt("250", "2020-01-03"), alt("1000", "2020-03-02"), radiotherapy=_RT)
    document = table(study, "acute")
    assert document["any_toxicity"]["patients"] == ["P1"]
    assert document["any_toxicity"]["by_2_or_more"]["n"] == 1
    shift = study.get(f"{_STUDY}/shift-table?term=Alanine aminotransferase increased").json()
    assert shift["cells"] == []
    assert shift["abnormal_compared_with_itself"] == [{"worst": worst, "n": 1, "patients": ["P1"]}]
    assert shift["worse"] == ["P1"]
    times = study.get(
        f"{_STUDY}/time-to-grade?term=Alanine aminotransferase increased&min_grade=2"
    ).json()
    assert times["events"] == 1


@pytest.mark.parametrize(
    ("edition", "results", "term", "grade"),
    [
        # 1.9 x ULN if the baseline was normal, 2.5 x the baseline if it was not: 2 either way.
        ("5.0", [{"analyte": "bilirubin", "value": "3.57", "unit": "mg/dL",
                  "collected": "2020-01-03"},
                 {"analyte": "bilirubin", "value": "8.93", "unit": "mg/dL", "uln": "4.69",
                  "collected": "2020-03-02"}], "Blood bilirubin increased", 2),
        ("4.03", [{"analyte": "hemoglobin", "value": "75", "unit": "g/L", "uln": "170",
                   "lln": "130", "collected": "2020-03-02"}], "Hemoglobin increased", 0),
        ("4.03", [{"analyte": "cholesterol", "value": "2000", "unit": "mg/dL", "uln": "200",
                   "collected": "2020-03-02"}], "Cholesterol high", 4),
        ("4.03", [{"analyte": "triglycerides", "value": "18000", "unit": "mg/dL",
                   "collected": "2020-03-02"}], "Hypertriglyceridemia", 4),
    ],
)  # fmt: skip
def test_what_is_known_is_graded_and_stored(
    study: httpx.Client, edition: str, results: list[dict[str, str]], term: str, grade: int
) -> None:
    study.put(_STUDY, json={"edition": edition})
    store(study, *results, radiotherapy=_RT)
    (summary,) = [
        one for one in study.get(f"{_P}/toxicity").json()["summary"] if one["term"] == term
    ]
    assert (summary["worst_acute"], summary["worst_acute_at_most"]) == (grade, grade)


def test_an_event_decades_from_treatment_has_a_grade_and_no_day(study: httpx.Client) -> None:
    """Nausea of 2099 is a slip of the keyboard, as a laboratory's date would be.

    It was seen, so the table counts its grade, for which no day is needed; but what is told over
    time would have it last, or begin, in 2099.
    """
    store(study, alt("30", "2020-01-03"), radiotherapy=_RT)
    study.put(_P, json={"last_contact": "2020-12-01", "vital_status": "alive"})
    event = {"term": "Nausea", "grade": 3, "onset": "2099-09-01"}
    assert study.post(f"{_P}/events", json=event).status_code == 201
    times = study.get(f"{_STUDY}/time-to-grade?term=Nausea&min_grade=3").json()
    assert (times["events"], times["undecided"]) == (0, ["P1"])
    late = study.get(f"{_STUDY}/late-toxicity").json()
    assert (late["late"], len(late["undecided"])) == ([], 1)
    table = study.get(f"{_STUDY}/toxicity-table?phase=late").json()
    assert [row["counts"]["3"] for row in table["rows"] if row["label"] == "Nausea"] == [1]
