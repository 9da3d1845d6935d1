"""Frames that are spilled between two passes are read back in order, once."""

from pathlib import Path

import polars as pl
import pytest

from toxgrade.errors import FileError
from toxgrade.tabular.spill import SpillFile, temporary_folder


def test_pieces_come_back_in_order_and_are_gone(tmp_path: Path) -> None:
    kept = SpillFile(tmp_path, "n")
    for part in ([1, 2, 3], [], [5, 6]):
        kept.add(pl.DataFrame({"n": part}, schema={"n": pl.Int64}))
    assert [frame["n"].to_list() for frame in kept.frames()] == [[1, 2, 3], [], [5, 6]]
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: pl.DataFrame, path: Path, **options: int) -> None:
        raise OSError("No space left on device (os error 28)")  # as polars says it

    monkeypatch.setattr(pl.DataFrame, "write_ipc", full)
    with pytest.raises(FileError) as raised, temporary_folder() as folder:
        SpillFile(folder, "n").add(pl.DataFrame({"n": [1]}))
    said = "No space left on device (os error 28) (the temporary folder is "
    assert str(raised.value).startswith(said)
    assert not folder.exists()
