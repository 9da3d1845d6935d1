"""A database from before the audit covered names and keys is covered as it is, and says so."""

import json
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from tests.conftest import NewDatabase
from toxgrade.server.access.credentials import list_keys
from toxgrade.server.records.audit_log import entry_hash, genesis
from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.db.engine import snapshot
from toxgrade.server.records.db.tables import metadata
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.runtime import MACHINE

_NOW = "2026-01-01 00:00:00"
_STORED = f"""
INSERT INTO studies (id, name, synthetic, recorded_at) VALUES (7, 'old', false, '{_NOW}');
INSERT INTO patients (id, study_id, name) VALUES (1, 7, 'P1'), (2, 7, 'P2'), (3, 1, 'P1');
INSERT INTO erasures (study_id, patient, recorded_at) VALUES (7, 'P9', '{_NOW}');
INSERT INTO api_keys (id, prefix, secret_sha256, label, role, created_at, revoked_at) VALUES
  (1, 'aaaa', 'x', 'gone', 'reader', '{_NOW}', '{_NOW}'),
  (2, 'bbbb', 'y', 'here', 'reader', '{_NOW}', NULL);
INSERT INTO used_tokens VALUES ('z', '2999-01-01 00:00:00');
INSERT INTO sessions (token_sha256, key_id, started_at, expires_at)
  VALUES ('s', 2, '{_NOW}', '{_NOW}');
INSERT INTO idempotency_keys (caller, key, request_sha256, status, study, recorded_at)
  VALUES ('c', 'k', 'r', 201, 'old', '{_NOW}');
INSERT INTO batches
  (id, study_id, upload_sha256, labs, store, state, recorded_at, finished_at) VALUES
  ('b1', 7, 'u1', 'labs.csv', 's', 'done', '{_NOW}', '{_NOW}'),
  ('b2', 7, 'u2', 'labs.csv', 's', 'running', '{_NOW}', NULL);
INSERT INTO batch_rejects (batch_id, "row", "column", reason, stored)
  VALUES ('b1', 1, 'value', 'x', false);
INSERT INTO key_studies (key_id, study_id) VALUES (1, 7), (2, 7), (2, 1)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database at revision 0019: study ``old`` has a chain, ``default`` has none."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    if request.param == "postgresql":
        new: NewDatabase = request.getfixturevalue("new_postgresql")
        url = new()
        with transaction(url) as opened:
            metadata.drop_all(opened.read())
            opened.connection.execute(text("DROP TABLE alembic_version"))
    with transaction(url, new=True) as opened:
        config = Config()
        config.set_main_option("script_location", "alembic")
        config.attributes["connection"] = opened.connection
        command.upgrade(config, "0019")
        for statement in _STORED.split(";"):
            opened.connection.execute(text(statement))
        _read_once(opened.read())
    return url


def _read_once(connection: Connection) -> None:
    """Put an entry of a read into the chain of the study ``old``, as the version before did."""
    entry = json.dumps({"seq": 1, "at": "2026-01-01T00:00:00", "study": "old", "patient": "P1"})
    values = {"entry": entry, "hash": entry_hash(genesis(7), entry)}
    for into in (
        "audit (study_id, seq, patient, entry, hash) VALUES (7, 1, 'P1', :entry, :hash)",
        "audit_heads (study_id, seq, hash) VALUES (7, 1, :hash)",
    ):
        connection.execute(text(f"INSERT INTO {into}"), values)


def _entries(url: str, study_id: int) -> list[tuple[str, dict[str, str]]]:
    query = text("SELECT entry FROM audit WHERE study_id = :n ORDER BY seq")
    with snapshot(url) as connection:
        found = [json.loads(entry) for entry in connection.scalars(query, {"n": study_id})]
    return [(entry.get("action", "a read"), entry.get("rows", {})) for entry in found]


def test_what_was_there_is_covered_by_entries_that_say_so(older: str) -> None:
    upgrade(older)
    assert _entries(older, 7) == [
        ("a read", {}),
        ("cover what was stored before", {"batch_rejects": "1"}),
        ("cover what was stored before", {"erasures": "1"}),
        ("cover what was stored before", {"patients": "1-2"}),
    ]
    first, *others, last = _entries(older, 0)
    rows = {"api_keys": "1-2", "key_revocations": "1", "key_studies": "1-3", "studies": "1 7"}
    assert first == ("cover what was stored before", rows)
    assert others == [("cover what was stored before", {})] * 3
    assert last == ("migrate the database", {})
    with snapshot(older) as connection:
        # The study ``default`` has no chain yet, so its patient is covered by its first entry.
        assert [str(remark) for remark in verify(connection, MACHINE.now())] == [
            "default: 1 rows of patients that no entry covers"
        ]
        keys = [(key.label, key.revoked_at is None, on) for key, on in list_keys(connection)]
    assert keys == [("gone", False, ["old"]), ("here", True, ["default", "old"])]


def test_a_name_that_is_changed_after_the_migration_is_found(older: str) -> None:
    upgrade(older)
    with transaction(older) as opened:
        on = "" if older.startswith("sqlite") else " ON patients"
        opened.connection.execute(text(f"DROP TRIGGER patients_no_update{on}"))
        opened.connection.execute(text("UPDATE patients SET name = 'P3' WHERE id = 2"))
    with snapshot(older) as connection:
        found = [
            str(remark) for remark in verify(connection, MACHINE.now()) if remark.study == "old"
        ]
    assert found == ["old, entry 4: a row of patients is not as it was"]


def test_only_a_migration_is_told(older: str) -> None:
    upgrade(older)
    upgrade(older)
    assert len(_entries(older, 0)) == 5
