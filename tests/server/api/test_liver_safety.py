"""Liver safety over HTTP: what is not certain is listed, and a reviewer's verdict is kept."""

import json
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.current_state import FollowUp, save_follow_up
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.runtime import MACHINE

_P1 = "/v1/studies/default/patients/P1"
_COURSE = {"start": "2020-01-06", "end": "2020-02-14"}
_ULN = {"ALT": ("U/L", 40), "ALP": ("U/L", 100), "bilirubin": ("mg/dL", 1)}


def _lab(text: str) -> dict[str, Any]:
    """Return a result written as ``ALT 300 2020-03-02``, with its ULN."""
    analyte, value, day = text.split()
    unit, uln = _ULN[analyte]
    return {"analyte": analyte, "value": value, "unit": unit, "uln": uln, "collected": day}


def _store(api: httpx.Client, labs: list[str], *courses: dict[str, str]) -> dict[str, Any]:
    """Store a patient, and return the answer of liver safety."""
    sent = {"courses": list(courses or (_COURSE,))}
    assert api.put(_P1, json=sent).status_code == 200
    stored = api.post(f"{_P1}/results", json={"results": [_lab(each) for each in labs]})
    assert stored.status_code == 201, stored.text
    return _safety(api)


def _is_whole(url: str) -> bool:
    with transaction(url) as opened:
        return not list(verify(opened.read(), MACHINE.now()))


def _safety(api: httpx.Client, **asked: int) -> dict[str, Any]:
    (found,) = api.get("/v1/studies/default/liver-safety", params=asked).json()["patients"]
    return dict(found)


_HYS = ["ALT 30 2020-01-03", "ALT 300 2020-06-07", "bilirubin 3 2020-06-07", "ALP 90 2020-06-07"]


def test_without_an_end_of_radiotherapy_nothing_vanishes(api: httpx.Client) -> None:
    found = _store(api, _HYS, {"start": "2020-01-06"})
    assert [one["date"] for one in found["hys_law"]] == ["2020-06-07"]
    assert found["peak_x_uln"] == {"ALT": 7.5, "AST": None, "ALP": 0.9, "bilirubin": 3.0}
    assert found["windows"] == {"classic_rild": None, "non_classic_rild": None}
    assert found["incomplete"] == [
        {"finding": "non_classic_rild", "date": "2020-06-07", "bilirubin_date": None,
         "missing": ["end of radiotherapy"], "review": None}
    ]  # fmt: skip
    assert api.get(f"{_P1}/toxicity").json()["liver_safety"]["hys_law"] == found["hys_law"]


def test_partial_dates_after_the_start_count_and_undated_results_are_possible(
    api: httpx.Client,
) -> None:
    found = _store(api, ["ALT 30 2020-01-03", "ALT 300 2020-05"])
    assert found["peak_x_uln"]["ALT"] == 7.5
    api.post(f"{_P1}/results", json={"results": [_lab("ALT 800 2020")]})
    found = _safety(api)
    assert (found["peak_x_uln"]["ALT"], found["peak_at_most"]["ALT"]) == (7.5, 20.0)
    assert found["peak_could_be_higher"] == ["ALT"]


def test_results_of_another_course_are_counted_and_named(api: httpx.Client) -> None:
    labs = ["ALT 30 2020-01-03", "ALT 400 2020-09-01", "bilirubin 4 2020-09-01",
            "ALP 90 2020-09-01"]  # fmt: skip
    found = _store(api, labs, _COURSE, {"start": "2020-07-01", "end": "2020-07-10"})
    findings = ["hys_law", "non_classic_rild"]
    assert found["hys_law"] == []
    assert found["other_courses"] == {
        "results": 3, "courses": [{"course": 2, "results": 3, "findings": findings}],
    }  # fmt: skip
    second = _safety(api, course=2)
    assert [one["date"] for one in second["hys_law"]] == ["2020-09-01"]
    assert second["hys_law"][0]["phase"] == "acute"


def test_multiples_of_an_abnormal_baseline_stand_beside_those_of_uln(api: httpx.Client) -> None:
    labs = ["ALT 160 2020-01-03", "bilirubin 0.9 2020-01-03", "ALT 150 2020-03-02",
            "bilirubin 2.1 2020-03-02", "ALP <200 2020-03-02"]  # fmt: skip
    (candidate,) = _store(api, labs)["hys_law"]
    assert candidate["x_uln"] == {"ALT": 3.75, "bilirubin": 2.1}
    assert candidate["x_baseline"] == {"ALT": 0.938}
    assert candidate["censored"] == {"ALP": "<2.0"}
    assert candidate["r_ratio"] is None
    definitions = api.get("/v1/studies/default/liver-safety").json()["definitions"]
    assert "Lin, Drug Saf 2012" in definitions["x_baseline"]


def test_nr_is_from_the_higher_of_alt_and_ast(api: httpx.Client) -> None:
    ast = {"analyte": "AST", "value": 400, "unit": "U/L", "uln": 40, "collected": "2020-06-07"}
    _store(api, _HYS)
    api.post(f"{_P1}/results", json={"results": [ast]})
    (candidate,) = _safety(api)["hys_law"]
    assert (candidate["r_ratio"], candidate["nr_ratio"]) == (8.33, 11.11)


def test_results_after_death_are_left_out_and_counted(api: httpx.Client, database_url: str) -> None:
    _store(api, _HYS)
    with transaction(database_url) as opened:
        patient = opened.connection.execute(text("SELECT id FROM patients")).scalar_one()
        save_follow_up(opened, patient, FollowUp(date(2020, 6, 1), "dead"), FollowUp())
    found = _safety(api)
    assert (found["hys_law"], found["after_death"]) == ([], 3)
    assert _peaks(api, "uln") == set()


def _peaks(api: httpx.Client, by: str) -> set[tuple[Any, ...]]:
    drawn = api.get(f"/studies/default/pictures/edish.json?by={by}").json()
    rows = [row for rows in drawn["datasets"].values() for row in rows if row.get("patient")]
    return {(r["alt"], r["bilirubin"], r["quadrant"], r["could_be_higher"]) for r in rows}


def test_edish_by_uln_or_by_baseline(api: httpx.Client) -> None:
    _store(api, [*_HYS, "bilirubin 0.5 2020-01-03"], {"start": "2020-01-06"})
    assert (7.5, 3.0, "Hy's law range", False) in _peaks(api, "uln")
    assert (10.0, 6.0, "Hy's law range", False) in _peaks(api, "baseline")
    drawn = api.get("/studies/default/pictures/edish.json?by=baseline").json()
    assert "ALT 3.8 x baseline, bilirubin 4.8 x baseline" in json.dumps(drawn)
    api.post(f"{_P1}/results", json={"results": [_lab("ALT 900 2020")]})
    assert (7.5, 3.0, "Hy's law range", True) in _peaks(api, "uln")
    assert api.get("/studies/default/pictures/edish.json?by=weight").status_code == 422


_REVIEW = {"finding": "hys_law", "date": "2020-06-07", "verdict": "rejected",
           "cause": "biliary-obstruction"}  # fmt: skip
_REVIEWS = f"{_P1}/liver-safety/reviews"


def test_a_review_is_kept_with_its_history_and_shown_beside_the_finding(
    api: httpx.Client, database_url: str
) -> None:
    _store(api, _HYS)
    first = api.post(_REVIEWS, json=_REVIEW, headers={"Idempotency-Key": "r1"})
    assert first.status_code == 201, first.text
    again = api.post(_REVIEWS, json=_REVIEW, headers={"Idempotency-Key": "r1"})
    assert (again.headers["Idempotency-Replayed"], again.json()) == ("true", first.json())
    assert api.post(_REVIEWS, json=_REVIEW).json()["id"] == first.json()["id"], "nothing new"
    changed = _REVIEW | {"verdict": "undetermined", "cause": None}
    assert api.post(_REVIEWS, json=changed).status_code == 201
    (candidate,) = _safety(api)["hys_law"]
    assert (candidate["review"]["verdict"], candidate["review"]["cause"]) == ("undetermined", None)
    history = api.get(_REVIEWS).json()["reviews"]
    assert [(r["verdict"], r["outdated"]) for r in history] == [
        ("rejected", False), ("undetermined", False),
    ]  # fmt: skip
    assert api.put(_P1, json={"courses": [{"start": "2020-06-07"}]}).status_code == 200
    assert [r["outdated"] for r in api.get(_REVIEWS).json()["reviews"]] == [True, True]
    audit = api.get("/v1/studies/default/audit").json()["entries"]
    assert sum("liver_reviews" in entry.get("rows", {}) for entry in audit) == 2
    assert _is_whole(database_url)
    for change in ("UPDATE liver_reviews SET verdict = 'confirmed'", "DELETE FROM liver_reviews"):
        with pytest.raises(DBAPIError), transaction(database_url) as opened:
            opened.connection.execute(text(change))


def test_the_page_of_a_patient_shows_findings_what_is_missing_and_reviews(
    api: httpx.Client,
) -> None:
    _store(api, _HYS, {"start": "2020-01-06"})
    assert api.post(_REVIEWS, json=_REVIEW).status_code == 201
    page = api.get("/studies/default/patients/P1", headers={"Accept": "text/html"}).text
    assert "Hy&#39;s law candidate</th><td>ALP 0.9, ALT 7.5, bilirubin 3.0</td>" in page
    assert "<td>rejected</td>" in page
    assert "Non-classic RILD?</th><td>missing: end of radiotherapy</td>" in page


def test_reviews_of_an_erased_patient_are_erased(api: httpx.Client, database_url: str) -> None:
    _store(api, _HYS)
    assert api.post(_REVIEWS, json=_REVIEW).status_code == 201
    tag = {"If-Match": api.get(_P1).headers["ETag"]}
    assert api.request("DELETE", _P1, json={"reason": "withdrawn"}, headers=tag).is_success
    with transaction(database_url) as opened:
        assert opened.connection.execute(text("SELECT count(*) FROM liver_reviews")).scalar() == 0
    assert _is_whole(database_url)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"date": "2020-06-08"}, "date"),
        ({"finding": "classic_rild"}, "date"),
        ({"finding": "cancer"}, "finding"),
        ({"verdict": "maybe"}, "verdict"),
        ({"cause": "Dr. Who said so"}, "cause"),
        ({"comment": "free text"}, "comment"),
    ],
)
def test_what_is_no_review(api: httpx.Client, changed: dict[str, str], field: str) -> None:
    _store(api, _HYS)
    answer = api.post(_REVIEWS, json=_REVIEW | changed)
    assert answer.status_code == 422
    assert field in answer.text
    assert "Dr. Who" not in answer.text
