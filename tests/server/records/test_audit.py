"""The audit finds whatever is changed, in itself and in the rows that it covers."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Date, Integer, String, Text, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from tests.cli.program import toxgrade
from tests.conftest import FULL, NewDatabase, served
from tests.server.api.panels import RADIOTHERAPY, baseline, panel, value
from toxgrade.demo import load_demo
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.audit_cover import note_migration
from toxgrade.server.records.audit_log import entry_hash, format_ids, genesis, parse_ids
from toxgrade.server.records.audit_verify import Head, Remark, heads, verify
from toxgrade.server.records.db.append import RECORDS
from toxgrade.server.records.db.engine import build_engine, snapshot
from toxgrade.server.records.db.service_tables import audit, audit_heads
from toxgrade.server.records.db.tables import metadata
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings

_TAMPERINGS = 85 if FULL else 12  # of each of six kinds on each of two databases
_NOTHING = "nothing was changed"
_P1 = "/v1/studies/default/patients/P1"


def broken(url: str, kept: dict[str, Head] | None = None) -> list[Remark]:
    with snapshot(url) as connection:
        return list(verify(connection, MACHINE.now(), (kept or {}).items()))


def entries(api: httpx.Client, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/v1/studies/default/audit?{query}").json()["entries"]
    return found


def use(api: httpx.Client) -> None:
    """A bit of everything that is written and read."""
    api.put("/v1/studies/default", json={"liver_enzymes": ["ALT"]})
    api.post(f"{_P1}/results", json=panel(value(), baseline=[baseline()]))
    api.post(f"{_P1}/results", json=panel(value(value="4.0", status="corrected")))
    alt = value(analyte="ALT", value="400", unit="U/L", lln=None, uln="40", source_id="LAB-2")
    api.post("/v1/studies/default/patients/P2/results", json=panel(value(), alt))
    api.post(f"{_P1}/events", json={"term": "Nausea", "grade": 2, "onset": "2011-02-01"})
    review = {"finding": "non_classic_rild", "date": "2011-04-23", "verdict": "confirmed"}
    api.post("/v1/studies/default/patients/P2/liver-safety/reviews", json=review)
    api.put(_P1, json={"courses": [RADIOTHERAPY], "last_contact": "2012-01-01", "sex": "male"})
    api.put("/v1/studies/default?regrade=true", json={"window": {"anchor": "end", "days": 10}})
    ranges = {"ranges": [{"analyte": "ALT", "uln": "45", "unit": "U/L"}]}
    api.put("/v1/studies/default/reference-ranges", json=ranges)
    api.get(f"{_P1}/grades")
    api.get("/v1/studies/default/toxicity-table")


@pytest.mark.parametrize(
    ("ids", "written"), [([], ""), ([7], "7"), ([3, 1, 2], "1-3"), ([1, 3, 4, 9], "1 3-4 9")]
)
def test_row_numbers_are_written_as_ranges(ids: list[int], written: str) -> None:
    assert format_ids(ids) == written
    assert parse_ids(written) == sorted(ids)


def test_every_write_and_every_read_has_its_entry(api: httpx.Client, database_url: str) -> None:
    use(api)
    api.post(f"{_P1}/results", json=panel(value(), value(value="9")))  # one identity, two contents
    api.get("/v1/studies/default/patients/P9/grades")
    api.post("/v1/grade", json=panel())  # stores nothing
    api.get("/v1/studies")
    api.post("/v1/studies/nowhere/patients/P1/results", json=panel())
    found = entries(api)
    said = [(e["action"], e["patient"], e["outcome"], sorted(e.get("rows", {}))) for e in found]
    study = "/v1/studies/{study}"
    patient = study + "/patients/{patient}"
    assert said == [
        (f"PUT {study}", None, "done", ["study_rules"]),
        (f"POST {patient}/results", "P1", "done", ["grades", "patients", "results", "treatments"]),
        (f"POST {patient}/results", "P1", "done", ["grades", "results"]),
        (f"POST {patient}/results", "P2", "done", ["grades", "patients", "results", "treatments"]),
        (f"POST {patient}/events", "P1", "done", ["events"]),
        (f"POST {patient}/liver-safety/reviews", "P2", "done", ["liver_reviews"]),
        (f"PUT {patient}", "P1", "done", ["demographics", "follow_ups"]),
        (f"PUT {study}", None, "done", ["grades", "study_rules"]),
        (f"PUT {study}/reference-ranges", None, "done", ["study_ranges"]),
        (f"GET {patient}/grades", "P1", "done", []),
        (f"GET {study}/toxicity-table", None, "done", []),
        (f"POST {patient}/results", "P1", "refused: RequestError", []),
        (f"GET {patient}/grades", "P9", "refused: NotFound", []),
    ]  # fmt: skip
    assert {e["actor"] for e in found} == {"anyone"}
    assert {e["from"] for e in found} == {"127.0.0.1"}
    of_patient = api.get("/v1/studies/default/patients/P2/audit").json()["entries"]
    assert [e["seq"] for e in of_patient] == [4, 6]
    assert [e["seq"] for e in entries(api, "limit=2&cursor=3")] == [4, 5]
    told = [{name: said for name, said in e.items() if name != "at"} for e in found]
    assert "4.0" not in str(told), "no clinical values"
    assert broken(database_url) == []


def test_who_it_was_and_who_was_turned_away(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    with transaction(url) as opened:
        reader = create_key(opened, "ward 7", "reader", ["default"])
        lead = create_key(opened, "lead")
    with served(Settings(database_url=url)) as client:

        def ask(key: str, method: str, path: str) -> int:
            headers = {"Authorization": f"Bearer {key}"}
            return client.request(method, path, json=panel(), headers=headers).status_code

        assert ask(lead, "POST", f"{_P1}/results") == 201
        assert ask(reader, "GET", f"{_P1}/grades") == 200
        assert ask(reader, "POST", f"{_P1}/results") == 403
        headers = {"Authorization": f"Bearer {lead}"}
        found = client.get("/v1/studies/default/audit", headers=headers).json()["entries"]
    actors = [f"key:{lead[4:12]} lead", *[f"key:{reader[4:12]} ward 7"] * 2]
    assert [e["actor"] for e in found] == actors
    assert [e["outcome"] for e in found] == ["done", "done", "denied"]


def test_what_cannot_be_audited_is_not_done(api: httpx.Client, database_url: str) -> None:
    with transaction(database_url) as opened:
        opened.connection.execute(text("ALTER TABLE audit RENAME TO lost"))
    assert api.post(f"{_P1}/results", json=panel()).status_code == 503
    assert api.get("/v1/studies/default/patients").status_code == 503
    with transaction(database_url) as opened:
        opened.connection.execute(text("ALTER TABLE lost RENAME TO audit"))
    assert api.get("/v1/studies/default/patients").json()["patients"] == []


@pytest.mark.parametrize(
    "table",
    [
        "audit",
        "events",
        "follow_ups",
        "grades",
        "liver_reviews",
        "results",
        "study_rules",
        "treatments",
    ],
)
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_what_is_only_appended_to_cannot_be_changed(
    api: httpx.Client, database_url: str, table: str, change: str
) -> None:
    use(api)
    with pytest.raises(DBAPIError), transaction(database_url) as opened:
        opened.connection.execute(text(change.format(table)))


def test_the_synthetic_cohort_is_audited_too(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    load_demo(url)
    with snapshot(url) as connection:
        assert heads(connection)["demo"][0] == 1
    assert broken(url) == []


def test_what_was_stored_before_there_was_an_audit_is_covered_by_the_first_entry(
    api: httpx.Client, database_url: str
) -> None:
    use(api)
    with transaction(database_url) as opened:
        guard = "DROP TRIGGER audit_no_delete"
        on = "" if opened.connection.dialect.name == "sqlite" else " ON audit"
        opened.connection.exec_driver_sql(guard + on)
        opened.connection.execute(delete(audit))
        opened.connection.execute(delete(audit_heads))
        note_migration(opened, "0005", "0021")
    api.post("/v1/studies/default/patients/P3/results", json=panel())
    assert broken(database_url) == []


@contextmanager
def unguarded(url: str) -> Iterator[Connection]:
    """Someone with every right on the database: without its triggers, and undone afterwards."""
    engine = build_engine(url)
    try:
        with engine.connect() as connection, connection.begin():
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
                named = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                for name in connection.scalars(text(named)).all():
                    connection.exec_driver_sql(f"DROP TRIGGER {name}")
            else:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


_TABLES = ["audit", "audit_heads", *(table.name for table in RECORDS)]


def _edit(connection: Connection, chance: random.Random) -> str:
    table = metadata.tables[chance.choice(_TABLES)]
    row = dict(chance.choice(connection.execute(select(table)).mappings().all()))
    column = chance.choice([c for c in table.c if not c.foreign_keys and not c.primary_key])
    before = row[column.name]
    match before:
        case bool():
            after: object = not before
        case int():
            after = before + chance.choice((-1, 1))
        case str():
            at = chance.randrange(len(before) + 1)
            after = before[:at] + chance.choice("x7- ") + before[at + chance.randrange(2) :]
        case datetime() | date():
            after = before + timedelta(days=1)
        case _:
            after = {Integer: 1, Text: "x", String: "x", Date: date(2011, 1, 1)}.get(
                type(column.type), False
            )
    key = next(iter(table.primary_key.columns))
    mine = key == row[key.name]
    try:
        with connection.begin_nested():
            connection.execute(update(table).where(mine).values({column: after}))
    except DBAPIError:  # the database itself refuses it
        return _NOTHING
    return _NOTHING if after == before else f"edit {table.name}.{column.name}"


def _delete(connection: Connection, chance: random.Random) -> str:
    table = metadata.tables[chance.choice(_TABLES)]
    key = next(iter(table.primary_key.columns))
    row = chance.choice(connection.scalars(select(key)).all())
    connection.execute(delete(table).where(key == row))
    return f"delete from {table.name}"


def _insert(connection: Connection, chance: random.Random) -> str:
    table = metadata.tables[chance.choice([n for n in _TABLES if n != "audit_heads"])]
    row = dict(chance.choice(connection.execute(select(table)).mappings().all()))
    row["id"] = 10_000
    for unique, other in (("seq", 10_000), ("version", 10_000), ("supersedes_id", None)):
        if unique in row:
            row[unique] = other
    connection.execute(insert(table).values(row))
    return f"insert into {table.name}"


def _swap(connection: Connection, chance: random.Random) -> str:
    one, other = chance.sample(range(1, len(_seqs(connection)) + 1), 2)
    for before, after in ((one, 10_000), (other, one), (10_000, other)):
        connection.execute(update(audit).where(audit.c.seq == before).values(seq=after))
    return f"swap {one} and {other}"


def _truncate(connection: Connection, chance: random.Random) -> str:
    """The newest entries gone, the head put where it would be: found by the head kept elsewhere."""
    last = chance.randrange(len(_seqs(connection)))
    connection.execute(delete(audit).where(audit.c.seq > last))
    newest = connection.scalar(select(audit.c.hash).where(audit.c.seq == last))
    connection.execute(update(audit_heads).values(seq=last, hash=newest or "0" * 64))
    return f"truncate after {last}"


def _forge(connection: Connection, chance: random.Random) -> str:
    """An entry changed and the whole chain computed anew: found by the head kept elsewhere."""
    forged = chance.choice(_seqs(connection))
    previous = genesis(connection.scalar(select(audit.c.study_id)) or 0)
    for row in connection.execute(select(audit).order_by(audit.c.seq)).all():
        entry = row.entry.replace("127.0.0.1", "127.0.0.2") if row.seq == forged else row.entry
        previous = entry_hash(previous, entry)
        mine = audit.c.id == row.id
        connection.execute(update(audit).where(mine).values(entry=entry, hash=previous))
    connection.execute(update(audit_heads).values(hash=previous))
    return f"forge {forged}"


def _seqs(connection: Connection) -> list[int]:
    return list(connection.scalars(select(audit.c.seq)))


@pytest.mark.parametrize("tamper", [_edit, _delete, _insert, _swap, _truncate, _forge])
def test_every_tampering_is_found(
    api: httpx.Client, database_url: str, tamper: Callable[[Connection, random.Random], str]
) -> None:
    use(api)
    with snapshot(database_url) as connection:
        kept = heads(connection)
        assert list(verify(connection, MACHINE.now(), (kept or {}).items())) == []
    missed = []
    for seed in range(_TAMPERINGS):
        with unguarded(database_url) as connection:
            done = tamper(connection, random.Random(seed))
            if done != _NOTHING and not list(
                verify(connection, MACHINE.now(), (kept or {}).items())
            ):
                missed.append((seed, done))
    assert missed == []
    assert broken(database_url, kept) == []


def test_the_command_says_where(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    url = new_sqlite()
    with served(Settings(database_url=url, auth="off")) as client:
        use(client)
    head = toxgrade("audit", "head", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    (tmp_path / "head").write_text(head.stdout)
    assert [line.split()[:2] for line in head.stdout.splitlines()] == [
        ["*", "2"],
        ["default", "11"],
    ]
    given = ("audit", "verify", "--head", "head")
    whole = toxgrade(*given, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert (whole.returncode, whole.stdout) == (0, "13 entries, unbroken\n")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute("DROP TRIGGER grades_no_update")
        third = "grade = 3 AND supersedes_id IS NOT NULL AND phase = 'acute'"
        connection.execute(f"UPDATE grades SET grade = 0 WHERE {third}")
    connection.close()
    changed = toxgrade(*given, cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert changed.returncode == 1
    assert changed.stderr == "default, entry 3: a row of grades or results is not as it was\n"
