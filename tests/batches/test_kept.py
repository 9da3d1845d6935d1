"""What is put aside between the passes comes back in order, however it is asked for."""

from pathlib import Path

import polars as pl
import pytest

from app.batches.kept import Kept, temporary_folder
from app.errors import FileError


@pytest.mark.parametrize("sizes", [[6], [3, 3], [1, 2, 3], [4, 0, 2], [0, 6], [2, 2, 2]])
def test_pieces_of_any_size_come_back_in_order(tmp_path: Path, sizes: list[int]) -> None:
    kept = Kept(tmp_path, "n")
    for part in ([1, 2, 3], [4], [5, 6]):
        kept.add(pl.DataFrame({"n": part}))
    taken = [kept.take(size) for size in sizes]
    assert list(map(len, taken)) == sizes
    assert pl.concat(taken)["n"].to_list() == [1, 2, 3, 4, 5, 6]
    assert not list(tmp_path.iterdir())


def test_no_rows_have_their_columns(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "n")
    kept.add(pl.DataFrame(schema={"n": pl.Int64}))
    assert kept.take(0).schema == {"n": pl.Int64}


def test_a_full_disk_names_the_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: pl.DataFrame, path: Path) -> None:
        raise OSError("No space left on device (os error 28)")  # as polars says it

    monkeypatch.setattr(pl.DataFrame, "write_ipc", full)
    with pytest.raises(FileError) as raised, temporary_folder() as folder:
        Kept(folder, "n").add(pl.DataFrame({"n": [1]}))
    said = "No space left on device (os error 28) (the temporary folder is "
    assert str(raised.value).startswith(said)
    assert not folder.exists()
