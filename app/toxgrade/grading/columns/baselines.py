"""The baseline of every patient and term of an export: the rule of ``patient.py`` on columns."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import polars as pl

from toxgrade.grading.columns.baseline_selection import (
    KEY,
    choose,
    declared_otherwise,
    last_days,
    nothing,
)
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.normalize import written
from toxgrade.grading.columns.parse import SCALE
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.result import LabResult, Reason
from toxgrade.grading.units import UnitKeys

_MOST = 1_000_000
"""Candidates that are kept before those of earlier days are let go."""
_BOUNDS = pl.DataFrame(
    [(None, None), *((least, most) for least in range(6) for most in range(6))],
    schema={"b_at_least": pl.Int8, "b_at_most": pl.Int8}, orient="row",
)  # fmt: skip
"""The bounds of a baseline by one number: 1 + 6 x at least + at most; 0 where it is undecided."""


class Baselines:
    """Gathers candidates piece by piece; chooses when first asked.

    A chosen one has: ``b_row`` (its number in the export), ``b_at_least`` and ``b_at_most`` by the
    limits of normal, its number (null where it cannot be compared with) with comparator and unit,
    whether it was beyond its own limits, and ``b_by_hand``: only the plain grader can compare.
    """

    def __init__(self, terms: int, units: UnitKeys) -> None:
        self._terms, self._units = terms, units
        self._candidates: list[pl.DataFrame] = []
        self._texts: list[pl.DataFrame] = []  # by row, in order, of those that may be compared with
        self._kept = 0
        self._chosen: pl.DataFrame | None = None
        # By patient and term: the places of the chosen, and their bounds as one number.
        self._places, self._bounds = pl.Series(dtype=pl.UInt32), pl.Series(dtype=pl.UInt8)
        self._otherwise = pl.DataFrame()

    def add(self, tests: pl.DataFrame, rows: pl.DataFrame) -> None:
        """Keep candidates: results of before the start with their terms, graded by own limits.

        ``tests`` as ``many.py`` makes them from ``rows``, whose texts the plain grader may need.
        """
        mine = tests.filter(pl.col("valid") & pl.col("term").is_not_null())
        usable = pl.col("refused").is_null() | (
            pl.col("refused") == REASON_CODES[Reason.IMPLAUSIBLE_LIMIT]
        )
        found = mine.select(
            (pl.col("who") * self._terms + pl.col("term")).alias(KEY),
            "declared",
            "time",
            "high",
            day=pl.col("first").fill_null(pl.date(1, 1, 1)),
            worst=pl.col("at_least").fill_null(-1).cast(pl.Int32) * 10
            + pl.col("at_most").fill_null(-1),
            number=pl.when(pl.col("unit_key").is_null()).then(0).otherwise("value"),
            b_row="row",
            b_at_least="at_least",
            b_at_most="at_most",
            b_by_hand=usable & pl.col("one_by_one"),
            baseline=pl.when(usable).then("value"),
            baseline_comparator="comparator",
            baseline_unit="unit_key",
            baseline_above_uln=pl.when(usable).then("above_uln"),
            baseline_below_lln=pl.when(usable).then("below_lln"),
        )
        self._candidates.append(last_days(found))
        asked = mine["compares"] | found["number"].is_null()
        if asked.any():
            texts = written(rows[mine["at"].filter(asked)])
            self._texts.append(texts.with_columns(mine["row"].filter(asked)))
        self._kept += len(self._candidates[-1])
        if self._kept > _MOST:
            self._candidates = [last_days(pl.concat(self._candidates))]
            self._kept = len(self._candidates[0])
            if self._texts:
                kept = pl.col("row").is_in(self._candidates[0]["b_row"].implode())
                self._texts = [pl.concat(self._texts).filter(kept)]

    def beside(self, tests: pl.DataFrame) -> pl.DataFrame:
        """Put beside every test the bounds of its baseline, ``b_at_least`` and ``b_at_most`` Int8
        (null: none, or undecided), and whether it ``is_baseline`` itself.
        """
        chosen, keys = self._choose(), self._keys(tests)
        bounds = _BOUNDS.select(pl.all().gather(self._bounds.gather(keys, null_on_oob=True)))
        early = tests["before_start"].arg_true()
        rows = chosen["b_row"].gather(self._places.gather(keys[early], null_on_oob=True))
        itself = early.filter((rows == tests["row"][early]).fill_null(False))
        is_baseline = pl.repeat(False, len(tests), eager=True).scatter(itself, True)
        return tests.hstack(bounds).with_columns(is_baseline.alias("is_baseline"))

    def place_of(self, tests: pl.DataFrame) -> pl.DataFrame:
        """The baseline of every test: ``b`` (its place; null: none) and ``b_by_hand``."""
        places = self._places.gather(self._keys(tests), null_on_oob=True).alias("b")
        by_hand = self._choose()["b_by_hand"].gather(places).fill_null(False)
        return pl.DataFrame([places, by_hand])

    def _keys(self, tests: pl.DataFrame) -> pl.Series:
        return tests.select(pl.col("who") * self._terms + pl.col("term")).to_series()

    def numbers(self, tests: pl.DataFrame) -> pl.DataFrame:
        """``tests`` with what ``column.decide`` compares: the baseline's numbers.

        The baseline in the value's own unit is ``baseline`` x ``b_times`` / ``v_times``, exactly.
        """
        chosen = self._choose().select(
            "baseline", "baseline_comparator", "baseline_unit", "baseline_above_uln",
            "baseline_below_lln",
        )  # fmt: skip
        beside = tests.hstack(chosen.select(pl.all().gather(tests["b"])))
        units = ["unit_key", "baseline_unit"]
        pairs = beside.select(units).unique()
        ratios = [self._units.ratio(*pair) for pair in pairs.iter_rows()]
        times = pl.DataFrame(
            ratios, schema=dict.fromkeys(("b_times", "v_times"), pl.Int64), orient="row"
        )
        return beside.join(
            pairs.hstack(times), on=units, how="left", nulls_equal=True, maintain_order="left"
        )

    def as_written(self, place: int | None) -> LabResult | None:
        """The baseline as its row was written; None where there is none to compare with.

        One whose unit or analyte is not understood is none: its texts were not kept.
        """
        return None if place is None else self._read_again(self._choose()["b_row"][place])

    def _read_again(self, row: int) -> LabResult | None:
        """A row of the export, read from its texts; None where they were not kept."""
        if not self._texts:
            return None
        texts = self._texts[0]
        found = texts["row"].search_sorted(row)
        if found == len(texts) or texts["row"][found] != row:
            return None
        return lab_result(texts.select(COLUMNS).row(found, named=True))

    def otherwise_by_date(self) -> pl.DataFrame:
        """Where the date rule alone would choose another result than the sender declared.

        Returns ``declared`` and ``by_date``: the numbers of both rows in the export.
        """
        self._choose()
        return self._otherwise

    def _choose(self) -> pl.DataFrame:
        if self._chosen is None:
            everyone = pl.concat([nothing(), *self._candidates])
            self._candidates = []
            self._texts = [pl.concat(self._texts)] if self._texts else []
            self._chosen = choose(everyone, self._canonical)
            keys = self._chosen[KEY]
            self._places = _by_key(keys, pl.int_range(len(keys), dtype=pl.UInt32, eager=True))
            bound = 1 + pl.col("b_at_least") * 6 + pl.col("b_at_most")
            bounds = self._chosen.select(bound.fill_null(0).cast(pl.UInt8)).to_series()
            self._bounds = _by_key(keys, bounds)
            self._otherwise = declared_otherwise(everyone, self._chosen, self._canonical)
        return self._chosen

    def _canonical(self, candidate: Mapping[str, Any]) -> Fraction:
        """A candidate's number in its analyte's canonical unit; 0 where the unit is not known."""
        unit, number = candidate["baseline_unit"], candidate["number"]
        if unit is None:
            return Fraction(0)
        if number is not None:
            return Fraction(number, SCALE) * self._units.factor(unit)
        result = self._read_again(candidate["b_row"])
        assert result is not None, "its texts are kept"
        assert result.value is not None, "it is a number"
        return Fraction(result.value.number) * self._units.factor(unit)


def _by_key(keys: pl.Series, values: pl.Series) -> pl.Series:
    """``values`` at the places that ``keys``, which are in order, say; null at all others."""
    highest = 0 if keys.is_empty() else int(keys[-1])
    return pl.repeat(None, highest + 1, dtype=values.dtype, eager=True).scatter(keys, values)
