"""What is put aside between the passes comes back in order, however it is asked for."""

from pathlib import Path

import polars as pl
import pytest

from app.batches.kept import Kept
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


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "gone" / "toxgrade-1", "n")
    with pytest.raises(FileError, match=r"the temporary folder .*gone: .*; TMPDIR names another"):
        kept.add(pl.DataFrame({"n": [1]}))
