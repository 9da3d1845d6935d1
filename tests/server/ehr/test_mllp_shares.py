"""No sender's connections keep others out, and an engine may rest between messages."""

import asyncio
import socket
import time
from contextlib import ExitStack

import pytest

from tests.conftest import NewDatabase
from tests.server.ehr.oru import message
from tests.server.ehr.test_mllp import Engine, Start, answers, codes, framed, start
from toxgrade.server.ehr.hl7v2.connections import MOST, Connections, State
from toxgrade.server.runtime import MACHINE

__all__ = ["start"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _opened(engine: Engine, stack: ExitStack, count: int, sent: bytes = b"") -> list[socket.socket]:
    held = []
    for _ in range(count):
        held.append(stack.enter_context(engine.connection()))
        held[-1].sendall(sent)
    return held


def test_300_resting_connections_keep_nobody_out(start: Start, new_sqlite: NewDatabase) -> None:
    engine = start(new_sqlite())
    with ExitStack() as stack, engine.connection() as resting:
        resting.sendall(framed(message()))
        assert codes(answers(resting, 1)) == ["AA"]
        _opened(engine, stack, 300)
        with engine.connection() as peer:
            peer.sendall(framed(message()))
            assert codes(answers(peer, 1)) == ["AA"]
        resting.sendall(framed(message()))  # It has sent before, and was left alone.
        assert codes(answers(resting, 1)) == ["AA"]


def test_100_half_frames_keep_nobody_out_for_long(start: Start, new_sqlite: NewDatabase) -> None:
    engine = start(new_sqlite())
    with ExitStack() as stack:
        _opened(engine, stack, MOST, b"\x0bMSH|")
        time.sleep(1.5)
        with engine.connection() as peer:
            peer.sendall(framed(message()))
            assert codes(answers(peer, 1)) == ["AA"]


def test_a_half_frame_has_a_deadline(start: Start, new_sqlite: NewDatabase) -> None:
    engine = start(new_sqlite(), TOXGRADE_SLOW_CLIENT_SECONDS="1")
    with engine.connection() as peer:
        peer.sendall(b"\x0bMSH|")
        begun = time.monotonic()
        assert peer.recv(1) == b""
        assert time.monotonic() - begun < 5


def test_an_engine_rests_longer_than_the_deadline_of_a_frame(
    start: Start, new_sqlite: NewDatabase
) -> None:
    engine = start(new_sqlite(), TOXGRADE_SLOW_CLIENT_SECONDS="0.5")
    with engine.connection() as peer:
        for _ in range(2):
            time.sleep(1.5)
            peer.sendall(framed(message()) + b"\r\n")
            assert codes(answers(peer, 1)) == ["AA"]


@pytest.mark.parametrize(
    ("who_is_there", "who_leaves"),
    [
        ("A at rest x 60, B at rest x 40", "A"),
        ("A at rest x 40, B at rest x 60", "B"),
        ("A storing x 60, B at rest x 40", "B"),
        ("A reading for long x 60, B at rest x 40", "A"),
        ("A just reading x 60, B at rest x 40", "B"),
        ("A storing x 100", None),
        ("A just reading x 100", None),
    ],
)
@pytest.mark.anyio
async def test_who_makes_room(who_is_there: str, who_leaves: str | None) -> None:
    table = Connections(MACHINE)
    stop = asyncio.Event()

    async def connect(address: str, state: State, age: float) -> None:
        connection = table.admit(address)
        assert connection is not None
        connection.state, connection.since = state, connection.since - age
        await stop.wait()

    tasks = []
    for part in who_is_there.split(", "):
        address, doing, count = part[0], part[2:].rpartition(" x ")[0], int(part.split(" x ")[1])
        state = {"at rest": State.RESTING, "storing": State.STORING}.get(doing, State.READING)
        age = 0 if doing == "just reading" else 60
        tasks += [
            (address, asyncio.create_task(connect(address, state, age))) for _ in range(count)
        ]
    await asyncio.sleep(0)
    admitted = table.admit("C")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    left = [address for address, task in tasks if task.cancelled()]
    assert left == ([who_leaves] if who_leaves else [])
    assert (admitted is not None) == (who_leaves is not None)
    stop.set()
    await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)
