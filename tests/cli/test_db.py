"""``toxgrade db`` makes the database, and nothing else does."""

from pathlib import Path

from tests.cli.program import toxgrade


def test_the_database_is_migrated_and_a_key_made(tmp_path: Path) -> None:
    assert toxgrade("db", "upgrade", cwd=tmp_path).returncode == 0
    assert (tmp_path / "toxgrade.db").exists()
    made = toxgrade("keys", "create", "ehr", cwd=tmp_path)
    assert made.stdout.startswith("tox_")
    assert made.stdout.count("\n") == 1


def test_what_only_reads_makes_no_database(tmp_path: Path) -> None:
    """In the wrong folder, an empty toxgrade.db was left behind and called not migrated."""
    done = toxgrade("keys", "list", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be used: unable to open database file (toxgrade db upgrade" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert toxgrade("db", "upgrade", cwd=tmp_path).returncode == 0
    assert toxgrade("keys", "list", cwd=tmp_path).returncode == 0


def test_a_file_of_any_name_is_the_same_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a b%20c#é.db"
    assert toxgrade("db", "upgrade", cwd=tmp_path, TOXGRADE_DATABASE_URL=url).returncode == 0
    there = list(tmp_path.iterdir())
    assert toxgrade("keys", "list", cwd=tmp_path, TOXGRADE_DATABASE_URL=url).returncode == 0
    assert list(tmp_path.iterdir()) == there
