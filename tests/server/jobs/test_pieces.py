"""A chunk is stored in pieces: whatever their size, and whoever is killed or stores in between,
what is there in the end is what one transaction gives.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.server.jobs.exports_of_one import HEADER, Batch, export
from tests.server.jobs.stored import GRADERS
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.phase import Window
from toxgrade.grading.rules import Rules
from toxgrade.server.jobs import chunk, grading_task, partition, patient_rows, task_completion
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.regrade import regrade_study
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import save_study
from toxgrade.server.runtime import MACHINE

_SIZES = (1, 2, 3, 7, 20)
_EMPTY: dict[str, str | None] = dict.fromkeys(COLUMNS)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set about how many rows a piece has; chunks are read in twice as many."""

    def set_size(size: int) -> None:
        monkeypatch.setattr(chunk, "PIECE", size)
        monkeypatch.setattr(patient_rows, "PIECE", size)
        monkeypatch.setattr(partition, "CHUNK", 2 * size)

    return set_size


class _Killed(BaseException):
    """As SIGKILL: nothing of the worker's handling of errors runs."""


def _dying_after(monkeypatch: pytest.MonkeyPatch, pieces: int, *, committed: bool) -> None:
    """Let the worker die in or after each ``pieces``-th piece."""
    count = 0
    if committed:
        store = grading_task.GradingTask._store

        def then_die(self: Any, piece: Any, number: int) -> None:
            nonlocal count
            store(self, piece, number)
            count += 1
            if count % pieces == 0:
                raise _Killed

        monkeypatch.setattr(grading_task.GradingTask, "_store", then_die)
        return
    finish = task_completion.finish_piece

    def die(*given: Any) -> None:
        nonlocal count
        finish(*given)
        count += 1
        if count % pieces == 0:
            raise _Killed

    monkeypatch.setattr(task_completion, "finish_piece", die)


def _work(batch: Batch) -> int:
    """Work until all is done, with a new worker after each death; return the deaths."""
    deaths = 0
    while True:
        try:
            batch.work()
        except _Killed:
            deaths += 1
        else:
            return deaths


@pytest.mark.parametrize("seed", range(8))
def test_pieces_of_any_size_store_what_one_does(
    engine: Engine, tmp_path: Path, sized: Callable[[int], None], seed: int
) -> None:
    earlier = export(seed + 100, 12) if seed % 2 else ""
    whole = None
    for size in (100_000, *_SIZES):
        sized(100_000)
        batch = Batch(engine, tmp_path, f"pieces-of-{size}")
        if earlier:
            batch.store_all(earlier)
        sized(size)
        batch.store_all(export(seed))
        found = batch.found()
        whole = whole or found
        assert found == whole, f"in pieces of {size}"


@pytest.mark.parametrize("committed", [False, True], ids=["in a piece", "between pieces"])
@pytest.mark.parametrize("seed", range(3))
def test_a_worker_that_dies_between_pieces_loses_and_doubles_nothing(
    engine: Engine,
    tmp_path: Path,
    sized: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    committed: bool,
) -> None:
    whole = Batch(engine, tmp_path, "whole")
    whole.store_all(export(seed + 100, 12))
    whole.store_all(export(seed))
    split = Batch(engine, tmp_path, "split")
    split.store_all(export(seed + 100, 12))
    sized(2)
    split.upload(export(seed))
    _dying_after(monkeypatch, 3, committed=committed)
    assert _work(split) > 3
    assert split.found() == whole.found()


def _between(
    monkeypatch: pytest.MonkeyPatch, pieces: int, act: Callable[[], object]
) -> list[object]:
    """Let another client act once, after so many pieces of the batch."""
    store, seen = grading_task.GradingTask._store, list[object]()

    def then_act(self: Any, piece: Any, number: int) -> None:
        store(self, piece, number)
        if number == pieces and not seen:
            seen.append(act())

    monkeypatch.setattr(grading_task.GradingTask, "_store", then_act)
    return seen


def _panel(engine: Engine, study: str, *, baseline: bool) -> None:
    """Another client's results of P1, under numbers of its own; one earlier than all baselines."""
    days = ("2011-01-23" if baseline else "2011-05-01", "2011-02-01T09:00")
    rows = [
        {"analyte": "ALT", "value": f"{30 + i}", "unit": "U/L", "lln": None, "uln": "40",
         "collected": day, "patient": "P1", "source_id": f"other-{i}"}
        for i, day in enumerate(days)
    ]  # fmt: skip
    results = tuple((("results", i), lab_result(_EMPTY | row)) for i, row in enumerate(rows))
    with begin(engine, MACHINE) as transaction:
        transaction.pop_written()
        store(transaction, Submission(study, "P1", results, None), GRADERS)


def _other_rules(engine: Engine, study: str) -> None:
    with begin(engine, MACHINE) as transaction:
        transaction.pop_written()
        rules = Rules(window=Window("end", days=30))
        saved = save_study(transaction, study, rules)
        regrade_study(transaction, saved.study, GRADERS)


@pytest.mark.parametrize("pieces", [1, 3, 8])
@pytest.mark.parametrize("what", ["panel", "baseline", "rules"])
@pytest.mark.parametrize("seed", range(2))
def test_what_others_store_between_pieces_counts_as_if_stored_after_or_before(
    engine: Engine,
    tmp_path: Path,
    sized: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    what: str,
    pieces: int,
) -> None:
    def act(study: str) -> None:
        if what == "rules":
            _other_rules(engine, study)
        else:
            _panel(engine, study, baseline=what == "baseline")

    earlier, text = export(seed + 100, 12), export(seed)
    whole = Batch(engine, tmp_path, "whole")
    whole.store_all(earlier)
    act("whole")
    whole.store_all(text)
    split = Batch(engine, tmp_path, "split")
    split.store_all(earlier)
    sized(2)
    split.upload(text)
    seen = _between(monkeypatch, pieces, lambda: act("split"))
    split.work()
    assert seen, "the other acted in between"
    expected, found = whole.found(), split.found()
    for name in ("batch", "rejects", "graded", "results", "courses"):
        assert found[name] == expected[name], name
    assert split.current() == whole.current()


def test_a_result_that_another_corrects_between_pieces_is_kept_once(
    engine: Engine, tmp_path: Path, sized: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The correction came before the piece with the first version: that is older, and not lost."""
    rows = [
        f"P1,2011-02-{n:02},ALT,{n},U/L,,40,S{n},final,,2011-01-24,2011-03-09" for n in range(1, 9)
    ]
    batch = Batch(engine, tmp_path, "corrected")
    sized(2)
    batch.upload("\n".join([HEADER, *rows, ""]))
    row = {
        "analyte": "ALT", "value": "99", "unit": "U/L", "lln": None, "uln": "40",
        "collected": "2011-02-08", "patient": "P1", "source_id": "S8", "status": "corrected",
    }  # fmt: skip

    def correct() -> None:
        with begin(engine, MACHINE) as transaction:
            transaction.pop_written()
            results = ((("results", 0), lab_result(_EMPTY | row)),)
            store(transaction, Submission("corrected", "P1", results, None), GRADERS)

    _between(monkeypatch, 2, correct)
    batch.work()
    found = batch.found()
    assert found["batch"][:4] == ("done", 8, 8, 0)
    assert sorted(g["grade"] for g in found["graded"]) == [0] * 7 + [1]
    assert "ignored-older" in str(found["graded"][7]["flags"])
    assert len(found["results"]) == 8
