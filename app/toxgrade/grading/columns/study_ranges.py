"""A study's own reference ranges for many rows: the choice of ``grading/study_ranges.py``."""

from collections.abc import Iterator
from datetime import date

import polars as pl
from msgspec.structs import replace

from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.reference_ranges import Sex
from toxgrade.grading.result import Collected, LabResult
from toxgrade.grading.study_ranges import Person, RangeTable
from toxgrade.grading.units import Names

RANGE = "\x00range"
"""A column (UInt32) of the range that applies to each row: its place in the table; null: none."""


class StudyRanges:
    """The ranges that stand in where a row has none; an empty table lends none.

    ``limits`` has their ``lln``, ``uln`` and ``limit_unit`` as texts, by place.
    """

    def __init__(self, table: RangeTable, names: Names) -> None:
        self._table, self._names = table, names
        self._places = {row: place for place, row in enumerate(table.rows)}
        limits = [(to_plain_text(r.lln), to_plain_text(r.uln), r.unit) for r in table.rows]
        named = dict.fromkeys(("lln", "uln", "limit_unit"), pl.String)
        self.limits = pl.DataFrame(limits, schema=named, orient="row")

    def __bool__(self) -> bool:
        return bool(self._table.rows)

    def choose(self, rows: pl.DataFrame, days: pl.DataFrame, persons: pl.DataFrame) -> pl.Series:
        """Return ``RANGE`` of every row.

        ``rows`` has ``analyte`` and may have ``lab``; ``days`` are the ``first`` and ``last`` one
        that each may be of; ``persons`` has ``sex`` and ``birth_year`` of its patient. What is the
        same in all of these is looked up once.
        """
        lab = pl.col("lab") if "lab" in rows.columns else pl.lit(None, dtype=pl.String)
        asked = rows.select(pl.col("analyte").cast(pl.String), lab.cast(pl.String).alias("lab"))
        asked = asked.hstack(days).hstack(persons)
        distinct = asked.unique(maintain_order=True)
        found = pl.Series(RANGE, [self._one(*row) for row in distinct.iter_rows()], pl.UInt32)
        each = distinct.with_columns(found)
        names = asked.columns
        return asked.join(each, on=names, how="left", nulls_equal=True, maintain_order="left")[
            RANGE
        ]

    def _one(
        self,
        analyte: str | None,
        lab: str | None,
        first: date | None,
        last: date | None,
        sex: Sex | None,
        birth_year: int | None,
    ) -> int | None:
        known = self._names.analyte(analyte or "")
        collected = Collected("", first, last) if first and last else None
        person = Person(sex, birth_year)
        own = known and self._table.choose(known.name, lab, collected, person)
        return self._places[own] if own else None

    def results(self, rows: pl.DataFrame) -> Iterator[LabResult]:
        """Yield rows of ``COLUMNS``, and of ``RANGE`` if there are ranges, as single results."""
        parsed = map(lab_result, rows.select(COLUMNS).iter_rows(named=True))
        if RANGE not in rows.columns:
            yield from parsed
            return
        for result, place in zip(parsed, rows[RANGE], strict=True):
            own = None if place is None else self._table.rows[place]
            yield result if own is None else replace(result, study_range=own)
