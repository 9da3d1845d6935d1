"""The synthetic cohort's grades, patient by patient, are those its makers worked out."""

import json
import random
from dataclasses import replace
from importlib.resources import files
from typing import Any

import httpx
import pytest
from msgspec import structs

from tests.conftest import NewDatabase, served
from toxgrade.criteria.reader import load
from toxgrade.demo import load_demo, submissions
from toxgrade.grading.parse import read_value
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import save_study
from toxgrade.server.settings import Settings

_EXPECTED: dict[str, Any] = json.loads(
    (files("toxgrade.demo") / "table2_expected.json").read_text(encoding="utf-8")
)
_SHORT = {
    "White blood cell decreased": "WBC",
    "Platelet count decreased": "PLT",
    "Blood bilirubin increased": "TBIL",
    "Alanine aminotransferase increased": "ALT",
    "Aspartate aminotransferase increased": "AST",
    "Alkaline phosphatase increased": "ALP",
    "GGT increased": "GGT",
    "Hypoalbuminemia": "ALB",
}
_ENZYMES = ("ALT", "AST", "ALP", "GGT")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def demo(request: pytest.FixtureRequest) -> Any:
    new: NewDatabase = request.getfixturevalue(f"new_{request.param}")
    url = new()
    load_demo(url)
    load_demo(url)  # a second start changes nothing
    with served(Settings(database_url=url, auth="off")) as client:
        yield client


def _worst(client: httpx.Client, patient: str) -> dict[str, dict[str, int]]:
    """Grades above 0 as the expected file lists them: by window and short name."""
    answer = client.get(f"/v1/studies/demo/patients/{patient}/toxicity").json()
    found: dict[str, dict[str, int]] = {"baseline": {}, "acute": {}, "late": {}}
    fields = {"baseline": "baseline_grade", "acute": "worst_acute", "late": "worst_late"}
    for row in answer["summary"]:
        for window, field in fields.items():
            if row["term"] in _SHORT and row[field]:
                found[window][_SHORT[row["term"]]] = row[field]
    for grades in found.values():
        if enzymes := [grades[name] for name in _ENZYMES if name in grades]:
            grades["ENZ"] = max(enzymes)
    return found


def test_the_study_is_marked_synthetic(demo: httpx.Client) -> None:
    studies = {s["study"]: s["synthetic"] for s in demo.get("/v1/studies").json()["studies"]}
    assert studies == {"default": False, "demo": True}


def test_every_patient_is_there(demo: httpx.Client) -> None:
    patients = demo.get("/v1/studies/demo/patients").json()["patients"]
    assert [p["patient"] for p in patients] == sorted(_EXPECTED["per_patient"])


@pytest.mark.parametrize("patient", sorted(_EXPECTED["per_patient"]))
def test_baseline_acute_and_late_grades(demo: httpx.Client, patient: str) -> None:
    expected = _EXPECTED["per_patient"][patient]
    laboratory = {*_SHORT.values(), "ENZ"}
    windows = {
        window: {name: n for name, n in expected[window].items() if name in laboratory}
        for window in ("baseline", "acute", "late")
    }
    assert _worst(demo, patient) == windows


def test_every_laboratory_row_is_graded_once(demo: httpx.Client) -> None:
    """Of 808 rows one repeats another exactly and one is superseded by its correction."""
    current, ungraded = 0, []
    for patient in _EXPECTED["per_patient"]:
        answer = demo.get(f"/v1/studies/demo/patients/{patient}/grades?limit=1000").json()
        assert answer["next"] is None
        current += sum(1 for grade in answer["grades"] if grade["term"] != "Leukocytosis")
        ungraded += [(patient, g["analyte"], g["collected"]) for g in answer["grades"]
                     if g["grade"] is None]  # fmt: skip
    assert current == 808 - 2
    assert ungraded == [
        (patient, analyte, day)
        for patient, results in _EXPECTED["ungradable"].items()
        for analyte, day in results
    ]


def test_a_superseded_result_stays_readable(demo: httpx.Client) -> None:
    path = "/v1/studies/demo/patients/P15/grades"
    query = "term=White blood cell decreased&include_superseded=true&limit=1000"
    grades = demo.get(f"{path}?{query}").json()["grades"]
    day = [(g["value"], g["status"], g["grade"]) for g in grades if g["collected"] == "2005-09-17"]
    assert day == [("1.5", "superseded", None), ("5.1", "corrected", 0)]


def _table(client: httpx.Client, phase: str = "acute", study: str = "demo") -> dict[str, Any]:
    answer = client.get(f"/v1/studies/{study}/toxicity-table?phase={phase}")
    assert answer.status_code == 200, answer.text
    table: dict[str, Any] = answer.json()
    return table


def _printed(row: dict[str, Any]) -> str:
    """The label of a row as the expected file has it."""
    doubled = row["label"] in ("Bilirubin", "Liver enzymes", "Albumin")
    suffix = {"baseline": ": baseline", "worst": ": worst grade"}[row["kind"]] if doubled else ""
    return f"{row['label']}{suffix}"


def test_table_2_to_the_digit(demo: httpx.Client) -> None:
    table = _table(demo)
    assert (table["n_patients"], table["synthetic"]) == (25, True)
    assert {
        _printed(row): {
            f"grade_{g}": {"n": row["counts"][g], "pct": str(row["percent"][g])} for g in "1234"
        }
        for row in table["rows"]
    } == _EXPECTED["table2"]
    assert all(row["counts"]["5"] == 0 for row in table["rows"])
    assert all(sum(row["counts"].values()) == row["n_evaluable"] == 25 for row in table["rows"])


def test_any_toxicity_by_both_definitions(demo: httpx.Client) -> None:
    table, expected = _table(demo), _EXPECTED["acute_toxicity"]
    definitions = {
        "any_toxicity": "worse_than_baseline_any_term",
        "any_toxicity_alternative": "clinical_or_haematological_any_grade",
        "any_grade": "any_grade_ge1_including_persistent_baseline",
    }
    for name, definition in definitions.items():
        assert table[name]["patients"] == expected[definition]["patients"]
        assert (table[name]["n"], str(table[name]["percent"])) == (
            expected[definition]["n"],
            expected[definition]["pct"],
        )
    assert table["any_toxicity"]["unknown"] == list(_EXPECTED["ungradable"])


def test_late_toxicity_and_windows_that_were_not_seen_whole(demo: httpx.Client) -> None:
    late = _table(demo, "late")
    assert late["any_toxicity"]["patients"] == _EXPECTED["late_toxicity"]["worse_than_baseline"]
    assert late["window_incomplete"] == _EXPECTED["incomplete_acute_window"]
    assert late["window_complete"] == 23


def test_what_is_not_known_is_listed_with_its_row(demo: httpx.Client) -> None:
    enzymes = next(row for row in _table(demo)["rows"] if _printed(row).startswith("Liver enzymes:")
                   and row["kind"] == "worst")  # fmt: skip
    assert (enzymes["could_be_higher"], enzymes["undecided"], enzymes["not_measured"]) == (1, 0, 0)
    patients = enzymes["patients"]
    assert {grade: len(names) for grade, names in patients.pop("by_grade").items()} == {
        "1": 9, "2": 4, "3": 0, "4": 1, "5": 0,
    }  # fmt: skip
    assert patients == {
        "undecided": [], "could_be_higher": ["P19"], "partial": ["P19"], "member_worse": ["P09"],
    }  # fmt: skip


def test_the_late_list_has_each_term_with_its_worst_grade(demo: httpx.Client) -> None:
    late = demo.get("/v1/studies/demo/late-toxicity").json()["late"]
    assert {one["patient"] for one in late} == {"P14"}
    detail = {one["term"]: one["worst_grade"] for one in late}
    assert detail == _EXPECTED["late_toxicity"]["detail"]
    bilirubin = next(one for one in late if one["term"] == "Blood bilirubin increased")
    assert bilirubin["worst"]["days_from_end"] == 151, "5 months after radiotherapy, as published"
    assert bilirubin["first"]["days_from_end"] == 91


def test_overall_survival_is_the_published_one(demo: httpx.Client) -> None:
    """46.4 % at one year and 27.4 % at two (Pei et al. 2020): the cohort was built to have it."""
    answer = demo.get("/v1/studies/demo/survival").json()
    at = {point["months"]: round(100 * point["estimate"], 1) for point in answer["at_months"][:4]}
    assert (at[12], at[24]) == (46.4, 27.4)
    assert (answer["n"], answer["events"], answer["censored"]) == (25, 16, 9)


def test_time_to_leukopenia(demo: httpx.Client) -> None:
    """8 of 25 reach grade 2 or higher, the last of them on day 118."""
    answer = demo.get("/v1/studies/demo/time-to-grade?term=Leukopenia&grade=2").json()
    counted = (answer["n"], answer["events"], answer["competing"], answer["censored"])
    assert counted == (25, 8, 11, 6)
    first = [step["days"] for step in answer["steps"] if step["events"]]
    assert first == [12, 16, 56, 62, 63, 66, 71, 118]


@pytest.mark.parametrize("patient", sorted(_EXPECTED["liver_derived"]))
def test_liver_safety(demo: httpx.Client, patient: str) -> None:
    expected = _EXPECTED["liver_derived"][patient]
    answer = demo.get(f"/v1/studies/demo/patients/{patient}/toxicity").json()["liver_safety"]
    peaks = answer["peak_x_uln"]
    review = [*answer["hys_law"], *answer["cholestatic"]]
    assert {
        "albi_baseline": answer["albi_baseline"]["score"],
        "albi_grade_baseline": answer["albi_baseline"]["grade"],
        "albi_worst_acute": answer["albi_worst_acute"]["score"],
        "albi_change": answer["albi_change"],
        "peak_x_uln": {"TBIL": peaks.pop("bilirubin"), **peaks},
        "hys_law_lab_dates": [day["date"] for day in answer["hys_law"]],
        "cholestatic_pair_dates": [day["date"] for day in answer["cholestatic"]],
        "R": {day["date"]: day["r_ratio"] for day in review},
        "nonclassic_rild_lab_dates": [day["date"] for day in answer["non_classic_rild"]],
    } == expected


@pytest.mark.parametrize("row", sorted(_EXPECTED["shift_baseline_to_acute_worst"]))
def test_shifts_from_baseline(demo: httpx.Client, row: str) -> None:
    answer = demo.get("/v1/studies/demo/shift-table", params={"term": row}).json()
    cells = {f"{c['baseline']}->{c['worst']}": c["n"] for c in answer["cells"]}
    assert cells == _EXPECTED["shift_baseline_to_acute_worst"][row]
    assert answer["not_evaluable"] == []


def test_the_table_as_csv(demo: httpx.Client) -> None:
    url = "/v1/studies/demo/toxicity-table"
    lines = demo.get(url, headers={"Accept": "text/csv"}).text.splitlines()
    assert len(lines) == 1 + 11 + 2
    assert "demo,acute,25,Leukopenia,worst,15,60,2,8,5,20,2,8,1,4,0,0,25,0,0,0,,,,," in lines
    severe = ",".join(
        ["demo,acute,25,Grade 3 or more,patients", *[""] * 12, "24,1,,,4,16,4.5,36.1,5"]
    )
    assert severe in lines, "4 of 25, as the paper tells them one by one"


_RULES: dict[str, dict[str, Any]] = {
    "default": {},
    "window 90 days after RT end": {"window": {"anchor": "end", "days": 90}},
    "window 91 days after RT end": {"window": {"anchor": "end", "days": 91}},
    "window 92 days after RT end": {"window": {"anchor": "end", "days": 92}},
    "RTOG/EORTC: 90 days from RT start": {"window": "rtog90"},
    "3 months from RT start": {"window": {"anchor": "start", "months": 3}},
    "enzymes = ALT+AST only": {"liver_enzymes": ["ALT", "AST"]},
    "enzymes = ALT+AST+ALP": {"liver_enzymes": ["ALT", "AST", "ALP"]},
}


_SCOPES = {
    "labs after RT end only": "on_treatment=false",
    "worst grade includes baseline": "include_baseline=true",
}


@pytest.fixture(scope="module")
def choosing(new_sqlite: NewDatabase) -> Any:
    """A service whose demo study is given other rules."""
    url = new_sqlite()
    load_demo(url)
    with served(Settings(database_url=url, auth="off")) as client:
        yield client


@pytest.mark.parametrize("convention", list(_RULES))
def test_another_convention_changes_what_it_should(choosing: httpx.Client, convention: str) -> None:
    saved = choosing.put("/v1/studies/demo?regrade=true", json=_RULES[convention])
    assert saved.status_code == 200, saved.text
    _expect_convention(_table(choosing), convention)


@pytest.mark.parametrize("convention", list(_SCOPES))
def test_another_scope_changes_what_it_should(demo: httpx.Client, convention: str) -> None:
    table = demo.get(f"/v1/studies/demo/toxicity-table?{_SCOPES[convention]}").json()
    _expect_convention(table, convention)


def _expect_convention(table: dict[str, Any], convention: str) -> None:
    expected = _EXPECTED["alternative_conventions"][convention]
    rows = {
        label: [grade["n"] for grade in grades.values()]
        for label, grades in _EXPECTED["table2"].items()
    } | expected["rows_that_differ"]
    found = {_printed(row): [row["counts"][g] for g in "1234"] for row in table["rows"]}
    assert found == rows
    assert table["any_toxicity"]["n"] == expected["acute_worse_than_baseline"]
    assert table["any_grade"]["n"] == expected["acute_any_grade"]
    assert table["any_toxicity_alternative"]["n"] == expected["clinical_or_haematological"]


def _finals() -> list[Submission]:
    """What the laboratory sent last, patient by patient: nothing superseded."""
    return [one for one in submissions() if one.results and one.results[0][1].status == "final"]


def _shuffled(order: random.Random) -> list[Submission]:
    """Every result in some request of its patient, every request twice, in any order."""
    pieces = []
    for one in _finals():
        results = order.sample(one.results, len(one.results))
        pieces += [replace(one, results=tuple(results[i::3])) for i in range(3)] * 2
    return order.sample(pieces, len(pieces))


def _wrong(one: Submission) -> Submission:
    """The same results with another value, as a correction would bring."""
    value = read_value("1.5")
    return replace(
        one, results=tuple((loc, structs.replace(r, value=value)) for loc, r in one.results)
    )


def test_the_order_of_arrival_changes_nothing(new_sqlite: NewDatabase) -> None:
    """Shuffled, split over many requests, sent twice, corrected and corrected back."""
    url, order, graders = new_sqlite(), random.Random(7), Graders(load())
    requests = _shuffled(order)
    arrivals = {"plain": _finals(), "shuffled": [*map(_wrong, requests[:30]), *requests]}
    with transaction(url) as opened:
        for study, sent in arrivals.items():
            save_study(opened, study, Rules(), synthetic=True)
            for one in sent:
                store(opened, replace(one, study=study), graders)
    with served(Settings(database_url=url, auth="off")) as client:
        for phase in ("acute", "late", "both"):
            shuffled, to_plain_text = (
                _table(client, phase, "shuffled"),
                _table(client, phase, "plain"),
            )
            assert shuffled == to_plain_text | {"study": "shuffled"}
            assert to_plain_text["any_grade"]["n"] > 0
