"""What storing a panel takes at the least: an endpoint that writes a panel's rows ready made.

It reads JSON with FastAPI and commits in groups, as the service does, but checks, grades and audits
nothing: the rows are those of a panel that the service stored, written again for other patients.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from sqlalchemy import Table

from benchmarks.load import Servers, process
from toxgrade.server.process import collect_rarely
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.service_tables import audit
from toxgrade.server.records.db.tables import grades, patients, results, treatments

_OWN = {patients: 3, treatments: 2, results: 2, grades: 3, audit: 4}
"""By table, how many columns say whose a row is: the first ones."""
_RESULTS, _GRADES = 8, 9  # of that panel; all other tables have one row of it
_FREE, _STEP = 10_000_000, 100  # ids beyond all that are stored; more than a panel has rows
_ANSWER = b"{}".ljust(8_195)  # as long as the service's

Write = Callable[[dict[str, list[tuple[Any, ...]]]], None]
"""Writes rows, by table, of each what is its own; the rest of it is ready."""


@contextmanager
def bare(url: str) -> Iterator[Servers]:
    """The endpoint on a database that holds a panel; its audit has faults from then on."""
    with process(_serve, url) as (port, pid):
        yield Servers([port], [pid])


def _serve(port: int, url: str) -> None:
    driver: Any = build_engine(url).raw_connection().driver_connection
    write = (_sqlite if url.startswith("sqlite") else _postgresql)(driver)
    numbers = zip(count(_FREE, _STEP), count(_FREE), strict=False)
    waiting: asyncio.Queue[tuple[str, asyncio.Future[None]]] = asyncio.Queue()

    async def commit() -> None:
        while group := [await waiting.get()]:
            group += [waiting.get_nowait() for _ in range(waiting.qsize())]
            rows = _own((name, *next(numbers)) for name, _ in group)
            await asyncio.to_thread(write, rows)
            for _, stored in group:
                stored.set_result(None)

    @asynccontextmanager
    async def writing(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(commit())
        yield
        task.cancel()

    app = FastAPI(lifespan=writing)

    @app.post("/v1/studies/default/patients/{patient}/results")
    async def store(patient: str, body: dict[str, object]) -> Response:
        stored = asyncio.get_running_loop().create_future()
        waiting.put_nowait((patient, stored))
        await stored
        return Response(_ANSWER, 201, media_type="application/json")

    collect_rarely()
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def _own(panels: Iterable[tuple[str, int, int]]) -> dict[str, list[tuple[Any, ...]]]:
    """The columns that say whose the rows of panels are, of each its patient, its first id and its
    number in the audit.
    """
    found: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in _OWN}
    for name, first, seq in panels:
        found["patients"].append((first, 1, name))
        found["treatments"].append((first, first))
        found["results"] += [(first + i, first) for i in range(_RESULTS)]
        found["grades"] += [(first + i, first, first + i % _RESULTS) for i in range(_GRADES)]
        found["audit"].append((first, 1, seq, name))
    return found


def _of_one_panel(table: Table, columns: Sequence[str]) -> str:
    """A query for a panel's rows."""
    rows = {"results": _RESULTS, "grades": _GRADES}.get(table.name, 1)
    return f"SELECT {', '.join(columns) or 'NULL'} FROM {table.name} ORDER BY id LIMIT {rows}"


def _sqlite(driver: Any) -> Write:
    rest, into = {}, {}
    for table, own in _OWN.items():
        columns = [column.name for column in table.columns]
        found = driver.execute(_of_one_panel(table, columns[own:])).fetchall()
        rest[table.name] = found if columns[own:] else [()]
        marks = ", ".join("?" * len(columns))
        into[table.name] = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"

    def write(rows: dict[str, list[tuple[Any, ...]]]) -> None:
        driver.execute("BEGIN IMMEDIATE")
        for name, found in rows.items():
            ready = rest[name] * (len(found) // len(rest[name]))
            driver.executemany(into[name], map(tuple.__add__, found, ready))
        driver.execute("UPDATE audit_heads SET seq = ?", (rows["audit"][-1][2],))
        driver.execute("COMMIT")

    return write


def _postgresql(driver: Any) -> Write:
    rest, into = {}, {}
    for table, own in _OWN.items():
        columns = [column.name for column in table.columns]
        with driver.cursor().copy(
            f"COPY ({_of_one_panel(table, columns[own:])}) TO STDOUT"
        ) as copy:
            lines = b"".join(map(bytes, copy)).decode().splitlines()
        rest[table.name] = [f"\t{line}\n" if columns[own:] else "\n" for line in lines]
        into[table.name] = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    driver.rollback()

    def write(rows: dict[str, list[tuple[Any, ...]]]) -> None:
        cursor = driver.cursor()
        for name, found in rows.items():
            own = ("\t".join(map(str, row)) for row in found)
            ready = rest[name] * (len(found) // len(rest[name]))
            with cursor.copy(into[name]) as copy:
                copy.write("".join(map(str.__add__, own, ready)))
        cursor.execute("UPDATE audit_heads SET seq = %s", (rows["audit"][-1][2],))
        driver.commit()

    return write
