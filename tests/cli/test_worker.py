"""``toxgrade worker`` says why it cannot begin."""

from pathlib import Path

from tests.cli.program import toxgrade


def test_a_database_that_cannot_be_reached_is_told_with_the_reason(tmp_path: Path) -> None:
    """It once said only that the database "does not answer": the password could not be read."""
    url = f"postgresql+psycopg://toxgrade:secret@/toxgrade?host={tmp_path}"
    refused = toxgrade("worker", cwd=tmp_path, TOXGRADE_DATABASE_URL=url)
    assert refused.returncode == 2
    assert "TOXGRADE_DATABASE_URL cannot be used: " in refused.stderr
    assert "No such file or directory" in refused.stderr
    assert "secret" not in refused.stderr


def test_a_worker_says_which_folder_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = toxgrade("worker", cwd=tmp_path, TOXGRADE_BATCHES_DIR="file/batches")
    assert refused.returncode == 2
    assert "TOXGRADE_BATCHES_DIR cannot be used: Not a directory" in refused.stderr
