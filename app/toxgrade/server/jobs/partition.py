"""Cutting an upload into chunks of whole patients, so that each chunk holds its baselines.

The file is read twice in pieces: first to count each patient's rows, then to write every row with
the number of its chunk. Memory holds one piece and the list of patients.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.columns.interning import text_index
from toxgrade.server.jobs.chunk import whole_rows
from toxgrade.tabular.courses import NO_COURSES, Courses, read_patients
from toxgrade.tabular.idle_options import refuse_idle
from toxgrade.tabular.lab_export import Labs, open_labs
from toxgrade.tabular.layouts import recognise
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.table import CLEANED, LINE, ROW

CHUNK = 5_000
"""About so many rows are in a chunk, whose patients are whole, and so many are read at a time."""

_CHUNKS_PER_PART = 64
_LONGEST_CHUNK = 200_000_000  # Bytes: 40 kB a row, where usual ones have 100 bytes.


class Cut(NamedTuple):
    """An upload that was cut: each chunk's number of rows, in order, and how its labs were read."""

    rows: list[int]
    read_as: str


class Partition:
    """The chunks of one upload in ``folder``; ``reading`` are the read options of its files."""

    def __init__(self, folder: Path, reading: ReadOptions = DEFAULT_OPTIONS) -> None:
        self._folder, self._reading = folder, reading

    def write(self, labs: Path, patients: Path | None) -> Cut:
        """Cut ``labs`` into chunks; cutting them again gives the same chunks.

        Raises:
            FileError: a file cannot be used as it is; the error names line and column, no values.
        """
        with TemporaryDirectory(dir=self._folder) as unpacked:
            reading = self._reading if patients else self._reading.with_dates_of_labs()
            export = open_labs([labs], Path(unpacked), reading)
            courses = self._courses(export, patients, Path(unpacked))
            chunks, from_rows = _first_pass(export)
            courses = pl.concat([courses, *from_rows])
            places, headers = chunks.join(courses, on="patient", how="left"), 0
            cleaned = 0
            lengths = _Lengths(labs.name)
            for number, piece in enumerate(export.chunks()):
                headers += piece.headers
                if CLEANED in piece.rows.columns:
                    cleaned += piece.rows[CLEANED].count()
                rows = pl.DataFrame(
                    [
                        (piece.rows[ROW] + 1).alias("row"),
                        piece.rows[LINE].alias("line"),
                        piece.given.to_struct("given"),
                        piece.rows.drop(ROW, LINE, "rt_start", "rt_end").to_struct("read"),
                        piece.rows["patient"],
                    ]
                )
                placed = rows.join(places, on="patient", nulls_equal=True, maintain_order="left")
                lengths.add(placed)
                self._write(placed, number)
        sizes = chunks.group_by("chunk").agg(pl.col("rows").sum()).sort("chunk")
        left_out = f"; repeated header rows, left out: {headers:,}" * bool(headers)
        told = f"; values cleaned as declared: {cleaned:,}" * bool(cleaned)
        return Cut(list(sizes["rows"]), export.tables[0].told + left_out + told)

    def _courses(self, export: Labs, patients: Path | None, folder: Path) -> pl.DataFrame:
        """Return the patients file's treatment dates; no rows if there is no such file."""
        if patients is not None and export.treatment_columns:
            text = "give the treatment dates once: as columns of the labs, or in the patients file"
            raise FileError(f"the labs have rt_start or rt_end beside a patients file: {text}")
        tables, courses = export.tables, NO_COURSES
        if patients is not None:
            table, courses = read_patients(patients, self._reading, folder, tables[0])
            if courses["patient"].is_duplicated().any():
                text = "a patient's later courses are recorded by PUT …/patients/{patient}"
                raise FileError(f"{table.name}: {text}; send the first ones here")
            tables = (*tables, table)
        refuse_idle(self._reading, tables, export.layout)
        return courses

    def _write(self, rows: pl.DataFrame, piece: int) -> None:
        """Write the rows of one piece, each to the file of the part that its chunk belongs to."""
        part = pl.col("chunk") // _CHUNKS_PER_PART
        in_order = rows.sort("chunk", "row", maintain_order=True)  # a wide row has several
        for (number,), found in in_order.group_by(part, maintain_order=True):
            path = self._folder / f"part-{number}-{piece}.parquet"
            found.drop("patient", "rows").write_parquet(path, row_group_size=CHUNK)

    def read(self, chunk: int) -> Iterator[pl.DataFrame]:
        """Yield the rows of a chunk (from 0) in the file's order, as many at a time as are usual.

        The columns are ``row`` and ``line`` Int64 (from 1; a wide export repeats them), ``given``
        Struct (the input columns), ``read`` Struct of String (``mapping.OURS`` without the
        treatment dates), ``rt_start``, ``rt_end`` and ``died`` Date, ``rt_start_time`` Time,
        ``ongoing`` Boolean.
        """
        part, waiting = chunk // _CHUNKS_PER_PART, list[pl.DataFrame]()
        paths = self._folder.glob(f"part-{part}-*.parquet")
        for path in sorted(paths, key=lambda path: int(path.stem.rpartition("-")[2])):
            waiting.append(self._rows(path, chunk))
            if sum(map(len, waiting)) > 2 * CHUNK:
                yield from _slices(pl.concat(waiting))
                waiting = []
        if waiting:
            yield from _slices(pl.concat(waiting))

    def _rows(self, part: Path, chunk: int) -> pl.DataFrame:
        rows = pl.scan_parquet(part).filter(pl.col("chunk") == chunk).collect()
        # It was cut before patients files told of deaths, or treatment of its time and status.
        later = {"died": pl.Date, "rt_start_time": pl.Time, "ongoing": pl.Boolean}
        for name, kind in later.items():
            if name not in rows.columns:
                rows = rows.with_columns(pl.lit(None, dtype=kind).alias(name))
        return rows.sort("row", maintain_order=True).drop("chunk")

    def named_columns(self, chunk: pl.DataFrame) -> dict[str, str]:
        """Return the input's name of each of our columns; ``chunk`` is what ``read`` returns."""
        given = chunk.schema["given"]
        assert isinstance(given, pl.Struct)
        header = [field.name for field in given.fields]
        return dict(recognise(header, "labs", self._reading).named)


def _slices(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield rows in pieces, each with all results of its rows."""
    if len(rows) <= 2 * CHUNK:
        yield rows
        return
    for first, last in whole_rows(rows["row"].to_list(), CHUNK):
        yield rows[first:last]


class _Lengths:
    """The length of each chunk's text that ``Partition.read`` reads at a time."""

    def __init__(self, file: str) -> None:
        self._file, self._of, self._rows = file, Counter[int](), Counter[int]()

    def add(self, placed: pl.DataFrame) -> None:
        """Count the rows of a piece.

        Raises:
            FileError: a chunk has more text than fits into memory beside its grades.
        """
        length = pl.zeros(len(placed), dtype=pl.Int64, eager=True)
        for column in placed["given"].struct.unnest():
            length += column.str.len_bytes().fill_null(0)
        rows = placed.select("chunk", length=length).group_by("chunk")
        for chunk, more, count in rows.agg(pl.col("length").sum(), rows=pl.len()).iter_rows():
            self._of[chunk] += more
            self._rows[chunk] += count
            if self._of[chunk] > _LONGEST_CHUNK:
                text = f"{CHUNK:,} rows have more than {_LONGEST_CHUNK:,} bytes of text"
                raise FileError(f"{self._file}: {text}; leave out columns that are not graded")
            if self._rows[chunk] > 2 * CHUNK:  # Those that follow are read after these.
                del self._of[chunk], self._rows[chunk]


def _first_pass(export: Labs) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Return each patient's ``rows`` and ``chunk`` (from 0) in order of appearance, and the courses
    that the rows give.
    """
    counted = pl.DataFrame(schema={"patient": pl.String, "rows": pl.Int64})
    columns, from_rows = export.treatment_columns, list[pl.DataFrame]()
    courses, names = (Courses(columns) if columns else None), text_index()
    for piece in export.chunks(whole=False):
        if courses is not None:
            patients = names.numbers(piece.rows["patient"])
            from_rows.append(courses.learn(piece.rows, patients, piece.table.name))
        more = piece.rows.group_by("patient", maintain_order=True).agg(rows=pl.len().cast(pl.Int64))
        by_patient = pl.concat([counted, more]).group_by("patient", maintain_order=True)
        counted = by_patient.agg(pl.col("rows").sum())
    before = pl.col("rows").cum_sum() - pl.col("rows")
    chunk = (before // CHUNK).rank("dense").cast(pl.Int32) - 1
    return counted.with_columns(chunk=chunk), from_rows
