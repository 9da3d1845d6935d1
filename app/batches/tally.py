"""What came of a batch: counted piece by piece."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from app.batches.labs import Chunk


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a batch.

    ``rows`` went in and ``entries`` (a row for each term of its analyte) came out; ``graded`` have
    a grade, ``undecided`` counts the others by reason. ``rejected`` rows cannot be read as they
    are. ``unknown_analytes`` and ``unknown_units`` count rows by what they were called.
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
    patients: int
    without_dates: int
    read_as: Mapping[str, str]
    other_baselines: tuple[tuple[int, int], ...]


class Tally:
    """Counts what ``Report`` tells; of every piece, in any order."""

    def __init__(self) -> None:
        self.rows = self.entries = self.graded = self.rejected = 0
        self._reasons: Counter[str] = Counter()
        self._called: dict[str, Counter[str]] = {}

    def add(self, chunk: Chunk, graded: pl.DataFrame, place: pl.Series) -> None:
        """``graded`` as ``ColumnGrader`` gives it; ``place``: its rows' places in the piece."""
        self.rows += len(chunk.rows)
        self.entries += len(graded)
        self.graded += graded["grade"].count()
        self._reasons.update(_counts(graded["reason"]))
        for reason, column in (("unknown-analyte", "analyte"), ("unknown-unit", "unit")):
            of_reason = (graded["reason"] == reason).fill_null(False)
            names = chunk.rows[column].gather(place.filter(of_reason).unique()).fill_null("")
            self._called.setdefault(reason, Counter()).update(_counts(names))

    @property
    def undecided(self) -> dict[str, int]:
        return _ordered(self._reasons)

    def called(self, reason: str) -> dict[str, int]:
        """How the rows with this reason called their analyte or unit."""
        return _ordered(self._called.get(reason, Counter()))


def _counts(texts: pl.Series) -> dict[str, int]:
    counted = texts.drop_nulls().cast(pl.String).alias("text").value_counts(name="n")
    return dict(counted.iter_rows())


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
