"""Settings, and the address of the database, as every command of the service meets them."""

from pathlib import Path

import pytest

from tests.cli.program import toxgrade


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "http", "valid integer"),
        ("PORT", "99999", "less than or equal to 65535"),  # once it was 34463
        ("MAX_RESULTS", "-1", "greater than 0"),
        ("BATCHES_DIR", "", "it is empty"),
        ("DATABASE_URL", "", "it is empty"),
        ("HL7V2_CODES", "BILI=bilirubin", "expected JSON"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str, says: str) -> None:
    done = toxgrade("db", "upgrade", cwd=tmp_path, **{f"TOXGRADE_{name}": value})
    assert done.returncode == 2
    assert done.stderr.startswith(f"toxgrade: TOXGRADE_{name}: ")
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_setting_is_unset_where_that_means_none(tmp_path: Path) -> None:
    empty = dict.fromkeys(("TOXGRADE_JWT_ISSUER", "TOXGRADE_HL7V2_AUTHORITY"), "")
    done = toxgrade("db", "upgrade", cwd=tmp_path, **empty)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_misspelt_setting_is_told(tmp_path: Path) -> None:
    names = {"TOXGRADE_DATABSE_URL": "sqlite:///x.db", "TOXGRADE_SERVICE_PORT": "8000"}
    done = toxgrade("db", "upgrade", cwd=tmp_path, **names)
    told = "TOXGRADE_DATABSE_URL is no setting and is passed over; did you mean"
    assert done.stderr == f"toxgrade: {told} TOXGRADE_DATABASE_URL?\n"


@pytest.mark.parametrize(
    "url",
    [
        "labs.db", "sqlite://", "sqlite:///:memory:", "postgres://u:secret@h/db", "mysql://h/db",
        "postgresql+asyncpg://u:secret@h/db", "postgresql+psycopg://u:secret@h:port/db",
    ],
)  # fmt: skip
def test_a_database_of_another_kind_is_refused(tmp_path: Path, url: str) -> None:
    """Before, a traceback or "not migrated"."""
    refused = toxgrade("serve", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert (refused.returncode, refused.stdout) == (2, "")
    kinds = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
    assert refused.stderr == f"toxgrade: TOXGRADE_DATABASE_URL: expected {kinds}\n"


def test_an_option_of_a_url_that_there_is_not_is_named(tmp_path: Path) -> None:
    url = "postgresql+psycopg://u:secret@127.0.0.1:1/db?ssl=on"
    refused = toxgrade("keys", "list", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert refused.returncode == 2
    assert 'cannot be used: invalid connection option "ssl"' in refused.stderr
    assert "secret" not in refused.stderr
