"""Results kept with their history, over HTTP, on SQLite and on PostgreSQL."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.conftest import NewDatabase
from tests.server.api.panels import baseline, panel, value
from toxgrade.criteria.reader import load
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Graders
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.store import store
from toxgrade.server.runtime import MACHINE

_P1 = "/v1/studies/default/patients/P1"


def send(api: httpx.Client, body: dict[str, Any], path: str = _P1) -> dict[str, Any]:
    answer = api.post(f"{path}/results", json=body)
    assert answer.status_code == 201, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


def grades(api: httpx.Client, query: str = "", path: str = _P1) -> list[dict[str, Any]]:
    answer = api.get(f"{path}/grades?{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["grades"]
    return found


def test_a_panel_is_graded_stored_and_read_back(api: httpx.Client) -> None:
    stored = send(api, panel(value(), baseline=[baseline()]))
    assert (stored["study"], stored["patient"], stored["edition"]) == ("default", "P1", "4.03")
    assert [(g["phase"], g["grade"]) for g in stored["grades"]] == [("acute", 1), ("baseline", 0)]
    read = grades(api)
    assert sorted(read, key=lambda g: g["id"]) == sorted(stored["grades"], key=lambda g: g["id"])
    assert [g["collected"] for g in read] == ["2011-01-20", "2011-04-23"]
    toxicity = api.get(f"{_P1}/toxicity").json()
    assert toxicity.pop("liver_safety")["peak_x_uln"]["bilirubin"] == 1.5
    left_out = [toxicity.pop(name) for name in ("phase_unknown", "other_courses", "after_death")]
    assert left_out == [{"n": 0}, 0, 0]
    assert toxicity == {
        "patient": "P1",
        "radiotherapy": {
            "start": "2011-01-24", "end": "2011-03-09", "status": "completed",
            "dose_gy": None, "fractions": None, "bed10_gy": None,
        },
        "summary": stored["summary"],
    }  # fmt: skip
    assert stored["summary"][0]["worst_acute"] == 1
    assert api.get("/v1/studies/default/patients").json() == {
        "patients": [{"patient": "P1"}], "next": None,
    }  # fmt: skip


def test_sent_again_nothing_changes(api: httpx.Client) -> None:
    alt = value(source_id=None, analyte="ALT", value=50, unit="U/L", uln=40, lln=5)
    first = send(api, panel(value(), alt, baseline=[baseline()]))
    seen = api.get(_P1).headers["ETag"]
    again = panel(
        value(analyte="1975-2", value="1.80", lln="0.20"),
        value(source_id=None, analyte="SGPT", value="50.0", unit="IU/L", uln="40", lln=5),
        baseline=[baseline(value="0.90")],
    )
    assert send(api, again) == first
    assert api.get(_P1).headers["ETag"] == seen
    assert grades(api, "include_superseded=true") == grades(api)


def test_a_correction_supersedes_and_the_old_grade_stays(api: httpx.Client) -> None:
    first = send(api, panel())["grades"][0]
    second = send(api, panel(value(value="4.0", status="corrected")))["grades"][0]
    assert (second["grade"], second["supersedes_id"]) == (3, first["id"])
    assert [g["grade"] for g in grades(api)] == [3]
    assert [g["grade"] for g in grades(api, "include_superseded=true")] == [1, 3]


def test_an_older_issue_never_supersedes_a_newer_one(api: httpx.Client) -> None:
    send(api, panel(value(value="4.0", issued="2011-04-24T10:00:00+02:00")))
    late = send(api, panel(value(value="1.0", issued="2011-04-24T09:59:00+02:00")))
    assert [g["grade"] for g in late["grades"]] == [3]
    same = send(api, panel(value(value="1.9", issued="2011-04-24T08:00:00Z")))
    assert [g["grade"] for g in same["grades"]] == [2]
    newer = send(api, panel(value(value="1.0", issued="2011-04-24T10:01:00+02:00")))
    assert [g["grade"] for g in newer["grades"]] == [0]


@pytest.mark.parametrize("issued", [True, False])
def test_the_original_of_a_corrected_time_is_found_when_it_comes_again(
    api: httpx.Client, issued: bool
) -> None:
    """Also where it is known to be older, so that versions of that time need not be read."""

    def at(day: str, status: str, second: int) -> dict[str, Any]:
        when = {"issued": f"2011-04-24T10:00:{second:02}Z"} if issued else {}
        return panel(value(collected=day, status=status, **when))

    original, corrected = at("2011-04-23", "final", 1), at("2011-04-25", "corrected", 2)
    for sent in (original, corrected, original, at("2011-04-25", "corrected", 3), original):
        send(api, sent)
        assert len(grades(api)) == 1
    (grade,) = grades(api)
    assert (grade["collected"], grade["status"]) == ("2011-04-25", "corrected")
    if issued:
        send(api, at("2011-04-23", "final", 4))  # The sender says so once more, and later.
        assert [g["collected"] for g in grades(api)] == ["2011-04-23"]


@pytest.mark.parametrize("issued", [True, False])
def test_a_result_amended_often_costs_no_more_each_time(
    new_sqlite: NewDatabase, issued: bool
) -> None:
    """Calls are counted, not seconds."""
    graders = Graders(load())
    engine = build_engine(new_sqlite())

    def calls(patient: str, times: int) -> int:
        count = 0

        def profile(_frame: object, _event: str, _argument: object) -> None:
            nonlocal count
            count += 1

        for i in range(times):
            result = LabResult(
                "bilirubin", read_value(f"{i}.5"), "mg/dL", status="corrected", source_id="L",
                collected=read_collected("2011-04-23"),
                issued=datetime(2011, 4, 24, i // 60, i % 60, tzinfo=UTC) if issued else None,
            )  # fmt: skip
            sent = Submission("default", patient, ((("L",), result),), None, is_message=True)
            with begin(engine, MACHINE) as transaction:
                if i == times - 1:
                    sys.setprofile(profile)
                store(transaction, sent, graders)
                sys.setprofile(None)
                transaction.read()
        return count

    calls("P0", 5)  # Caches are filled.
    assert calls("P1", 200) < 1.5 * calls("P2", 100)


def test_a_withdrawn_result_has_no_grade(api: httpx.Client) -> None:
    send(api, panel())
    withdrawn = send(api, panel(value(status="entered-in-error")))["grades"][0]
    assert (withdrawn["grade"], withdrawn["reason"]) == (None, "not-final")
    assert api.get(f"{_P1}/toxicity").json()["summary"][0]["worst_acute"] is None


def test_without_a_source_id_another_value_is_another_result(api: httpx.Client) -> None:
    send(api, panel(value(source_id=None)))
    send(api, panel(value(source_id=None, value="1.9")))
    assert sorted(g["grade"] for g in grades(api)) == [1, 2]


def test_a_changed_treatment_date_regrades_what_is_stored(api: httpx.Client) -> None:
    first = send(api, panel())["grades"][0]
    assert first["phase"] == "acute"
    send(api, {"results": []})  # left out: unchanged
    assert [g["phase"] for g in grades(api)] == ["acute"]
    send(api, {"results": [], "radiotherapy": {"start": "2010-10-01", "end": "2010-11-01"}})
    (moved,) = grades(api)
    assert (moved["phase"], moved["supersedes_id"]) == ("late", first["id"])
    send(api, {"results": [], "radiotherapy": None})  # null: cleared
    assert [g["phase"] for g in grades(api)] == ["unknown"]
    history = [g["phase"] for g in grades(api, "include_superseded=true")]
    assert history == ["acute", "late", "unknown"]


def test_a_course_alone_is_stored_with_an_empty_list_of_results(api: httpx.Client) -> None:
    send(api, panel(value()))
    course = {"start": "2011-01-24", "end": "2011-01-25"}
    assert send(api, {"results": [], "radiotherapy": course})["grades"] == []
    assert [entry["phase"] for entry in grades(api)] == ["acute"]
    assert send(api, {"results": []})["grades"] == []
    assert api.get(f"{_P1}/toxicity").json()["radiotherapy"]["end"] == "2011-01-25"


def test_an_earlier_baseline_regrades_what_it_touches(api: httpx.Client) -> None:
    creatinine = {"analyte": "creatinine", "unit": "umol/L", "uln": "106", "lln": None}
    late = send(api, panel(value(**creatinine, value="130")))["grades"][0]
    assert (late["at_least"], late["at_most"], late["reason"]) == (1, 3, "missing-baseline")
    before = baseline(**creatinine, value="70")
    send(api, panel(before))
    assert [(g["phase"], g["grade"]) for g in grades(api)] == [("baseline", 0), ("acute", 2)]
    send(api, panel(before | {"value": "100", "status": "corrected"}))
    assert [(g["phase"], g["grade"]) for g in grades(api)] == [("baseline", 0), ("acute", 1)]


def test_two_baselines_of_one_day_give_one_answer_whichever_arrives_first(
    api: httpx.Client,
) -> None:
    mass = {"analyte": "creatinine", "uln": "1.2", "lln": None}
    sent = [
        value(**mass, value="<1.0", collected="2011-01-20", source_id="A"),
        value(**mass, value="1.0", collected="2011-01-20", source_id="B"),
        value(**mass, value="1.6", source_id="C"),
    ]
    found = []
    for patient, order in (("P1", (0, 1, 2)), ("P2", (1, 0, 2)), ("P3", (2, 1, 0))):
        path = f"/v1/studies/default/patients/{patient}"
        for place in order:
            send(api, panel(sent[place]), path)
        stored = sorted(grades(api, path=path), key=lambda grade: str(grade["source_id"]))
        found.append([(g["source_id"], g["phase"], g["at_least"], g["at_most"]) for g in stored])
        assert ["baseline-ambiguous" in g["flags"] for g in stored] == [False, True, True]
    expected = [("A", "pre_treatment", 0, 0), ("B", "baseline", 0, 0), ("C", "acute", 2, 3)]
    assert found == [expected] * 3


def test_a_refused_panel_stores_nothing(api: httpx.Client) -> None:
    bad = panel(value(source_id="LAB-2"), value(collected=None, source_id="LAB-3"))
    answer = api.post(f"{_P1}/results", json=bad)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["results", 1, "collected"]
    two = panel(value(), value(value="1.9"))
    assert api.post(f"{_P1}/results", json=two).status_code == 422
    late = panel(baseline=[baseline(collected="2011-02-01")])
    assert api.post(f"{_P1}/results", json=late).status_code == 422
    assert api.get("/v1/studies/default/patients").json()["patients"] == []


def test_an_undated_baseline_is_accepted(api: httpx.Client) -> None:
    undated = baseline()
    del undated["collected"]
    stored = send(api, panel(value(), baseline=[undated]))["grades"]
    assert [(g["phase"], g["worse_than_baseline"]) for g in stored] == [
        ("acute", True), ("baseline", False),
    ]  # fmt: skip
    assert [g["collected"] for g in grades(api)] == [None, "2011-04-23"]


def test_grades_are_paged_and_filtered(api: httpx.Client) -> None:
    days = [f"2011-04-{day:02}" for day in range(1, 26)]
    results = [value(collected=day, source_id=day, value=str(1 + i % 4))
               for i, day in enumerate(days)]  # fmt: skip
    send(api, panel(*reversed(results), baseline=[baseline()]))
    pages, cursor = [], ""
    while cursor is not None:
        page = api.get(f"{_P1}/grades?limit=10{cursor and '&cursor='}{cursor}").json()
        pages.append([g["collected"] for g in page["grades"]])
        cursor = page["next"]
    assert [len(page) for page in pages] == [10, 10, 6]
    assert [day for page in pages for day in page] == ["2011-01-20", *days]
    assert {g["grade"] for g in grades(api, "min_grade=2")} == {2, 3}
    assert [g["phase"] for g in grades(api, "phase=baseline")] == ["baseline"]
    assert grades(api, "term=Leukocytosis") == []
    assert len(grades(api, "term=Blood bilirubin increased&limit=1000")) == 26


@pytest.mark.parametrize("cursor", ["x", "bm9uZQ==", "WyIyMDExIl0=", "W251bGwsIDFlOTld"])
def test_a_cursor_that_is_not_ours_is_refused(api: httpx.Client, cursor: str) -> None:
    send(api, panel())
    answer = api.get(f"{_P1}/grades?cursor={cursor}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "cursor"])


def test_patients_are_paged(api: httpx.Client) -> None:
    """By the codes of their characters, whatever the database's own order of texts."""
    for name in ("p-1", "P9", "P10"):
        send(api, panel(), f"/v1/studies/default/patients/{name}")
    first = api.get("/v1/studies/default/patients?limit=2").json()
    assert first == {"patients": [{"patient": "P10"}, {"patient": "P9"}], "next": "P9"}
    second = api.get("/v1/studies/default/patients?limit=2&cursor=P9").json()
    assert second == {"patients": [{"patient": "p-1"}], "next": None}


def test_a_study_chooses_its_rules(api: httpx.Client) -> None:
    created = api.put("/v1/studies/early", json={"window": "rtog90", "edition": "4.0"})
    assert (created.status_code, created.json()) == (
        201,
        {
            "study": "early", "synthetic": False, "edition": "4.03",
            "window": {"anchor": "start", "days": 90},
            "liver_enzymes": ["ALT", "AST", "ALP", "GGT"], "rows": None,
            "clinical_terms": [], "interpretations": {},
            "dictionary": {"analytes": {}, "units": {}, "specimens": {}},
            "implausible": "refuse",
        },
    )  # fmt: skip
    assert api.put("/v1/studies/early", json={"window": "end90"}).status_code == 200
    assert [s["study"] for s in api.get("/v1/studies").json()["studies"]] == ["default", "early"]


def test_other_rules_for_results_that_are_stored_need_a_regrade(api: httpx.Client) -> None:
    send(api, panel(value(collected="2011-06-09")))  # three months after the end; 92 days
    assert [g["phase"] for g in grades(api)] == ["acute"]
    refused = api.put("/v1/studies/default", json={"window": "end90"})
    assert refused.status_code == 409
    assert "?regrade=true" in refused.json()["detail"]
    assert [g["phase"] for g in grades(api)] == ["acute"]
    same = api.put("/v1/studies/default", json={"liver_enzymes": ["ALT"]})
    assert same.status_code == 200  # what reports show needs no regrading
    assert api.put("/v1/studies/default?regrade=true", json={"window": "end90"}).status_code == 200
    assert [g["phase"] for g in grades(api)] == ["late"]
    assert [g["phase"] for g in grades(api, "include_superseded=true")] == ["acute", "late"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"liver_enzymes": ["ALT", "lead"]}, ["liver_enzymes", 1]),
        ({"liver_enzymes": []}, ["liver_enzymes"]),
        ({"edition": "9"}, ["edition"]),
        ({"implausible": "convert"}, ["implausible"]),
        ({"windows": "paper"}, ["windows"]),
    ],
)
def test_rules_that_cannot_be(stateless: httpx.Client, body: object, loc: list[object]) -> None:
    answer = stateless.put("/v1/studies/never", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, loc)
    assert "never" not in {s["study"] for s in stateless.get("/v1/studies").json()["studies"]}


def test_a_study_that_is_not_there(api: httpx.Client) -> None:
    answer = api.post("/v1/studies/none/patients/P1/results", json=panel())
    assert answer.status_code == 404


def test_concurrent_requests_for_one_patient_lose_nothing(api: httpx.Client) -> None:
    """Each sender corrects one shared result and adds one of its own."""

    def post(i: int) -> int:
        own = value(source_id=f"own-{i}", value=f"1.{i}")
        return api.post(f"{_P1}/results", json=panel(own, value(value=f"2.{i + 10}"))).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(post, range(24))) == [201] * 24
    current = grades(api, "limit=1000")
    assert {g["source_id"] for g in current} == {"LAB-1", *(f"own-{i}" for i in range(24))}
    assert len(current) == 25
    shared = [g for g in grades(api, "limit=1000&include_superseded=true")
              if g["source_id"] == "LAB-1"]  # fmt: skip
    assert len(shared) == 24
    assert [g["supersedes_id"] for g in shared] == [None, *(g["id"] for g in shared[:-1])]


def test_text_that_databases_stumble_over_comes_back_whole(api: httpx.Client) -> None:
    odd = "Ä'; DROP TABLE grades; -- 🧪 \\ \" %s {0}"
    send(api, panel(value(source_id=odd, analyte="x" * 200, unit="µ" * 64)))
    (stored,) = grades(api)
    assert (stored["source_id"], stored["analyte"], stored["unit"]) == (odd, "x" * 200, "µ" * 64)
