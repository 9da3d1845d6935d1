"""Every column of every table changed by direct SQL: it is found, or exempt by name.

``TOXGRADE_FULL=1`` also swaps and empties each and, on SQLite, puts in another type. Both forms
print what they counted.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    delete,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tests.conftest import FULL
from tests.server.api.panels import panel, value
from tests.server.jobs.stored import HEADER, Stored, stored
from tests.server.records.test_audit import unguarded, use
from toxgrade.server.access.credentials import create_key, revoke_key
from toxgrade.server.access.sessions import Sessions
from toxgrade.server.access.tokens import use_token
from toxgrade.server.records.audit_log import INSTALLATION, audited_transaction
from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.db.engine import snapshot
from toxgrade.server.records.db.tables import metadata
from toxgrade.server.records.pull_marks import PullMark, save_pull_mark
from toxgrade.server.records.studies import find_study
from toxgrade.server.records.verifications import record_verification
from toxgrade.server.runtime import MACHINE

EXEMPT = {
    ("batches", "served_at"): "whose turn it is among studies",
    ("batch_tasks", "lease_until"): "until when a worker holds a task",
    ("patient_summaries", "basis"): "by another basis than today's, a patient is graded whole",
    ("patient_summaries", "recorded_at"): "when the summary was computed",
    ("patient_summaries", "delete"): "it is computed anew from the patient's rows",
    ("sessions", "delete"): "a session may end at any time, and its end gives nobody a right",
}
"""What may change without a word of the audit, and why; ``docs/security.md`` lists it."""

_VERSION = Table("alembic_version", MetaData(), Column("version_num", String, primary_key=True))
_TABLES = [*metadata.sorted_tables, _VERSION]
_LABS = f"{HEADER}\nA,2011-04-01,ALT,400,U/L,,40,,\nA,2011-04-02,ALT,x,U/L,,40,,\n"


def _fill(service: Stored) -> None:
    """Put rows into every table, by the ways that callers have."""
    url, api = service.engine.url.render_as_string(hide_password=False), service.client
    use(api)
    once = {"Idempotency-Key": "k1"}
    for patient in ("P8", "P9"):
        path = f"/v1/studies/default/patients/{patient}"
        assert api.post(f"{path}/results", json=panel(value()), headers=once).is_success
        once = {"Idempotency-Key": "k2"}
    many = [value(source_id=f"L{n}", collected=f"2011-04-{n + 1:02}") for n in range(20)]
    assert api.post(f"{path[:-1]}7/results", json=panel(*many)).is_success
    tag = {"If-Match": api.get(path).headers["ETag"]}
    assert api.request("DELETE", path, json={"reason": "asked"}, headers=tag).is_success
    service.done(_LABS)
    service.done(_LABS.replace("400", "500"))
    with audited_transaction(url, "test", "use the installation", INSTALLATION) as opened:
        keys = [create_key(opened, f"ward {n}", "reader", ["default"]) for n in range(3)]
        revoke_key(opened, keys[0][4:12])
        revoke_key(opened, keys[1][4:12])
        for _ in range(2):
            Sessions(MACHINE).start_with_key(opened, keys[2])
        record_verification(opened, 10, 0)
        for jti in ("one", "two"):
            use_token(opened, jti, (datetime.now(UTC) + timedelta(hours=1)).timestamp())
    with audited_transaction(url, "test", "pull", "default") as opened:
        study = find_study(opened.read(), "default")
        for patient in ("P1", "P2"):
            mark = PullMark(datetime(2011, 1, 1, tzinfo=UTC), "0" * 64)
            save_pull_mark(opened, study, patient, "https://fhir.example", mark)


def _other(before: object, column: Column[Any]) -> object:
    """Return another value that the column takes."""
    match before:
        case bool():
            return not before
        case int() | float():
            return before + 1
        case str():
            return ("y" if before[:1] == "x" else "x") + before[1:]
        case bytes():
            return before + b" "
        case datetime() | date():
            return before + timedelta(days=1)
    kind = column.type.python_type
    empty = {str: "x", int: 1, float: 1.0, bool: True, bytes: b"x"}
    return empty.get(
        kind, datetime(2011, 1, 1, tzinfo=UTC) if kind is datetime else date(2011, 1, 1)
    )


def _rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    ordered = select(table).order_by(*table.primary_key)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def _is(table: Table, row: dict[str, Any]) -> list[Any]:
    return [column == row[column.name] for column in table.primary_key]


def _tamperings(connection: Connection, table: Table) -> Iterator[tuple[str, list[Any]]]:
    """Yield what to do to a table: its name, and the statements."""
    rows = _rows(connection, table)
    assert rows, f"{table.name} is empty: nothing is shown of it"
    row, last = rows[0], rows[-1]
    for column in table.c:
        name, before = str(column.name), row[column.name]
        here = update(table).where(*_is(table, row))
        yield name, [here.values({name: _other(before, column)})]
        if not FULL:
            continue
        if connection.dialect.name == "sqlite" and before is not None:
            yield name, [here.values({name: literal_column("CAST('not one' AS BLOB)")})]
        if column.nullable and before is not None:
            yield name, [here.values({name: None})]
        if last[name] != before and not column.primary_key:
            there = update(table).where(*_is(table, last))
            free = here.values({name: _other(_other(before, column), column)})
            yield name, [free, there.values({name: before}), here.values({name: last[name]})]
    yield "insert", [insert(table).values(_copy(table, row))]
    yield "delete", [delete(table).where(*_is(table, last))]
    yield "delete", [delete(table)]


def test_whatever_is_changed_is_found(database_url: str, tmp_path: Path) -> None:
    url = database_url
    with stored(url, tmp_path / "batches") as service:
        _fill(service)
    with snapshot(url) as connection:
        assert list(verify(connection, MACHINE.now())) == []
        tamperings = {table: list(_tamperings(connection, table)) for table in _TABLES}
    counts, missed = Counter[str](), []
    for table, changes in tamperings.items():
        for what, statements in changes:
            outcome = _outcome(url, statements)
            if outcome == "missed" and (table.name, what) in EXEMPT:
                outcome = "exempt"
            counts[outcome] += 1
            if outcome == "missed":
                missed.append((table.name, what))
    print(f"{make_url(url).get_backend_name()}, {len(_TABLES)} tables: {dict(counts)}")
    assert missed == []


def _copy(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row like this one that no constraint refuses."""
    copy = dict(row)
    for column in table.c:
        is_name = isinstance(row[column.name], str) and not column.foreign_keys
        if is_name and (column.primary_key or column.unique):
            copy[column.name] = _other(row[column.name], column)
    new = {"id", "seq", "version", "number"} & {n for n in copy if not isinstance(copy[n], str)}
    return copy | dict.fromkeys(new, 10_000) | dict.fromkeys({"supersedes_id"} & set(copy))


def _outcome(url: str, statements: list[Any]) -> str:
    with unguarded(url) as connection:
        try:
            for statement in statements:
                connection.execute(statement)
        except DBAPIError:
            return "refused by the database"
        remarks = list(
            verify(connection, MACHINE.now())
        )  # All of them: none may end in a traceback.
    found = any(remark.is_fault for remark in remarks)
    return "found" if found else "missed"


def test_the_exemptions_are_documented() -> None:
    told = Path("docs/security.md").read_text(encoding="utf-8")
    for (table, what), why in EXEMPT.items():
        assert f"| `{table}` | {what} | {why} |" in told
