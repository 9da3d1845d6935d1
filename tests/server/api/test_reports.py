"""What a study chooses for its reports, and the toxicity table as CSV and HTML."""

import re
from typing import Any

import httpx
import pytest

from tests.server.api.panels import baseline, panel, value

_STUDY = "/v1/studies/s"
_TABLE = f"{_STUDY}/toxicity-table"


@pytest.fixture
def study(api: httpx.Client) -> httpx.Client:
    """Study s: P1 with two courses, bilirubin grade 1 after the first and 3 after the second."""
    assert api.put(_STUDY, json={}).status_code == 201
    results = [value(), value(value="6.0", collected="2012-03-01", source_id="LAB-2")]
    stored = api.post(f"{_STUDY}/patients/P1/results", json=panel(*results, baseline=[baseline()]))
    assert stored.status_code == 201, stored.text
    courses = [
        {"start": "2011-01-24", "end": "2011-03-09"},
        {"start": "2012-02-01", "end": "2012-02-20"},
    ]
    assert api.put(f"{_STUDY}/patients/P1", json={"courses": courses}).status_code == 200
    return api


def row(answer: dict[str, Any], label: str, kind: str = "worst") -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [r for r in answer["rows"] if (r["label"], r["kind"]) == (label, kind)]
    return found


@pytest.mark.parametrize(("course", "grade"), [(1, "1"), (2, "3")])
def test_each_course_has_its_own_table(study: httpx.Client, course: int, grade: str) -> None:
    table = study.get(f"{_TABLE}?course={course}").json()
    assert table["course"] == course
    assert row(table, "Bilirubin")["counts"][grade] == 1
    assert row(table, "Bilirubin")["patients"]["by_grade"][grade] == ["P1"]
    begun = {1: "0", 2: "1"}[course]  # the second course begins where the first had led
    assert row(table, "Bilirubin", "baseline")["counts"][begun] == 1
    assert table["any_toxicity"]["patients"] == ["P1"]


def test_a_later_course_counts_only_those_who_had_it(study: httpx.Client) -> None:
    assert study.post(f"{_STUDY}/patients/P2/results", json=panel(value())).status_code == 201
    assert study.get(_TABLE).json()["n_patients"] == 2
    second = study.get(f"{_TABLE}?course=2").json()
    assert second["n_patients"] == 1
    assert "who had this course" in second["definition"]
    assert study.get(f"{_TABLE}?course=3").json()["n_patients"] == 0


def test_a_second_course_within_the_window_leaves_it_incomplete(study: httpx.Client) -> None:
    followed = {"last_contact": "2013-01-01", "vital_status": "alive"}
    assert study.put(f"{_STUDY}/patients/P1", json=followed).status_code == 200
    assert study.get(_TABLE).json()["window_incomplete"] == []
    courses = [
        {"start": "2011-01-24", "end": "2011-03-09"},
        {"start": "2011-05-01", "end": "2011-05-20"},
    ]
    assert study.put(f"{_STUDY}/patients/P1", json={"courses": courses}).status_code == 200
    assert study.get(_TABLE).json()["window_incomplete"] == ["P1"]


def test_a_study_chooses_its_rows(study: httpx.Client) -> None:
    rows = [
        {"label": "Liver", "terms": ["Blood bilirubin increased", "Hypoalbuminemia"],
         "with_baseline": True},
        {"label": "Pain", "terms": ["liver pain", "Abdominal pain"]},
    ]  # fmt: skip
    saved = study.put(
        _STUDY, json={"rows": rows, "clinical_terms": ["Hepatic pain", "Abdominal pain"]}
    )
    assert saved.status_code == 200, "rows are not grading rules: nothing is graded again"
    assert saved.json()["rows"][1]["terms"] == ["Hepatic pain", "Abdominal pain"]
    table = study.get(_TABLE).json()
    assert [(r["label"], r["kind"]) for r in table["rows"]] == [
        ("Liver", "baseline"), ("Liver", "worst"), ("Pain", "worst"),
    ]  # fmt: skip
    assert row(table, "Liver")["counts"]["1"] == 1
    assert row(table, "Pain")["counts"]["0"] == 1, "a clinical term without an event is grade 0"
    assert "Pain: highest of Hepatic pain, Abdominal pain" in table["definition"]
    shift = study.get(f"{_STUDY}/shift-table?term=liver").json()
    assert shift["cells"] == [{"baseline": 0, "worst": 1, "n": 1, "patients": ["P1"]}]
    assert study.put(_STUDY, json={}).json()["rows"] is None
    assert len(study.get(_TABLE).json()["rows"]) == 8, "no clinical row was collected"


@pytest.mark.parametrize(
    ("rows", "loc", "says"),
    [
        ([{"label": "X", "terms": ["Nausia"]}], ["rows", 0, "terms", 0], "Nausea"),
        ([{"label": "X", "terms": ["Nausea"]}, {"label": "x", "terms": ["Fatigue"]}],
         ["rows", 1, "label"], "another label"),
        ([{"label": "X", "terms": []}], ["rows", 0, "terms"], "at least 1"),
        ([], ["rows"], "at least 1"),
    ],
)  # fmt: skip
def test_wrong_rows_are_refused_by_field(
    study: httpx.Client, rows: list[dict[str, object]], loc: list[str | int], says: str
) -> None:
    answer = study.put(_STUDY, json={"rows": rows})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["loc"] == loc
    assert says in error["message"]


@pytest.mark.parametrize("asked", ["phase=early", "course=0", "course=x", "on_treatment=perhaps"])
def test_a_wrong_scope_is_refused_by_name(study: httpx.Client, asked: str) -> None:
    answer = study.get(f"{_TABLE}?{asked}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", asked.partition("=")[0]]


def test_the_table_as_html_says_what_the_json_says(study: httpx.Client) -> None:
    table = study.get(_TABLE).json()
    answer = study.get(_TABLE, headers={"Accept": "text/html,application/xhtml+xml"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    body = re.search(r"<tbody>.*</tbody>", answer.text, flags=re.S)
    assert body is not None
    lines = [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", line)]
        for line in body[0].split("</tr>")
    ]
    assert [line for line in lines if line] == [
        [*(f"{r['counts'][g]} ({r['percent'][g]})" for g in "12345"), str(r["n_evaluable"])]
        for r in table["rows"]
    ]
    assert table["definition"] in answer.text
    assert table["any_toxicity"]["definition"] in answer.text
    assert "http" not in answer.text, "nothing is loaded from elsewhere"


def test_a_label_cannot_break_out_of_the_html(study: httpx.Client) -> None:
    rows = [{"label": "<script>alert(1)</script>", "terms": ["Nausea"]}]
    assert study.put(_STUDY, json={"rows": rows}).status_code == 200
    assert "<script" not in study.get(_TABLE, headers={"Accept": "text/html"}).text
