"""States that callers have seen, histories, looking back, withdrawing and erasing."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from tests.server.api.panels import baseline, panel, value
from toxgrade.server.records.audit_verify import heads, verify
from toxgrade.server.records.db.engine import snapshot
from toxgrade.server.runtime import MACHINE

_STUDY = "/v1/studies/default"
_P1 = f"{_STUDY}/patients/P1"
_WRONG = {"reason": "sent for the wrong patient"}


def _tag(api: httpx.Client, path: str = _P1) -> dict[str, str]:
    return {"If-Match": api.get(path).headers["ETag"]}


def _send(api: httpx.Client, *results: dict[str, object]) -> int:
    answer = api.post(f"{_P1}/results", json=panel(*results))
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["grades"][0]["id"]
    return number


def _now() -> str:
    time.sleep(0.002)  # rows are told apart by microseconds
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def test_a_tag_changes_with_what_is_stored_and_with_nothing_else(api: httpx.Client) -> None:
    _send(api)
    seen = _tag(api)
    _send(api)  # the same again
    assert _tag(api) == seen
    _send(api, value(value="4.0"))
    assert _tag(api) != seen
    put = api.put(_P1, json={"last_contact": "2012-01-01"})
    assert put.headers["ETag"] == _tag(api)["If-Match"]
    assert put.json() == api.get(_P1).json()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", _P1, {"last_contact": "2013-01-01"}),
        ("POST", f"{_P1}/results", panel(value(value="9"))),
        ("POST", f"{_P1}/events", {"term": "Nausea", "grade": 1, "onset": "2011-02-01"}),
    ],
)
def test_who_has_seen_an_older_state_is_refused(
    api: httpx.Client, method: str, path: str, body: object
) -> None:
    _send(api)
    seen = _tag(api)
    _send(api, value(value="4.0"))
    stale = api.request(method, path, json=body, headers=seen)
    assert (stale.status_code, "read it again" in stale.text) == (412, True)
    assert api.request(method, path, json=body, headers=_tag(api)).is_success
    assert api.request(method, path, json=body, headers={"If-Match": "*"}).is_success


def test_a_study_has_a_tag_too(api: httpx.Client) -> None:
    seen = _tag(api, _STUDY)
    assert api.put(_STUDY, json={"window": "end90"}, headers=seen).status_code == 200
    assert api.put(_STUDY, json={"window": "paper"}, headers=seen).status_code == 412
    assert api.get(_STUDY).json()["window"] == {"anchor": "end", "days": 90}
    nobody = api.put(f"{_STUDY}/patients/P9", json={}, headers={"If-Match": "*"})
    assert nobody.status_code == 412


def test_of_concurrent_corrections_of_one_state_one_wins(api: httpx.Client) -> None:
    _send(api)
    seen = _tag(api)

    def correct(i: int) -> int:
        body = panel(value(value=f"2.{i}"))
        return api.post(f"{_P1}/results", json=body, headers=seen).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(correct, range(50)))
    assert answers == [201, *[412] * 49]


def test_the_history_of_a_grade_says_who_and_when(api: httpx.Client) -> None:
    first = _send(api)
    second = _send(api, value(value="4.0", status="corrected"))
    history = api.get(f"{_P1}/grades/{first}/history").json()["history"]
    assert history == api.get(f"{_P1}/grades/{second}/history").json()["history"]
    assert [(g["id"], g["value"], g["grade"]) for g in history] == [
        (first, "1.8", 1), (second, "4.0", 3),
    ]  # fmt: skip
    assert [(g["audit"]["seq"], g["audit"]["actor"]) for g in history] == [
        (1, "anyone"), (2, "anyone"),
    ]  # fmt: skip
    assert api.get(f"{_P1}/grades/999999/history").status_code == 404


def test_a_result_sent_for_the_wrong_patient_is_withdrawn_with_a_reason(
    api: httpx.Client, database_url: str
) -> None:
    first = _send(api, value(), baseline())
    withdrawn = api.post(f"{_P1}/grades/{first}/withdrawal", json=_WRONG)
    assert (withdrawn.status_code, withdrawn.json()["grade"]["reason"]) == (201, "not-final")
    assert api.get(f"{_P1}/toxicity").json()["summary"][0]["worst_acute"] is None
    history = api.get(f"{_P1}/grades/{first}/history").json()["history"]
    assert [g["audit"]["reason"] for g in history] == [None, _WRONG["reason"]]
    again = api.post(f"{_P1}/grades/{first}/withdrawal", json=_WRONG)
    assert again.json() == withdrawn.json()
    assert api.post(f"{_P1}/grades/{first}/withdrawal", json={}).status_code == 422
    assert api.post(f"{_P1}/grades/999999/withdrawal", json=_WRONG).status_code == 404
    with snapshot(database_url) as connection:
        assert list(verify(connection, MACHINE.now())) == []


def test_a_report_as_of_a_time_shows_what_was_stored_then(api: httpx.Client) -> None:
    before = _now()
    _send(api)
    first = _now()
    _send(api, value(value="4.0", status="corrected"))
    api.put(_STUDY, json={"liver_enzymes": ["ALT"]})
    api.post(f"{_STUDY}/patients/P2/results", json=panel())

    def then(moment: str, path: str) -> httpx.Response:
        return api.get(path, params={"as_of": moment})

    for _ in range(8):  # often enough for a driver to prepare the statements
        grades = api.get(f"{_P1}/grades").json()["grades"]
        assert [g["grade"] for g in grades] == [3]
    assert [g["grade"] for g in then(first, f"{_P1}/grades").json()["grades"]] == [1]
    assert [g["grade"] for g in then(_now(), f"{_P1}/grades").json()["grades"]] == [3]
    for moment in (before, "0999-12-31T00:00:00Z", "0001-01-01T00:00:00Z"):
        assert then(moment, f"{_P1}/grades").status_code == 404
    assert then("9999-12-31T00:00:00Z", f"{_P1}/grades").status_code == 200
    assert then(first, f"{_P1}/toxicity").json()["summary"][0]["worst_acute"] == 1
    assert then(before, f"{_STUDY}/toxicity-table").json()["n_patients"] == 0
    assert then(first, f"{_STUDY}/toxicity-table").json()["n_patients"] == 1
    assert api.get(f"{_STUDY}/toxicity-table").json()["n_patients"] == 2


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-25", "2026-11-25T12:00:00", "'; --"])
def test_a_time_that_cannot_be_read(stateless: httpx.Client, moment: str) -> None:
    answer = stateless.get(f"{_STUDY}/toxicity-table", params={"as_of": moment})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "as_of"]


def test_a_patient_is_erased_and_the_audit_still_holds(
    api: httpx.Client, database_url: str
) -> None:
    key = {"Idempotency-Key": "k1"}
    api.post(f"{_P1}/results", json=panel(value(), baseline=[baseline()]), headers=key)
    _send(api, value(value="4.0"))
    api.post(f"{_P1}/events", json={"term": "Nausea", "grade": 2, "onset": "2011-02-01"})
    api.put(_P1, json={"last_contact": "2012-01-01", "sex": "female"})
    api.post(f"{_STUDY}/patients/P2/results", json=panel())
    why = {"reason": "request under article 17"}

    def erase(**headers: str) -> httpx.Response:
        return api.request("DELETE", _P1, json=why, headers=headers)

    assert erase().status_code == 428
    assert erase(**{"If-Match": '"0"'}).status_code == 412
    seen = _tag(api)
    done = erase(**seen)
    assert (done.status_code, done.json()["rows_erased"]) == (200, 10)
    assert erase(**seen).status_code == 412
    assert api.get(f"{_P1}/grades").status_code == 404
    assert [p["patient"] for p in api.get(f"{_STUDY}/patients").json()["patients"]] == ["P2"]
    again = api.post(f"{_P1}/results", json=panel(value(), baseline=[baseline()]), headers=key)
    assert (again.status_code, "was erased" in again.text) == (422, True)
    (fault,) = again.json()["errors"]
    assert (fault["loc"], fault["code"]) == (["patient"], "patient-erased")
    entries = api.get(f"{_STUDY}/patients/P1/audit").json()["entries"]
    tombstone = next(e for e in entries if "erased" in e)
    assert tombstone["reason"] == why["reason"]
    assert len(tombstone["erased"].pop("patients")) == 1
    assert sum(len(rows) for rows in tombstone["erased"].values()) == 10
    with snapshot(database_url) as connection:
        assert list(verify(connection, MACHINE.now(), heads(connection).items())) == []


def test_what_comes_after_an_erasure_has_numbers_of_its_own(
    api: httpx.Client, database_url: str
) -> None:
    """SQLite would give the numbers of the last rows again, of which the audit tells."""
    api.post(f"{_P1}/results", json=panel(value(), baseline=[baseline()]))
    seen = _tag(api)
    assert api.request("DELETE", _P1, json={"reason": "asked for"}, headers=seen).status_code == 200
    api.post(f"{_STUDY}/patients/P2/results", json=panel(value()))
    with snapshot(database_url) as connection:
        assert list(verify(connection, MACHINE.now())) == []
