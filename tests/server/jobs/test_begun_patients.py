"""While a batch has stored a part of a patient, whoever reads the patient is told."""

from typing import Any

import pytest

from tests.server.jobs.stored import HEADER, Stored
from toxgrade.server.jobs import chunk, partition, patient_rows
from toxgrade.server.jobs.grading_task import GradingTask

_RT = "2011-01-24,2011-03-09"
_EARLIER = f"{HEADER}\nP1,2011-01-20,ALT,30,U/L,,40,{_RT}\nP2,2011-01-20,ALT,30,U/L,,40,{_RT}\n"
_ROWS = "\n".join(
    [HEADER]
    + [f"P1,2011-02-{day:02},ALT,{100 + day},U/L,,40,{_RT}" for day in range(1, 8)]
    + [f"P1,2011-01-23,ALT,90,U/L,,40,{_RT}\n"]
)
"""The last row is the baseline: the grades of the others depend on it."""

_P1, _P2 = ("/v1/studies/default/patients/P1", "/v1/studies/default/patients/P2")
_TOLD = "Toxgrade-Storing-Batch"


@pytest.fixture
def seen(service: Stored, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is read after each piece of two rows."""
    monkeypatch.setattr(chunk, "PIECE", 2)
    monkeypatch.setattr(patient_rows, "PIECE", 2)
    monkeypatch.setattr(partition, "CHUNK", 4)
    service.done(_EARLIER)
    store, found = GradingTask._store, list[dict[str, Any]]()

    def then_read(self: GradingTask, piece: Any, number: int) -> None:
        store(self, piece, number)
        found.append({path: service.client.get(path).headers.get(_TOLD) for path in _PATHS})

    monkeypatch.setattr(GradingTask, "_store", then_read)
    return found


_PATHS = (f"{_P1}/grades", f"{_P1}/toxicity", _P1, "/v1/studies/default/toxicity-table",
          f"{_P2}/grades", "/v1/studies")  # fmt: skip


def test_reads_of_the_patient_and_the_study_name_the_batch_until_the_last_piece(
    service: Stored, seen: list[dict[str, Any]]
) -> None:
    batch = service.done(_ROWS)
    assert batch["state"] == "done"
    assert len(seen) > 4
    for read in seen:
        assert [read[path] for path in _PATHS[:4]] == [batch["id"]] * 4
        assert [read[path] for path in _PATHS[4:]] == [None, None]
    assert [service.client.get(path).headers.get(_TOLD) for path in _PATHS] == [None] * 6


def test_the_page_of_the_patient_says_so(
    service: Stored, seen: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = list[str]()
    store = GradingTask._store

    def then_read(self: GradingTask, piece: Any, number: int) -> None:
        store(self, piece, number)
        pages.append(service.client.get("/studies/default/patients/P1").text)

    monkeypatch.setattr(GradingTask, "_store", then_read)
    batch = service.done(_ROWS)
    link = f'Not complete yet: <a href="/studies/default/batches/{batch["id"]}">'
    assert all(link in text for text in pages)
    assert link not in service.client.get("/studies/default/patients/P1").text


def test_a_cancelled_batch_leaves_grades_by_what_is_stored(
    service: Stored, seen: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The baseline of the other rows was in the part that never came."""
    store = GradingTask._store

    def then_cancel(self: GradingTask, piece: Any, number: int) -> None:
        store(self, piece, number)
        if number == 2:
            service.client.delete(f"/v1/studies/default/batches/{self._task.batch_id}")

    monkeypatch.setattr(GradingTask, "_store", then_cancel)
    batch = service.done(_ROWS)
    assert batch["state"] == "cancelled"
    assert service.client.get(f"{_P1}/grades").headers.get(_TOLD) is None
    stored = service.grades("default", "P1")
    assert len(stored) == 5
    assert {grade["baseline_grade"] for grade in stored} == {0}, "by the baseline that is stored"


def test_too_many_results_of_one_patient_are_refused_with_the_question(
    service: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_rows, "MOST_RESULTS", 5)
    batch = service.done(_ROWS + f"P2,2011-02-01,ALT,90,U/L,,40,{_RT}\nP1,x,ALT,9,U/L,,40,{_RT}\n")
    assert (batch["state"], batch["rows_done"], batch["rows_rejected"]) == ("done", 10, 9)
    rejects = service.get(f"/v1/studies/default/batches/{batch['id']}/rejects")["rejects"]
    reasons = [(reject["row"], reject["column"], reject["reason"]) for reject in rejects]
    assert reasons[:-1] == [(row, "patient", "too-many-results") for row in range(1, 9)]
    assert reasons[-1] == (10, "collected", "unreadable-date")
    assert service.get("/v1/studies/default/patients")["patients"] == [{"patient": "P2"}]
    graded = service.graded(batch["id"])
    assert "is the patient column right?" in graded["because"][0]
