"""Frames for CSV without formulas, by columns as by single texts; and what is told of them."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toxgrade.spreadsheet import to_cell
from toxgrade.tabular.formulas import as_written, without_formulas
from toxgrade.tabular.output_files import write

_TEXTS = st.lists(st.none() | st.text(st.sampled_from("=+-@;\t\r\n \"'1.a,\uff0b"), max_size=6))


@given(_TEXTS)
@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_a_column_is_changed_as_its_texts_are(
    dtype: type[pl.DataType], texts: list[str | None]
) -> None:
    frame = pl.DataFrame({"x": pl.Series(texts, dtype=pl.String).cast(dtype)})
    cells, changed = without_formulas(frame)
    one_by_one = [text if text is None else to_cell(text) for text in texts]
    assert cells["x"].to_list() == one_by_one
    assert changed.get("x", 0) == sum(a != b for a, b in zip(texts, one_by_one, strict=True))
    assert as_written(cells, "tsv")["x"].to_list() == texts
    assert as_written(cells, "parquet") is cells


@pytest.mark.parametrize(("name", "separator"), [("x.csv", ","), ("x.tsv", "\t")])
def test_what_is_written_and_told(tmp_path: Path, name: str, separator: str) -> None:
    kind = pl.Enum(["=a", "b"])
    frame = pl.DataFrame(
        {
            "note": ["=1", "-1.5", None], "n": [-1, 2, None],
            "@kind": pl.Series(["=a", "b", "b"], dtype=kind), "'@kind": ["", "a;=b", '"'],
        }
    )  # fmt: skip
    told = write([frame, frame.head(1)], tmp_path / name)
    with (tmp_path / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=separator))
    assert rows == [
        ["note", "n", "'@kind", "''@kind"],
        ["'=1", "-1", "'=a", ""],
        ["-1.5", "2", "b", "a;'=b"],
        ["", "", "b", '"'],
        ["'=1", "-1", "'=a", ""],
    ]
    assert dict(told) == {"note": 2, "@kind": 3, "'@kind": 2}


@pytest.mark.parametrize("name", ["x.parquet", "x.ndjson"])
def test_parquet_and_ndjson_hold_texts_as_they_are(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"=note": ["=1", "-A"]})
    assert write([frame], tmp_path / name) == {}
    read = pl.read_parquet if name == "x.parquet" else pl.read_ndjson
    assert read(tmp_path / name).equals(frame)


def test_a_header_is_written_as_polars_writes_it(tmp_path: Path) -> None:
    frame = pl.DataFrame({'a "b"': [1], "c,d": [2], "e\nf": [3], "g": [4], " h ": [5], "": [6]})
    write([frame], tmp_path / "x.csv")
    expected = io.BytesIO()
    frame.write_csv(expected)
    assert (tmp_path / "x.csv").read_bytes() == expected.getvalue()
