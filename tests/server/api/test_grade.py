"""``POST /v1/grade`` as its callers use it."""

from typing import Any

import httpx
import pytest

from tests.server.api.panels import baseline, panel, value


def grades(stateless: httpx.Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = stateless.post("/v1/grade", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["grades"]
    return found


def test_the_contract_s_example(stateless: httpx.Client) -> None:
    body = panel(value(), baseline=[baseline()], edition="4.0", window="paper")
    answer = stateless.post("/v1/grade", json=body).json()
    first = answer["grades"][0]
    criteria = stateless.get("/v1/criteria").json()
    assert answer["edition"] == "4.03"
    assert first == {
        "analyte": "bilirubin", "term": "Blood bilirubin increased", "meddra": "10005364",
        "soc": "Investigations", "grade": 1, "at_least": 1, "at_most": 1, "reason": None,
        "criterion": ">ULN - 1.5 x ULN",
        "because": "1.8 mg/dL is 1.5 x ULN (1.2 mg/dL): above 1 x ULN, not above 1.5 x ULN",
        "phase": "acute", "on_treatment": False, "days_from_end": 45, "baseline_grade": 0,
        "worse_than_baseline": True, "flags": [], "collected": "2011-04-23", "value": "1.8",
        "unit": "mg/dL", "lln": "0.2", "uln": "1.2", "limit_unit": None, "source_id": "LAB-1",
        "status": "final", "specimen": None, "indicator": None, "edition": "4.03",
        "criteria_sha256": criteria["criteria_sha256"],
    }  # fmt: skip
    assert answer["summary"] == [
        {
            "term": "Blood bilirubin increased", "baseline_grade": 0, "worst_acute": 1,
            "worst_acute_at_most": 1, "worst_late": None, "worst_late_at_most": None,
            "worse_acute": True, "worse_late": None,
        }
    ]  # fmt: skip


def test_results_come_in_the_order_given_then_the_baseline(stateless: httpx.Client) -> None:
    wbc = value(analyte="6690-2", value=2.8, unit="K/uL", lln=4, uln=10)
    found = grades(stateless, panel(wbc, value(), baseline=[baseline()]))
    assert [(g["analyte"], g["term"], g["phase"]) for g in found] == [
        ("WBC", "White blood cell decreased", "acute"),
        ("WBC", "Leukocytosis", "acute"),
        ("bilirubin", "Blood bilirubin increased", "acute"),
        ("bilirubin", "Blood bilirubin increased", "baseline"),
    ]


@pytest.mark.parametrize(
    ("number", "shown", "grade"),
    [
        ("1.8", "1.8", 1), ("1.80", "1.80", 1), ("1.80000000000001", "1.80000000000001", 2),
        ("1.8000000000000001", "1.8000000000000001", 1),  # the print of a double: 15 digits count
        ("18e-1", "1.8", 1), ("2", "2", 2), ("0", "0", 0),
        ('"<0.2"', "<0.2", 0), ('"> 12"', ">12", 4), ('" 1.8 "', "1.8", 1),
    ],
)  # fmt: skip
def test_json_numbers_and_texts_are_read_exactly(
    stateless: httpx.Client, number: str, shown: str, grade: int
) -> None:
    body = f'{{"results": [{{"analyte": "TBIL", "value": {number}, "unit": "mg/dL", "uln": 1.2}}]}}'
    headers = {"Content-Type": "application/json"}
    answer = stateless.post("/v1/grade", content=body, headers=headers)
    (found,) = answer.json()["grades"]
    assert (found["value"], found["grade"]) == (shown, grade)


@pytest.mark.parametrize(
    ("changed", "reason", "at_most"),
    [
        ({"unit": None}, "missing-unit", None),
        ({"unit": "furlong"}, "unknown-unit", None),
        ({"analyte": "lead"}, "unknown-analyte", None),
        ({"analyte": "1968-7"}, "unknown-analyte", None),
        ({"value": None}, "missing-value", None),
        ({"value": ""}, "missing-value", None),
        ({"status": "preliminary"}, "not-final", None),
        ({"uln": None}, "missing-uln", 4),
        ({"lln": 0, "uln": 0}, "missing-uln", 4),
        ({"value": 15, "unit": "umol/L"}, "implausible-limit", 4),
        ({"analyte": "WBC", "value": 7200, "unit": "10*9/L", "lln": 4, "uln": 10},
         "implausible-value", None),
        ({"value": "<1.3"}, "censored-value", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_graded_is_accepted_with_a_reason(
    stateless: httpx.Client, changed: dict[str, Any], reason: str, at_most: int | None
) -> None:
    found = grades(stateless, panel(value(**changed)))[0]
    assert (found["grade"], found["reason"], found["at_most"]) == (None, reason, at_most)
    assert found["because"]


@pytest.mark.parametrize(
    ("radiotherapy", "window", "phase"),
    [
        ({"start": "2011-01-24", "end": "2011-01-23T10:00"}, "paper", None),
        ({"start": "2011-01-24", "end": "2011-01-24"}, "paper", "acute"),
        ({"start": "2011-01-24"}, "paper", "acute"),
        ({"start": "2011-01-01"}, "paper", "unknown"),
        ({"start": "2010-01-01", "status": "in-progress"}, "paper", "acute"),
        ({"start": "2011-01-22", "end": "2011-03-09"}, "rtog90", "late"),
        ({"start": "2011-01-23", "end": "2011-03-09"}, "rtog90", "acute"),
        ({"end": "2011-01-20"}, {"anchor": "end", "days": 92}, "late"),
        (None, "paper", "unknown"),
    ],
)
def test_phases_follow_the_window_that_was_asked_for(
    stateless: httpx.Client, radiotherapy: object, window: object, phase: str | None
) -> None:
    body = {"radiotherapy": radiotherapy, "window": window, "results": [value()]}
    answer = stateless.post("/v1/grade", json=body)
    if phase is None:
        assert answer.json()["errors"][0]["loc"] == ["radiotherapy", "end"]
    else:
        assert answer.json()["grades"][0]["phase"] == phase


def test_five_thousand_results_are_graded_and_more_are_not(stateless: httpx.Client) -> None:
    results = [value(source_id=str(i)) for i in range(5001)]
    assert len(grades(stateless, panel(*results[:5000]))) == 5000
    answer = stateless.post("/v1/grade", json=panel(*results))
    assert answer.status_code == 413
    assert "batch" in answer.json()["detail"]


def test_criteria_are_readable_as_data(stateless: httpx.Client) -> None:
    terms = stateless.get("/v1/criteria?edition=4.0").json()["terms"]
    fibrinogen = next(t for t in terms if t["term"] == "Fibrinogen decreased")
    assert fibrinogen["grades"][1] == {
        "grade": 2,
        "says": "<0.75 - 0.5 x LLN or 25 - <50% decrease from baseline",
        "clinical": False,
        "limits": [
            {"when": "< 0.75 x LLN", "if_baseline": None, "if_value": None},
            {"when": "<= 0.75 x baseline", "if_baseline": None, "if_value": None},
        ],
    }
    assert stateless.get("/v1/criteria?edition=3").status_code == 422


def test_analytes_list_names_codes_units_and_bands(stateless: httpx.Client) -> None:
    analytes = {a["analyte"]: a for a in stateless.get("/v1/analytes").json()["analytes"]}
    bilirubin = analytes["bilirubin"]
    assert "TBIL" in bilirubin["aliases"]
    assert "1975-2" in bilirubin["loinc"]
    assert bilirubin["refused_loinc"]["1968-7"] == "direct bilirubin, not total"
    assert bilirubin["plausible"]["uln"] == ["1.7", "86"]
    assert {"unit": "mg/dL", "factor": "500000/29233", "spellings": ["mg%", "mg/100mL"]} in (
        bilirubin["units"]
    )


def test_a_panel_without_results_has_no_grades(stateless: httpx.Client) -> None:
    answer = stateless.post("/v1/grade", json={"results": []})
    assert (answer.status_code, answer.json()) == (
        200, {"edition": "4.03", "grades": [], "summary": []}
    )  # fmt: skip


_PLACED = {
    "radiotherapy": {"start": "2011-01-24", "end": "2011-03-09"},
    "results": [value(collected="2011-06-15"), value(collected="2011-09-09"),
                value(collected="2011-09-10")],
}  # fmt: skip


@pytest.mark.parametrize("months", [0, 3, 6, 120])
def test_a_window_of_months_has_one_meaning_in_each_spelling(
    stateless: httpx.Client, months: int
) -> None:
    spelt: list[Any] = [f"end+{months}m", {"anchor": "end", "months": months}]
    spelt += [{"anchor": "end", "months": float(months), "days": None}]  # 3.0 is whole in JSON.
    spelt += ["paper"] if months == 3 else []
    graded = [grades(stateless, _PLACED | {"window": window}) for window in spelt]
    assert all(each == graded[0] for each in graded)
    late = {0: 3, 3: 3, 6: 1, 120: 0}[months]
    assert [entry["phase"] for entry in graded[0]].count("late") == late


@pytest.mark.parametrize(
    ("window", "shown"),
    [
        ("end+6m", {"anchor": "end", "months": 6}),
        ("start+90d", {"anchor": "start", "days": 90}),
        ("rtog90", {"anchor": "start", "days": 90}),
        ({"anchor": "end", "days": 0}, {"anchor": "end", "days": 0}),
    ],
)
def test_a_study_shows_its_window_as_an_object(
    stateless: httpx.Client, window: object, shown: dict[str, Any]
) -> None:
    answer = stateless.put("/v1/studies/windows", json={"window": window})
    assert answer.json()["window"] == shown == stateless.get("/v1/studies/windows").json()["window"]
