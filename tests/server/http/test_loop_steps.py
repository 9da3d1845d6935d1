"""The event loop takes small steps whatever one client sends: each is counted in calls, not timed.

``python -m benchmarks.loop_lag`` prints how long the steps take.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from types import FrameType

import httpx
import pytest

from benchmarks.load import process
from tests.conftest import NewDatabase
from tests.server.http.hostile import cases, send, serve_watched
from toxgrade.server.api import lab_values
from toxgrade.server.ehr.hl7v2.stream import split
from toxgrade.server.http import body, long_bodies
from toxgrade.server.http.long_bodies import is_long

_MOST_CALLS, _MOST_OF_SHORT = 20_000, 1_000_000
"""Of functions between two beats of the loop, while a long body comes, and while at most 64 kB do,
which the loop reads itself: a query of 15,000 parameters makes 180,000 small ones each of the times
that it is parsed, of which two may lie between two beats.
"""
_READERS = {body.read_json.__code__: "body", split.__code__: "data"}
"""The functions that read a whole body, and the name of their argument."""


def _counted(port: int, url: str) -> None:
    """Serve, with a task that counts what the loop's own thread calls, and notes what it reads."""
    made, most, read = [0], [0], list[str]()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call"):
            made[0] += 1
            name = _READERS.get(frame.f_code) if event == "call" else None
            if name and is_long(frame.f_locals[name]):
                read.append(frame.f_code.co_name)

    async def beat() -> None:
        sys.setprofile(profile)  # Of this thread alone.
        while True:
            made[0] = 0
            await asyncio.sleep(0.001)
            most[0] = max(most[0], made[0])

    def tell() -> tuple[int, list[str]]:
        told = most[0], [*read]
        most[0] = 0
        read.clear()
        return told

    serve_watched(port, url, beat, tell)


@pytest.fixture(scope="module")
def counted(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    with (
        process(_counted, new_sqlite()) as (port, _),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        for case in cases():  # What is made once, at the first request, does not count.
            if case.name.startswith("an honest"):
                send(client, case, 1)
        yield client


def test_no_step_of_the_loop_is_long_and_long_bodies_are_read_elsewhere(
    counted: httpx.Client,
) -> None:
    """The requests are made one by one: all of them at once are 1.6 GB."""
    odd = {}
    for case in cases():
        counted.get("/watched")
        status = send(counted, case, 2)
        most, read = counted.get("/watched").json()
        print(f"{case.name:<52}{status:>8}{most:>10}")
        bound = _MOST_CALLS if is_long(case.content) else _MOST_OF_SHORT
        if status not in case.statuses or most >= bound or read:
            odd[case.name] = status, most, read
    assert not odd


# While a function of C works, no other thread runs: what it is given at once is bounded.


def test_many_values_are_scanned_where_other_threads_may_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scanned = []

    def scanner(decoder: object) -> object:
        scanned.append(decoder)
        return made(decoder)

    made = py_make_scanner
    monkeypatch.setattr(body, "py_make_scanner", scanner)
    for values, in_python in ((body._MANY_VALUES - 10, 0), (body._MANY_VALUES + 10, 1)):
        found = body.read_json(b"[" + b",".join([b"1"] * values) + b"]")
        assert isinstance(found, list)
        assert (len(found), len(scanned)) == (values, in_python)


class _Measured(bytes):
    """Bytes that refuse to be looked at in more than a block at a time."""

    def __getitem__(self, key: object) -> "_Measured":  # type: ignore[override]
        assert isinstance(key, slice)
        return _Measured(bytes(self)[key])

    def count(self, *given: object) -> int:
        assert len(self) <= long_bodies._BLOCK_BYTES
        return super().count(*given)  # type: ignore[arg-type]

    def decode(self, *given: str) -> str:
        assert len(self) <= body._BLOCK_BYTES
        return super().decode(*given)


def test_a_long_text_is_counted_and_decoded_in_pieces() -> None:
    text = _Measured(b'["' + "\N{EURO SIGN}".encode() * body._BLOCK_BYTES + b'",1]')
    assert long_bodies.count_values(text, len(text)) == 2
    assert body._decoded(text) == bytes(text).decode()


def test_a_long_list_of_results_is_validated_in_pieces() -> None:
    sizes = []

    def read(given: list[object]) -> list[object]:
        sizes.append(len(given))
        return given

    given = list(range(5000))
    assert lab_values._read_in_slices(given, read) == given  # type: ignore[arg-type]
    assert max(sizes) == lab_values._SLICE


def test_the_second_loop_is_a_thread_of_its_own() -> None:
    async def where() -> int:
        return threading.get_ident()

    beside = long_bodies.LongBodies()
    try:
        assert asyncio.run(beside.handle(where, "a")) != threading.get_ident()
    finally:
        beside.close()
