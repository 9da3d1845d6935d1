"""The one writer: durable before the answer, a bad job fails alone, nothing waits for ever."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from tests.coroutines import awaited
from toxgrade.errors import Conflict, Unavailable
from toxgrade.server.records.db.engine import build_engine, read_only
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.writer import Writer
from toxgrade.server.runtime import MACHINE

Job = Callable[[Transaction], str]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def _insert(name: str) -> Job:
    def job(transaction: Transaction) -> str:
        transaction.connection.execute(
            text("INSERT INTO studies (name, synthetic, recorded_at) VALUES (:n, :f, :t)"),
            {"n": name, "f": False, "t": "2026-01-01 00:00:00"},
        )
        return name

    return job


def _names(engine: Engine) -> set[str]:
    with read_only(engine).begin() as connection:
        return set(connection.scalars(text("SELECT name FROM studies")))


def _held(writer: Writer) -> tuple[threading.Event, "Future[bool]"]:
    """Keep the writer busy until the event is set, so that what follows waits together."""
    started, go = threading.Event(), threading.Event()

    def hold(_: Transaction) -> bool:
        started.set()
        return go.wait(10)

    held = writer.submit(hold)
    assert started.wait(10)
    return go, held


def test_an_answer_means_it_is_stored(engine: Engine) -> None:
    writer = Writer(engine, MACHINE)
    assert writer.submit(_insert("a")).result(10) == "a"
    assert _names(engine) == {"default", "a"}
    writer.close()


def test_a_bad_job_fails_alone(engine: Engine) -> None:
    writer = Writer(engine, MACHINE)
    go, _ = _held(writer)

    def refuse(transaction: Transaction) -> None:
        _insert("half")(transaction)
        raise Conflict("no")

    good, bad, twin = (writer.submit(job) for job in (_insert("a"), refuse, _insert("default")))
    last = writer.submit(_insert("b"))
    go.set()
    assert (good.result(10), last.result(10)) == ("a", "b")
    assert isinstance(bad.exception(10), Conflict)
    error = twin.exception(10)
    assert isinstance(error, RuntimeError), "trying again would not help"
    assert "default" not in str(error), "a database's own message holds values"
    assert _names(engine) == {"default", "a", "b"}
    writer.close()


def test_what_waits_is_finished_before_closing(engine: Engine) -> None:
    writer = Writer(engine, MACHINE)
    go, _ = _held(writer)
    waiting = [writer.submit(_insert(f"s{i}")) for i in range(100)]
    threading.Timer(0.05, go.set).start()
    writer.close()
    assert {job.result(0) for job in waiting} == _names(engine) - {"default"}
    with pytest.raises(Unavailable):
        writer.submit(_insert("late"))


def test_a_full_queue_says_so(engine: Engine) -> None:
    writer = Writer(engine, MACHINE)
    go, _ = _held(writer)

    def flood() -> None:
        for _ in range(1002):
            writer.submit(lambda _: None)

    with pytest.raises(Unavailable, match="too many"):
        flood()
    go.set()
    writer.close()


def test_a_caller_who_left_is_skipped(engine: Engine) -> None:
    writer = Writer(engine, MACHINE)
    go, _ = _held(writer)
    left = writer.submit(_insert("left"))
    assert left.cancel()
    go.set()
    writer.close()
    assert _names(engine) == {"default"}


async def _ask(writer: Writer, names: Sequence[str], go: threading.Event) -> list[Any]:
    """What callers in one event loop get whose jobs wait together; "left" leaves before."""
    asked = [asyncio.create_task(writer.ask(_insert(name))) for name in names]
    await asyncio.sleep(0)
    for task, name in zip(asked, names, strict=True):
        if name == "left":
            task.cancel()
    await asyncio.sleep(0)
    go.set()
    return await asyncio.gather(*asked, return_exceptions=True)


def test_callers_in_a_loop_are_answered_each_and_who_left_is_skipped(engine: Engine) -> None:
    writer = Writer(engine, MACHINE)
    go, _ = _held(writer)
    first, left, twin, last = awaited(_ask(writer, ["a", "left", "default", "b"], go))
    assert (first, last) == ("a", "b")
    assert isinstance(left, asyncio.CancelledError)
    assert isinstance(twin, RuntimeError)
    writer.close()
    assert _names(engine) == {"default", "a", "b"}


def test_a_loop_is_woken_once_for_the_answers_of_a_group(engine: Engine) -> None:
    writer = Writer(engine, MACHINE)
    go, _ = _held(writer)

    async def count() -> int:
        loop = asyncio.get_running_loop()
        with patch.object(loop, "call_soon_threadsafe", wraps=loop.call_soon_threadsafe) as wake:
            await _ask(writer, ["a", "b", "c"], go)
        return wake.call_count

    assert awaited(count()) == 1
    writer.close()


def test_who_leaves_after_the_job_began_is_not_waited_for(engine: Engine) -> None:
    """The job is done all the same; that the caller's loop is gone matters to nobody."""
    writer = Writer(engine, MACHINE)
    started, go = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> str:
        started.set()
        go.wait(10)
        return _insert("done")(transaction)

    async def leave() -> None:
        task = asyncio.create_task(writer.ask(slow))
        await asyncio.to_thread(started.wait, 10)
        task.cancel()

    awaited(leave())
    go.set()
    assert writer.submit(_insert("next")).result(10) == "next"
    writer.close()
    assert _names(engine) == {"default", "done", "next"}


def test_errors_of_the_database_hide_their_parameters(engine: Engine) -> None:
    with pytest.raises(SQLAlchemyError) as error, engine.begin() as connection:
        connection.execute(text("SELECT no_such_column WHERE :secret = 1"), {"secret": "Zaphod"})
    assert "Zaphod" not in str(error.value)
