"""A study's edition and interpretations: chosen, changed with history, printed, never mixed."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.program import toxgrade
from tests.server.api.panels import baseline, panel, value
from tests.server.jobs.stored import HEADER, Stored, stored
from toxgrade.demo import load_demo
from toxgrade.grading.rules import Rules
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.records.studies import save_study

_P1 = "/v1/studies/default/patients/P1"
_PLATELETS = value(
    analyte="platelets", value="20", unit="10*9/L", lln="150", uln="400", source_id="PLT"
)
_CPK = value(analyte="CPK", value="500", unit="U/L", lln=None, uln="200", source_id="CPK")


def _current(api: httpx.Client, query: str = "") -> list[tuple[str, int | None, str]]:
    answer = api.get(f"{_P1}/grades?{query}")
    found = [(g["term"], g["grade"], g["edition"]) for g in answer.json()["grades"]]
    return sorted(found, key=str)


def test_another_edition_supersedes_every_grade_though_terms_change_their_names(
    api: httpx.Client,
) -> None:
    api.post(f"{_P1}/results", json=panel(_PLATELETS, _CPK, value(), baseline=[baseline()]))
    first = [
        ("Blood bilirubin increased", 0, "4.03"), ("Blood bilirubin increased", 1, "4.03"),
        ("CPK increased", 1, "4.03"), ("Platelet count decreased", 4, "4.03"),
    ]  # fmt: skip
    assert _current(api) == first
    assert api.put("/v1/studies/default", json={"edition": "6.0"}).status_code == 409
    changed = api.put("/v1/studies/default?regrade=true", json={"edition": "6.0"})
    assert changed.status_code == 200
    second = [
        ("Blood bilirubin increased", 0, "6.0"), ("Blood bilirubin increased", 1, "6.0"),
        ("Thrombocytopenia", 3, "6.0"), (None, None, "6.0"),
    ]  # fmt: skip
    assert _current(api) == sorted(second, key=str)
    assert _current(api, "include_superseded=true") == sorted(first + second, key=str)
    table = api.get("/v1/studies/default/toxicity-table").json()
    counts = {row["label"]: row["counts"]["3"] for row in table["rows"]}
    assert counts["Thrombocytopenia"] == 1
    assert "CTCAE v6.0" in table["definition"] + str(table)
    api.put("/v1/studies/default?regrade=true", json={"edition": "4.0"})
    assert _current(api) == first
    again = api.post(f"{_P1}/results", json=panel(_PLATELETS))
    assert again.status_code == 201
    assert _current(api) == first


def test_a_test_that_loses_one_of_its_terms_keeps_no_grade_of_it(api: httpx.Client) -> None:
    glucose = value(analyte="glucose", value="300", unit="mg/dL", lln="70", uln="110")
    api.post(f"{_P1}/results", json=panel(glucose))
    assert _current(api) == [("Hyperglycemia", 3, "4.03"), ("Hypoglycemia", 0, "4.03")]
    for _ in range(2):  # the second time there is nothing left to close
        api.put("/v1/studies/default?regrade=true", json={"edition": "5.0"})
        api.post(f"{_P1}/results", json=panel(glucose))
        assert _current(api) == [("Hypoglycemia", 0, "5.0"), (None, None, "5.0")]
    api.put("/v1/studies/default?regrade=true", json={"edition": "4.03"})
    assert _current(api) == [("Hyperglycemia", 3, "4.03"), ("Hypoglycemia", 0, "4.03")]


def test_a_study_chooses_how_the_text_is_read(api: httpx.Client) -> None:
    potassium = value(analyte="potassium", value="3.2", unit="mmol/L", lln="3.5", uln="5")
    chosen = {"interpretations": {"hypokalemia": "grade-1"}}
    made = api.put("/v1/studies/mild", json=chosen)
    assert made.json()["interpretations"] == {"hypokalemia": "grade-1"}
    for study, grade in (("default", 2), ("mild", 1)):
        stored = api.post(f"/v1/studies/{study}/patients/P1/results", json=panel(potassium))
        assert [(g["term"], g["grade"]) for g in stored.json()["grades"]] == [
            ("Hyperkalemia", 0), ("Hypokalemia", grade),
        ]  # fmt: skip
    rule = str(api.get("/v1/studies/mild/toxicity-table").json())
    assert "read as: hypokalemia grade-1" in rule
    assert api.put("/v1/studies/mild?regrade=true", json={}).status_code == 200
    grades = api.get("/v1/studies/mild/patients/P1/grades?term=Hypokalemia").json()["grades"]
    assert [g["grade"] for g in grades] == [2]


def test_a_panel_may_choose_too(stateless: httpx.Client) -> None:
    potassium = value(analyte="potassium", value="3.2", unit="mmol/L", lln="3.5", uln="5")
    body = panel(potassium, interpretations={"hypokalemia": "grade-1"})
    graded = stateless.post("/v1/grade", json=body).json()["grades"]
    assert [g["grade"] for g in graded] == [0, 1]


@pytest.mark.parametrize(
    "chosen", [{"hypokalemia": "grade-9"}, {"nothing": "grade-1"}], ids=["choice", "name"]
)
def test_an_unknown_choice_is_refused(stateless: httpx.Client, chosen: dict[str, str]) -> None:
    for method, path, body in (
        ("PUT", "/v1/studies/never", {}), ("POST", "/v1/grade", panel(value())),
    ):  # fmt: skip
        answer = stateless.request(method, path, json=body | {"interpretations": chosen})
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["interpretations"])


def test_a_report_that_would_mix_editions_is_refused(api: httpx.Client, database_url: str) -> None:
    api.post(f"{_P1}/results", json=panel(_PLATELETS))
    with transaction(database_url) as opened:
        save_study(opened, "default", Rules("5.0"))  # as no door does: without regrading
    answer = api.get("/v1/studies/default/toxicity-table")
    assert answer.status_code == 409
    assert "regrade" in answer.json()["detail"]


def test_editions_are_compared(stateless: httpx.Client) -> None:
    answer = stateless.get("/v1/criteria/compare", params={"from": "4.0", "to": "6.0"}).json()
    assert (answer["from"], answer["to"]) == ("4.03", "6.0")
    found: dict[tuple[str, str], Any] = {
        (d["analyte"], d["direction"]): d for d in answer["differences"]
    }
    platelets = found["platelets", "low"]
    assert (platelets["from_term"], platelets["to_term"]) == (
        "Platelet count decreased", "Thrombocytopenia",
    )  # fmt: skip
    assert [g["grade"] for g in platelets["grades"]] == [4]
    assert platelets["grades"][0]["to"]["limits"] == ["< 10000 /mm3", "< 10.0 10*9/L"]
    assert (found["CPK", "high"]["to_term"], found["LDL", "high"]["from_term"]) == (None, None)
    assert ("WBC", "low") not in found
    same = stateless.get("/v1/criteria/compare", params={"from": "5.0", "to": "5.0"}).json()
    assert same["differences"] == []


def test_an_unknown_edition_is_not_compared(stateless: httpx.Client) -> None:
    answer = stateless.get("/v1/criteria/compare", params={"from": "4.03", "to": "7"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "to"])


def test_the_criteria_name_their_interpretations(stateless: httpx.Client) -> None:
    found = stateless.get("/v1/criteria", params={"edition": "5.0"}).json()["interpretations"]
    sodium = next(i for i in found if i["interpretation"] == "hyponatremia")
    assert (sodium["terms"], sodium["default"]) == (["Hyponatremia"], "grade-3")
    assert [r["reading"] for r in sodium["readings"]] == ["grade-3", "grade-2", "to-129"]


def test_the_command_says_what_another_edition_changes_and_regrades(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'demo.db'}"
    upgrade(url)
    load_demo(url)
    settings = {"TOXGRADE_DATABASE_URL": url}
    said = toxgrade("criteria", "compare", "4.03", "6.0", cwd=tmp_path).stdout
    assert "Platelet count decreased -> Thrombocytopenia (platelets, low)" in said
    changes = toxgrade(
        "criteria", "compare", "4.03", "5.0", "--study", "demo", cwd=tmp_path, **settings
    ).stdout.splitlines()
    p13 = next(line for line in changes if line.startswith("P13,") and "ALT" in line)
    assert "baseline" in p13
    done = toxgrade("regrade", "demo", "--edition", "5.0", cwd=tmp_path, **settings)
    assert (done.returncode, done.stdout) == (0, "demo: graded by CTCAE v5.0 (2017-11-27)\n")
    with sqlite3.connect(tmp_path / "demo.db") as database:
        current = database.execute(
            "SELECT DISTINCT edition FROM grades WHERE id NOT IN"
            " (SELECT supersedes_id FROM grades WHERE supersedes_id IS NOT NULL)"
        ).fetchall()
    assert current == [("5.0",)]
    wrong = toxgrade("regrade", "demo", "--reading", "inr", cwd=tmp_path, **settings)
    assert (wrong.returncode, "INTERPRETATION=CHOICE" in wrong.stderr) == (2, True)


def test_a_clinician_s_grade_outlives_an_edition_that_dropped_its_term(api: httpx.Client) -> None:
    api.post(f"{_P1}/results", json=panel(_PLATELETS, baseline=[baseline()]))
    dropped = {"term": "Ankle fracture", "grade": 2, "onset": "2011-04-23"}
    assert api.post(f"{_P1}/events", json=dropped).status_code == 201
    before = api.get(f"{_P1}/events").json()["events"]
    assert api.put("/v1/studies/default?regrade=true", json={"edition": "6.0"}).status_code == 200
    assert api.get(f"{_P1}/events").json()["events"] == before
    refused = api.post(f"{_P1}/events", json=dropped)
    assert refused.status_code == 422
    assert "expected a term of CTCAE 6.0" in refused.text
    for page in ("/v1/studies/default/toxicity-table", "/studies/default/patients/P1"):
        assert api.get(page).status_code == 200


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Stored]:
    with stored(database_url, tmp_path / "batches") as found:
        yield found


@pytest.mark.parametrize("edition", ["5.0", "6.0"])
def test_a_batch_is_graded_by_the_study_s_edition_as_results_are(
    service: Stored, edition: str
) -> None:
    """Low platelets change their name in 6.0, LDH and ALP their limits; a second file merges."""
    rows = [
        "P1,2011-01-20,ALP,150,U/L,30,120,2011-01-24,2011-03-09",
        "P1,2011-04-23,ALP,310,U/L,30,120,2011-01-24,2011-03-09",
        "P1,2011-04-23,platelets,8,10*9/L,150,400,2011-01-24,2011-03-09",
        "P1,2011-04-23,LDH,300,U/L,120,240,2011-01-24,2011-03-09",
    ]
    for study in ("over-http", "by-batch"):
        assert service.client.put(f"/v1/studies/{study}", json={"edition": edition}).is_success
    names = HEADER.split(",")
    results = [dict(zip(names, row.split(","), strict=True)) for row in rows]
    course = {"start": "2011-01-24", "end": "2011-03-09"}
    sent = [{n: r[n] for n in names[1:7]} for r in results]
    answer = service.client.post(
        "/v1/studies/over-http/patients/P1/results", json={"radiotherapy": course, "results": sent}
    )
    assert answer.status_code == 201, answer.text
    for part in (rows[:2], rows[2:]):
        assert service.done("\n".join([HEADER, *part]), "by-batch")["state"] == "done"
    by_batch = service.grades("by-batch", "P1")
    assert {g["edition"] for g in by_batch} == {edition}
    key = str
    assert sorted(by_batch, key=key) == sorted(service.grades("over-http", "P1"), key=key)
