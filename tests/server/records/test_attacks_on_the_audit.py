"""Ways around the audit that somebody with rights on the database has tried: each is found."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, insert, select, text

from tests.cli.program import toxgrade
from tests.conftest import NewDatabase, served
from tests.server.api.panels import baseline, panel, value
from tests.server.jobs.stored import Stored, stored
from tests.server.records.test_audit import unguarded
from tests.server.records.test_tampering import _LABS
from toxgrade.server.access.credentials import create_key
from toxgrade.server.access.sessions import Sessions
from toxgrade.server.jobs import queue, upload_store
from toxgrade.server.jobs.upload_store import changed_grades
from toxgrade.server.records.audit_log import INSTALLATION, audited_transaction, genesis
from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.db.engine import snapshot
from toxgrade.server.records.db.service_tables import audit, audit_heads, sessions
from toxgrade.server.records.db.tables import patients, results, studies
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings

_P1 = "/v1/studies/default/patients/P1"


def _faults(connection: Connection, graded_rows: dict[str, str] | None = None) -> list[str]:
    return [
        str(remark)
        for remark in verify(connection, MACHINE.now(), (), graded_rows)
        if remark.is_fault
    ]


def test_a_study_that_is_named_as_the_installation_hides_nothing(
    api: httpx.Client, database_url: str
) -> None:
    api.post(f"{_P1}/results", json=panel(value()))
    with unguarded(database_url) as connection:
        named = {"id": 9999, "name": INSTALLATION, "synthetic": False}
        row = connection.execute(select(studies)).mappings().first()
        assert row is not None
        connection.execute(insert(studies).values(named | {"recorded_at": row["recorded_at"]}))
        head = {"study_id": 9999, "seq": 0, "hash": genesis(9999)}
        connection.execute(insert(audit_heads).values(head))
        assert "*: 1 rows of studies that no entry covers" in _faults(connection)


def test_who_was_erased_is_not_put_back(api: httpx.Client, database_url: str) -> None:
    api.post(f"{_P1}/results", json=panel(value()))
    with snapshot(database_url) as connection:
        rows = {t: connection.execute(select(t)).mappings().all() for t in (patients, results)}
    tag = {"If-Match": api.get(_P1).headers["ETag"]}
    assert api.request("DELETE", _P1, json={"reason": "asked for"}, headers=tag).is_success
    with unguarded(database_url) as connection:
        assert _faults(connection) == []
        for table, found in rows.items():
            connection.execute(insert(table), [dict(row) for row in found])
        assert {"a row of patients", "a row of results"} == {
            fault.partition(": ")[2].partition(" is there that was erased")[0]
            for fault in _faults(connection)
        }


_ORPHANS = [
    "audit (study_id, seq, entry, hash) VALUES (777, 1, '{}', 'x')",
    "audit_heads (study_id, seq, hash) VALUES (777, 5, 'x')",
    "patients (study_id, name) VALUES (777, 'Q')",
    "erasures (study_id, patient, recorded_at) VALUES (777, 'Q', '2026-01-01 00:00:00')",
    "follow_ups (patient_id, vital_status, recorded_at) VALUES (777, 'alive', '2026-01-01')",
    'batch_rejects (batch_id, "row", "column", reason, stored)'
    " VALUES ('z', 1, 'c', 'r', false)",
    "batch_pieces (batch_id, number, piece, fence, rows, rows_rejected)"
    " VALUES ('z', 0, 1, 1, 1, 1)",
]


@pytest.mark.parametrize("row", _ORPHANS)
def test_rows_that_belong_to_nothing_are_told(database_url: str, row: str) -> None:
    with unguarded(database_url) as connection:
        connection.execute(text(f"INSERT INTO {row}"))
        table = row.split()[0]
        assert f"*: rows of {table} belong to nothing there is" in _faults(connection)


def test_a_session_that_was_signed_out_does_not_come_back(database_url: str) -> None:
    with audited_transaction(database_url, "t", "sign in", INSTALLATION) as opened:
        session = Sessions(MACHINE).start_with_key(opened, create_key(opened, "x"))
        row = dict(opened.connection.execute(select(sessions)).mappings().one())
    with audited_transaction(database_url, "t", "sign out", INSTALLATION) as opened:
        Sessions(MACHINE).end(opened, session)
    with unguarded(database_url) as connection:
        assert _faults(connection) == []
        connection.execute(insert(sessions).values(row))
        assert len(_faults(connection)) == 1


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Any:
    with stored(database_url, tmp_path / "batches") as found:
        yield found


def _changed(service: Stored) -> tuple[list[str], list[str]]:
    """The faults, and the batches whose graded rows are not as they were."""
    noted: dict[str, str] = {}
    with service.engine.connect() as connection:
        faults = _faults(connection, noted)
    return faults, changed_grades(service.store.root, noted)


def test_graded_rows_that_are_changed_are_found(service: Stored) -> None:
    batch = service.done(_LABS)["id"]
    assert _changed(service) == ([], [])
    file = service.store.grades(batch)
    file.write_bytes(file.read_bytes() + b" ")
    told = json.dumps({"graded_rows": {batch: upload_store.file_sha256(file)}})
    with service.engine.begin() as connection:  # An entry of no chain that says otherwise.
        forged = {"study_id": 777, "seq": 1, "entry": told, "hash": "x"}
        connection.execute(insert(audit).values(forged))
    faults, changed = _changed(service)
    assert (len(faults), changed) == (1, [batch])


def test_an_erasure_that_failed_half_way_leaves_no_alarm(
    service: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    for month in ("04", "05", "06"):
        assert service.done(_LABS.replace("-04-", f"-{month}-"))["state"] == "done"
    path = "/v1/studies/default/patients/A"
    whole, calls = upload_store._write, []

    def fails(*given: Any) -> None:
        calls.append(1)
        if len(calls) > 2:  # from the second batch's file on
            raise OSError("disk")
        whole(*given)

    def erase() -> int:
        tag = {"If-Match": service.client.get(path).headers["ETag"]}
        why = {"reason": "asked for"}
        return service.client.request("DELETE", path, json=why, headers=tag).status_code

    with monkeypatch.context() as patched:
        patched.setattr(upload_store, "_write", fails)
        assert erase() == 503
    assert _changed(service) == ([], [])
    assert erase() == 200
    assert _changed(service) == ([], [])


def test_a_task_is_not_put_back_into_a_batch_that_was_cancelled(service: Stored) -> None:
    batch = service.upload(_LABS)["id"]
    profile = queue.WorkerProfile(service.store.name, "0", ["x"], 30)
    with service.engine.begin() as connection:
        task = queue.claim(connection, profile)
    assert task is not None
    answer = service.client.delete(f"/v1/studies/default/batches/{batch}")
    assert answer.is_success, answer.text
    with service.engine.begin() as connection:
        queue.put_back(connection, task, "waiting: disk", 1)
    assert _changed(service) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        "results SET unit = CAST('g/dL' AS BLOB)",
        "results SET recorded_at = replace(recorded_at, ' ', 'T')",
        "results SET recorded_at = recorded_at || '+00:00'",
        "results SET is_baseline = 2 WHERE is_baseline = 1",
        "follow_ups SET last_contact = '2012-W01-1'",
    ],
)
def test_a_value_in_another_form_that_reads_as_the_same_is_told(
    new_sqlite: NewDatabase, change: str
) -> None:
    url = new_sqlite()
    with served(Settings(database_url=url, auth="off")) as api:
        api.post(f"{_P1}/results", json=panel(value(), baseline=[baseline()]))
        api.put(_P1, json={"last_contact": "2012-01-02"})
    with unguarded(url) as connection:
        connection.execute(text(f"UPDATE {change}"))
        assert _faults(connection)


@pytest.mark.parametrize(
    "entry",
    ["[1]", "{}", '{"seq": "x"}', '{"kept": [1]}', "[" * 200_000, '{"rows": {"results": "a-b"}}'],
    ids=lambda entry: entry[:12],
)
def test_an_entry_that_is_none_is_told(api: httpx.Client, database_url: str, entry: str) -> None:
    api.post(f"{_P1}/results", json=panel(value()))
    with unguarded(database_url) as connection:
        connection.execute(text("UPDATE audit SET entry = :e WHERE study_id > 0"), {"e": entry})
        assert "default, entry 1: changed, or not where it was" in _faults(connection)


def test_a_text_that_is_not_utf8_is_not_printed(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    url = new_sqlite()
    with served(Settings(database_url=url, auth="off")) as api:
        api.post(f"{_P1}/results", json=panel(value()))
    with transaction(url) as opened:
        opened.connection.exec_driver_sql("DROP TRIGGER results_no_update")
        bad = "CAST(x'ff' || 'SECRET' AS TEXT)"
        opened.connection.exec_driver_sql(f"UPDATE results SET value = {bad}")
    found = toxgrade("audit", "verify", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert found.returncode != 0
    assert "SECRET" not in found.stdout + found.stderr
    assert "UTF-8" in found.stderr


@pytest.mark.parametrize(
    "address", ["syslog://h:99999", "syslog://h:abc", "syslog://[::1", "http://x", "https://"]
)
def test_an_address_that_takes_no_heads_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(ValueError, match="expected a file, syslog"):
        Settings(audit_heads=address)
