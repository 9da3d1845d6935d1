"""What came of a batch: counted piece by piece."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from toxgrade.grading.result import Flag
from toxgrade.grading.values import read_column, read_limit
from toxgrade.tabular.lab_export import Chunk
from toxgrade.tabular.layouts import SIGNS_SWAPPED


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a batch.

    ``rows`` went in and ``entries`` (a row for each term of its analyte) came out; ``graded`` have
    a grade, ``undecided`` counts the others by reason. ``rejected`` rows cannot be read as they
    are. ``unknown_analytes`` and ``unknown_units`` count rows by what they were called,
    ``unreadable`` their values, dates and limits by what they look like, such as ``99.99.9999``.
    ``without_dates`` patients have no treatment dates. ``read_as``: how each file was read.
    ``other_baselines``: rows (declared, by date) where a declared baseline is not the one that the
    date rule would choose.
    """

    layout: str
    rows: int
    entries: int
    graded: int
    undecided: Mapping[str, int]
    rejected: int
    unknown_analytes: Mapping[str, int]
    unknown_units: Mapping[str, int]
    unreadable: Mapping[str, Mapping[str, int]]
    patients: int
    without_dates: int
    read_as: Mapping[str, str]
    other_baselines: tuple[tuple[int, int], ...]


_TOLD_OF = {
    "unknown-analyte": "analyte", "unknown-unit": "unit",
    "unreadable-value": "value", "unreadable-date": "collected",
}  # fmt: skip
"""The reasons, and the column whose text is told with each."""
UNREADABLE = ("value", "limit", "date")
_LOOKS = 20  # characters of what a text looks like


class Tally:
    """Counts what ``Report`` tells; of every piece, in any order.

    ``decimal``: the declared sign, of which the pieces have made a point.
    """

    def __init__(self, decimal: str) -> None:
        self.rows = self.entries = self.graded = self.rejected = 0
        self._decimal = decimal
        self._reasons: Counter[str] = Counter()
        self._told: dict[str, Counter[str]] = {}

    def add(self, chunk: Chunk, graded: pl.DataFrame, place: pl.Series) -> None:
        """``graded`` as ``ColumnGrader`` gives it; ``place``: its rows' places in the piece."""
        self.rows += len(chunk.rows)
        self.entries += len(graded)
        self.graded += graded["grade"].count()
        reasons = _counts(graded["reason"])
        self._reasons.update(reasons)
        for reason in _TOLD_OF.keys() & reasons:
            here = place.filter((graded["reason"] == reason).fill_null(False)).unique()
            self._tell(reason, chunk.rows[_TOLD_OF[reason]].gather(here))
        self._tell_limits(chunk.rows, graded["flags"], place)

    def _tell_limits(self, rows: pl.DataFrame, flags: pl.Series, place: pl.Series) -> None:
        flag = Flag.UNREADABLE_LIMIT.value
        if not flags.unique().cast(pl.String).str.contains(flag).any():
            return
        here = place.filter(flags.cast(pl.String).str.contains(flag).fill_null(False)).unique()
        for column in ("lln", "uln"):
            texts = rows[column].gather(here).cast(pl.String)
            self._tell(flag, texts.filter(read_column(texts, read_limit).unreadable))

    def _tell(self, reason: str, texts: pl.Series) -> None:
        """Count texts; a patient's as what they look like, every digit a 9, every letter an a."""
        texts = texts.cast(pl.String).fill_null("")
        if reason.startswith("unreadable"):
            if self._decimal == "," and reason != "unreadable-date":
                texts = texts.str.replace_many(*SIGNS_SWAPPED)
            texts = texts.str.replace_all("[0-9]", "9").str.replace_all(r"\p{L}", "a")
            texts = texts.str.slice(0, _LOOKS)
        self._told.setdefault(reason, Counter()).update(_counts(texts))

    @property
    def undecided(self) -> dict[str, int]:
        return _ordered(self._reasons)

    def told(self, reason: str) -> dict[str, int]:
        """How rows with this reason, or flag, called their analyte or unit; what their value, date
        or limit looks like.
        """
        return _ordered(self._told.get(reason, Counter()))


def _counts(texts: pl.Series) -> dict[str, int]:
    counted = texts.drop_nulls().cast(pl.String).alias("text").value_counts(name="n")
    return dict(counted.iter_rows())


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
