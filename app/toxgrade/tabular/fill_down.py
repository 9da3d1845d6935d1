"""Filling down: cells that are merged, or filled once for several rows, on the caller's word.

An empty patient is that of the nearest row above that names one: never across a blank row, left out
or not, a repeated header or the beginning of a file, nor into a row whose other columns of the
patient say something else. Other columns are filled within one patient.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.table import FILLED, ROW

_NEVER = (
    "value", "comparator", "unit", "range", "lln", "uln", "limit_unit", "indicator", "baseline",
    "status", "source_id",
)  # fmt: skip
"""Our columns that say what a result is: a filled one would invent results."""
_OF_RESULT = ("collected", "collected_day", "analyte", "specimen")
_NO_PATIENT = "\x00patient"  # The column where the patient is a constant.


class FillDown:
    """Fills the cells of one file, piece by piece in its order.

    ``columns``: the file's or ours; those that are not ours are taken as the patient's, as the
    treatment dates are. ``named``: the file's column of each of ours.

    Raises:
        FileError: a column is not there, or is never filled.
    """

    def __init__(
        self, columns: Sequence[str], named: Mapping[str, str], header: Sequence[str], file: str
    ) -> None:
        wanted = [named.get(name, name) for name in dict.fromkeys(columns)]
        for name, column in zip(columns, wanted, strict=True):
            if column not in header:
                raise FileError(f"{file}: fill-down names {name}, a column that is not there")
            if column in {named.get(ours) for ours in _NEVER}:
                raise FileError(f"{file}: {name} is never filled down: it would invent results")
        self._patient = named.get("patient", _NO_PATIENT)
        of_result = {named.get(name) for name in _OF_RESULT}
        dates = [named[name] for name in ("rt_start", "rt_end") if name in named]
        beside = [name for name in (*wanted, *dates) if name not in {*of_result, self._patient}]
        self._of_patient = list(dict.fromkeys(beside))
        self._wanted = wanted
        self._others = list(dict.fromkeys(n for n in wanted if n != self._patient))
        # The row above the next piece: as its group began, and as it was filled.
        self._head = _nothing([self._patient, *self._of_patient])
        self._above = _nothing([self._patient, *self._others]).with_columns(begins=pl.lit(False))
        self._row = -1

    def fill(self, piece: pl.DataFrame, ends: pl.Series) -> pl.DataFrame:
        """Return a piece with its cells filled, as String, and ``FILLED``: ``Y`` where one was.

        ``ends``: the rows, blank ones and headers, into and across which nothing is filled; nor is
        it across the place of rows that were left out.
        """
        begins = piece[ROW] - piece[ROW].shift(1, fill_value=self._row) > 1
        self._row = int([self._row, *piece[ROW].tail(1)][-1])
        used = dict.fromkeys([self._patient, *self._of_patient, *self._others])
        texts = piece.select(
            trimmed(pl.lit("one") if name == _NO_PATIENT else pl.col(name)).alias(name)
            for name in used
        ).with_columns(begins.alias("begins"))
        texts = texts.with_columns(end=ends | (begins & texts[self._patient].is_null()))
        fills_patient = self._patient in self._wanted
        patients = self._patients(texts) if fills_patient else texts[self._patient]
        filled = self._within_patients(texts.with_columns(patients))
        is_filled = pl.any_horizontal(
            texts[name].is_null() & filled[name].is_not_null() for name in self._wanted
        )
        cells = (  # A cell that is not empty stays as it came.
            pl.when(texts[name].is_null())
            .then(filled[name])
            .otherwise(pl.col(name).cast(pl.String))
            .alias(name)
            for name in self._wanted
        )
        return piece.with_columns(*cells, pl.when(is_filled).then(pl.lit("Y")).alias(FILLED))

    def _patients(self, texts: pl.DataFrame) -> pl.Series:
        """Return each row's patient, its own or that of its group's first row; null: none."""
        patient = pl.col(self._patient)
        rows = pl.concat([self._head, texts.select(self._head.columns)])
        rows = rows.with_columns(group=(patient.is_not_null() | pl.col("end")).cum_sum())
        heads = rows.select(pl.col(self._patient, *self._of_patient).first().over("group"))
        others = (
            rows[name].is_not_null() & rows[name].ne_missing(heads[name])
            for name in self._of_patient
        )
        is_other = rows.select(patient.is_null() & pl.any_horizontal(pl.lit(False), *others))
        rows = rows.with_columns(blocked=pl.col("end") | is_other.to_series())
        blocked = rows.select(pl.col("blocked").cast(pl.Int8).cum_max().over("group") > 0)
        found = heads.select(
            pl.when(~blocked.to_series()).then(self._patient), end=blocked["blocked"]
        )
        self._head = heads[-1].with_columns(found["end"].tail(1))
        return found[self._patient][1:]

    def _within_patients(self, texts: pl.DataFrame) -> pl.DataFrame:
        """Return all other columns filled within rows of one patient that follow one another."""
        rows = pl.concat([self._above, texts.select(self._above.columns)])
        end, patient = pl.col("end"), pl.col(self._patient)
        starts = patient.ne_missing(patient.shift(1)) | end | end.shift(1) | pl.col("begins")
        rows = rows.with_columns(group=starts.fill_null(True).cum_sum())
        filled = rows.with_columns(
            pl.when(patient.is_not_null() & ~end)
            .then(pl.col(name).forward_fill().over("group"))
            .otherwise(name)
            .alias(name)
            for name in self._others
        ).drop("group")
        self._above = filled.tail(1)
        return filled[1:]


def _nothing(columns: Sequence[str]) -> pl.DataFrame:
    """Return the row above a file's first, from which nothing is filled."""
    nothing = pl.DataFrame(schema=dict.fromkeys(columns, pl.String)).clear(1)
    return nothing.with_columns(end=pl.lit(True))
