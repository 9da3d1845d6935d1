"""The table of jobs: one holder at a time, fair between studies, nothing lost with a worker."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from toxgrade.grading.rules import Rules
from toxgrade.server.jobs import queue, task_completion
from toxgrade.server.jobs.batches import Progress, Upload, cancel_batch, create_batch, find_batch
from toxgrade.server.jobs.queue import LostTask, Task, WorkerProfile
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import studies
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.studies import save_study
from toxgrade.server.runtime import MACHINE

_WORKER = WorkerProfile(store="here", software="1.0", criteria=["abc"], lease=30)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def _create(engine: Engine, batch_id: str, study: str = "default", sha256: str = "") -> Progress:
    with begin(engine, MACHINE) as transaction:
        save_study(transaction, study, Rules())
        upload = Upload(batch_id, sha256 or batch_id, "labs.csv", None, "here")
        return create_batch(transaction, study, upload)


def _claim(engine: Engine, worker: WorkerProfile = _WORKER) -> Task | None:
    with engine.begin() as connection:
        return queue.claim(connection, worker)


def _claimed(engine: Engine, worker: WorkerProfile = _WORKER) -> Task:
    task = _claim(engine, worker)
    assert task is not None
    return task


def _cut(engine: Engine, rows: list[int]) -> None:
    task = _claimed(engine)
    assert task.kind == "partition"
    with begin(engine, MACHINE) as transaction:
        task_completion.finish_partition(transaction, task, rows, "CSV", _WORKER.software, "abc")


def _finish(engine: Engine, task: Task) -> None:
    with begin(engine, MACHINE) as transaction:
        queue.assert_lease(transaction.connection, task)
        task_completion.finish(transaction, task)


def _state(engine: Engine, batch_id: str, study: str = "default") -> Progress:
    with engine.begin() as connection:
        return find_batch(connection, study, batch_id)


def test_a_batch_goes_from_queued_to_done(engine: Engine) -> None:
    assert _create(engine, "a").state == "queued"
    assert _state(engine, "a").rows_total is None
    _cut(engine, [5, 7])
    assert (_state(engine, "a").state, _state(engine, "a").rows_total) == ("running", 12)
    kinds = []
    for done in (5, 12, 12):
        task = _claimed(engine)
        kinds.append((task.kind, task.rows))
        _finish(engine, task)
        assert _state(engine, "a").rows_done == done
    assert kinds == [("grade", 5), ("grade", 7), ("assemble", 0)]
    assert _state(engine, "a").state == "done"
    assert _claim(engine) is None


def test_a_task_has_one_holder_until_its_lease_ends(engine: Engine) -> None:
    _create(engine, "a")
    dead = _claimed(engine, replace(_WORKER, lease=0))
    heir = _claimed(engine)
    assert (heir.number, heir.fence) == (dead.number, dead.fence + 1)
    assert _claim(engine) is None, "it is held"
    with engine.begin() as connection:
        assert not queue.renew(connection, dead, 30)
        assert queue.renew(connection, heir, 30)
    with pytest.raises(LostTask), engine.begin() as connection:
        queue.assert_lease(connection, dead)
    with engine.begin() as connection:
        queue.assert_lease(connection, heir)


def test_what_an_overtaken_holder_wrote_is_not_committed(engine: Engine) -> None:
    _create(engine, "a")
    dead = _claimed(engine, replace(_WORKER, lease=0))
    _claimed(engine)

    def store() -> None:
        with begin(engine, MACHINE) as transaction:
            save_study(transaction, "half-done", Rules())
            queue.assert_lease(transaction.read(), dead)

    with pytest.raises(LostTask):
        store()
    with engine.begin() as connection:
        assert connection.scalars(select(studies.c.name)).all() == ["default"]


def test_many_workers_share_the_tasks_and_none_is_done_twice(engine: Engine) -> None:
    _create(engine, "a")
    _cut(engine, [1] * 40)
    done: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        while (task := _claim(engine)) is not None:
            _finish(engine, task)
            with lock:
                done.append(task.number)

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(work) for _ in range(4)]:
            each.result()
    while task := _claim(engine):
        _finish(engine, task)
    assert sorted(done)[:40] == list(range(1, 41))
    assert _state(engine, "a").state == "done"


def test_a_large_batch_does_not_keep_another_study_waiting(engine: Engine) -> None:
    _create(engine, "a", "large")
    _cut(engine, [1] * 10)
    _create(engine, "b", "large", "second")
    _create(engine, "c", "small")
    served = [_claimed(engine).study for _ in range(4)]
    assert served == ["small", "large", "large", "large"]


def test_within_a_study_the_oldest_batch_comes_first(engine: Engine) -> None:
    _create(engine, "b")
    _create(engine, "a")
    assert [_claimed(engine).batch_id for _ in range(2)] == ["b", "a"]


@pytest.mark.parametrize(
    "other",
    [
        replace(_WORKER, store="elsewhere"),
        replace(_WORKER, software="1.1"),
        replace(_WORKER, criteria=["def"]),
    ],
)
def test_a_batch_that_was_begun_is_left_to_its_version_and_folder(
    engine: Engine, other: WorkerProfile
) -> None:
    _create(engine, "a")
    if other.store == "here":
        _cut(engine, [1])
    assert _claim(engine, other) is None
    assert _claim(engine) is not None


def test_a_cancelled_batch_is_nobody_s_work(engine: Engine) -> None:
    _create(engine, "a")
    _cut(engine, [1, 1])
    task = _claimed(engine)
    with begin(engine, MACHINE) as transaction:
        cancel_batch(transaction, "default", "a")
    assert _claim(engine) is None
    with pytest.raises(LostTask):
        _finish(engine, task)


def test_a_task_that_kills_its_workers_is_tried_only_so_often(engine: Engine) -> None:
    _create(engine, "a")
    attempts = [_claimed(engine, replace(_WORKER, lease=0)) for _ in range(queue.MOST_ATTEMPTS)]
    assert not any(task.exhausted for task in attempts)
    assert _claimed(engine).exhausted


def test_a_task_whose_worker_died_goes_behind_the_others(engine: Engine) -> None:
    """Else a worker killed again and again would exhaust one innocent chunk."""
    _create(engine, "a")
    _cut(engine, [1, 1, 1])
    dying = replace(_WORKER, lease=0)
    assert [_claimed(engine, dying).number for _ in range(6)] == [1, 2, 3, 1, 2, 3]


def test_waiting_for_the_disk_is_not_held_against_a_task(engine: Engine) -> None:
    _create(engine, "a")
    for _ in range(2 * queue.MOST_ATTEMPTS):
        task = _claimed(engine)
        with engine.begin() as connection:
            queue.put_back(connection, task, "waiting: No space left on device", 0)
    assert _state(engine, "a").detail == "waiting: No space left on device"
    assert _claimed(engine).attempts == 1


def test_a_pause_is_kept(engine: Engine) -> None:
    _create(engine, "a")
    task = _claimed(engine)
    with engine.begin() as connection:
        queue.put_back(connection, task, "waiting", 60)
    assert _claim(engine) is None
