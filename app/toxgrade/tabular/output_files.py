"""Output files, written by suffix; and our columns under CDISC's ADaM names of laboratory data."""

import gzip
import hashlib
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import polars as pl
import zstandard
from polars.io.plugins import register_io_source

from toxgrade.errors import FileError
from toxgrade.grading.fields import ADAM_NAMES
from toxgrade.spreadsheet import to_cell
from toxgrade.tabular.formulas import without_formulas
from toxgrade.tabular.whole_file import whole

_BOUNDS = ("at_least", "at_most")
_IN_ADAM = {"row": "SRCSEQ"} | dict(sorted(ADAM_NAMES.items(), key=lambda it: it[0] in _BOUNDS))
_IN_ADAM["course"] = "APERIOD"
"""Our columns with their names there; the bounds are the last but for the course."""
_SUFFIXES = (".csv", ".tsv", ".ndjson", ".parquet")
_COMPRESSED = (".gz", ".zst")
STDOUT = Path("-")
"""The path that stands for standard output, which is written as CSV."""

_ROW_GROUP = 1 << 19  # Rows of a row group of Parquet.
_ARROW_SCHEMA = "ARROW:schema"
"""Metadata key of a Parquet file for the columns' Arrow types, apart from how they are stored."""


def as_adam(rows: pl.DataFrame, graded: pl.DataFrame, high: Mapping[str, bool]) -> pl.DataFrame:
    """Return a BDS-like frame: the result's own variables first, then its grades by direction.

    ``rows``: our columns, one row per grading; ``high``: whether a term's high values are toxic.
    ATOXGRH and ATOXGRL hold the grade (null: undecided, or the term has the other direction),
    BTOXGRH and BTOXGRL the baseline's, ABLFL is Y on the baseline, TRTEMFL Y where a grade after
    the start is worse than the baseline's.
    """
    upward = (
        graded["term"].cast(pl.String).replace_strict(high, default=None, return_dtype=pl.Boolean)
    )
    after = pl.col("phase").cast(pl.String).is_in(["acute", "late"])
    values = rows.select(
        USUBJID="patient",
        PARAMCD="analyte",
        ADTC="collected",
        AVALC="value",
        AVAL=pl.col("value").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False),
        AVALU="unit",
        ANRLO=pl.col("lln").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False),
        ANRHI=pl.col("uln").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False),
    )
    yes = pl.lit("Y")
    grades = graded.with_columns(upward=upward).select(
        pl.when("upward").then("grade").alias("ATOXGRH"),
        pl.when(~pl.col("upward")).then("grade").alias("ATOXGRL"),
        pl.when("upward").then("baseline_grade").alias("BTOXGRH"),
        pl.when(~pl.col("upward")).then("baseline_grade").alias("BTOXGRL"),
        pl.when(pl.col("phase").cast(pl.String) == "baseline").then(yes).alias("ABLFL"),
        pl.when(after & pl.col("worse_than_baseline")).then(yes).alias("TRTEMFL"),
        *(pl.col(ours).alias(adam) for ours, adam in _IN_ADAM.items() if ours in graded.columns),
    )
    return values.hstack(grades)


def write(frames: Iterable[pl.DataFrame], path: Path) -> Counter[str]:
    """Write frames of one schema, at least one, in the format of the suffix; never a partial file.

    Categorical columns are written as text. In CSV and TSV a text that a spreadsheet would take for
    a formula is written behind an apostrophe (``spreadsheet``). Return how many were, by column.

    Raises:
        FileError: the file cannot be written, as when the disk is full; nothing is left behind.
    """
    check_output(path)
    if path == STDOUT:
        try:
            return _write_text(frames, sys.stdout.buffer, ".csv")
        except OSError as error:  # Its reader has gone, or its disk is full.
            raise FileError(f"standard output: {error.strerror or error}") from None
    with whole(path) as unfinished:
        if path.suffix == ".parquet":
            _write_parquet(iter(frames), unfinished)
            return Counter()
        with _open_compressed(unfinished, path.suffix) as file:
            return _write_text(frames, file, _plain_suffix(path))


def _write_parquet(frames: Iterator[pl.DataFrame], path: Path) -> None:
    first = next(frames)
    failed: list[BaseException] = []

    def pieces(*_: object) -> Iterator[pl.DataFrame]:
        try:
            yield first
            yield from frames
        except BaseException as error:
            failed.append(error)  # polars would wrap it in an error that shows too much.
            raise

    try:
        # Statistics are left out: rows in the order of an export leave no row group to be skipped,
        # and gathering them took a seventh of the writing time. Larger groups and lighter
        # compression than polars' defaults save a tenth of it, and the file is 5 % smaller.
        register_io_source(pieces, schema=first.schema).sink_parquet(
            path, statistics=False, metadata=_text_metadata(first), row_group_size=_ROW_GROUP,
            compression_level=1,
        )  # fmt: skip
    except pl.exceptions.PolarsError as error:
        raise failed[0] if failed else OSError(None, str(error)) from None


def _text_metadata(frame: pl.DataFrame) -> dict[str, str]:
    """Return metadata by which readers take Categorical columns for text, as the file stores them.

    polars writes a category by its number in half of the time that looking up its text takes.
    """
    empty = io.BytesIO()
    _as_text(frame.head(0)).write_parquet(empty)
    empty.seek(0)
    return {_ARROW_SCHEMA: pl.read_parquet_metadata(empty)[_ARROW_SCHEMA]}


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.cast({pl.Categorical: pl.String})


def _write_text(frames: Iterable[pl.DataFrame], file: IO[bytes], suffix: str) -> Counter[str]:
    changed, separator = Counter[str](), "\t" if suffix == ".tsv" else ","
    for number, frame in enumerate(frames):
        if suffix == ".ndjson":
            _as_text(frame).write_ndjson(file)
            continue
        if not number:
            changed.update(_write_header(frame.columns, file, separator))
        cells, found = without_formulas(frame)
        changed.update(found)
        _as_text(cells).write_csv(file, separator=separator, include_header=False)
    return changed


def _write_header(columns: list[str], file: IO[bytes], separator: str) -> list[str]:
    """Write the header, and return the names of which a spreadsheet would run the text."""
    cells = [to_cell(name) for name in columns]
    header = pl.DataFrame([cells], orient="row")
    header.write_csv(file, separator=separator, include_header=False)
    return [name for name, cell in zip(columns, cells, strict=True) if name != cell]


@contextmanager
def _open_compressed(path: Path, suffix: str) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if suffix == ".gz":
            # Without a time stamp, equal content gives equal bytes.
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield packed  # type: ignore[misc]
        elif suffix == ".zst":
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as packed:
                yield packed
        else:
            yield file


def _plain_suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix in _COMPRESSED else path.suffix


def check_output(path: Path) -> None:
    """Refuse an output that could not be written, before the work is done.

    Raises:
        FileError: the suffix is of no format that is written, or the folder does not exist.
    """
    if path == STDOUT:
        return
    packed_parquet = path.suffix in _COMPRESSED and _plain_suffix(path) == ".parquet"
    if _plain_suffix(path) not in _SUFFIXES or packed_parquet:
        text = "the output is .csv or .parquet, .tsv or .ndjson (but for Parquet also .gz, .zst)"
        raise FileError(f"{path.name}: {text}")
    if not path.parent.is_dir():
        raise FileError(f"{path.name}: the folder {path.parent} does not exist")


def check_apart(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Refuse an output that would overwrite an input or another output.

    Raises:
        FileError: there is one; the message names it.
    """
    taken = {path.resolve() for path in inputs}
    for path in filter(None, outputs):
        if path.resolve() in taken:
            raise FileError(f"{path.name}: it is read, or written twice; name another output")
        taken.add(path.resolve())


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, as in the manifest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
