"""A chunk is stored in pieces: whatever their size, and whoever is killed or stores in between,
what is there in the end is what one transaction gives.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.server.jobs.exports_of_one import Batch, export
from toxgrade.server.jobs import chunk, grading_task, partition, patient_rows, task_completion
from toxgrade.server.records.db.engine import build_engine

_SIZES = (1, 2, 3, 7, 20)


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
