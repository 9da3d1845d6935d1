"""The baseline of every patient and term of an export: the rule of ``patient.py`` on columns."""

import polars as pl

from app.grading.result import LabResult, Reason
from app.grading.rows import COLUMNS, lab_result
from app.grading.tables import REASON_CODES
from app.grading.units import UnitKeys

_KEY = "key"
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
        toxic = pl.col("value").cast(pl.Float64) * pl.col("canonical")
        found = mine.select(
            (pl.col("who") * self._terms + pl.col("term")).alias(_KEY),
            "declared",
            "time",
            day=pl.col("first").fill_null(pl.date(1, 1, 1)),
            worst=pl.col("at_least").fill_null(-1).cast(pl.Int32) * 10
            + pl.col("at_most").fill_null(-1),
            number=pl.when("high").then(toxic).otherwise(-toxic).fill_null(0.0),
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
        self._candidates.append(_last_days(found))
        asked = mine["compares"]
        if asked.any():
            texts = rows.select(COLUMNS)[mine["at"].filter(asked)]
            self._texts.append(texts.with_columns(mine["row"].filter(asked)))
        self._kept += len(self._candidates[-1])
        if self._kept > _MOST:
            self._candidates = [_last_days(pl.concat(self._candidates))]
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
        if place is None or not self._texts:
            return None
        row, texts = self._choose()["b_row"][place], self._texts[0]
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
            everyone = pl.concat([_nothing(), *self._candidates])
            self._candidates = []
            self._chosen = _chosen(everyone)
            keys = self._chosen[_KEY]
            self._places = _by_key(keys, pl.int_range(len(keys), dtype=pl.UInt32, eager=True))
            bound = 1 + pl.col("b_at_least") * 6 + pl.col("b_at_most")
            bounds = self._chosen.select(bound.fill_null(0).cast(pl.UInt8)).to_series()
            self._bounds = _by_key(keys, bounds)
            self._texts = [pl.concat(self._texts)] if self._texts else []
            self._otherwise = _otherwise(everyone, self._chosen)
        return self._chosen


def _otherwise(candidates: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """The rows of what is chosen, and of what the date rule would choose, where they differ."""
    if not candidates["declared"].any():
        return pl.DataFrame(schema={"declared": pl.Int64, "by_date": pl.Int64})
    undated = pl.col("declared").fill_null(False) & (pl.col("day") == pl.date(1, 1, 1))
    by_date = _chosen(candidates.filter(~undated).with_columns(declared=pl.lit(False)))
    both = chosen.join(by_date, on=_KEY, suffix="_by_date")
    other = both.filter(pl.col("b_row") != pl.col("b_row_by_date"))
    return other.select(declared="b_row", by_date="b_row_by_date").sort("declared")


def _by_key(keys: pl.Series, values: pl.Series) -> pl.Series:
    """``values`` at the places that ``keys``, which are in order, say; null at all others."""
    highest = 0 if keys.is_empty() else int(keys[-1])
    return pl.repeat(None, highest + 1, dtype=values.dtype, eager=True).scatter(keys, values)


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            _KEY: pl.Int64, "declared": pl.Boolean, "time": pl.Time, "day": pl.Date,
            "worst": pl.Int32, "number": pl.Float64, "b_row": pl.Int64, "b_at_least": pl.Int8,
            "b_at_most": pl.Int8, "b_by_hand": pl.Boolean, "baseline": pl.Int64,
            "baseline_comparator": pl.Int8, "baseline_unit": pl.Int32,
            "baseline_above_uln": pl.Boolean, "baseline_below_lln": pl.Boolean,
        }
    )  # fmt: skip


def _last_days(candidates: pl.DataFrame) -> pl.DataFrame:
    """Those that may still be chosen: of the last day, and of the last day with a declared one."""
    day = pl.col("day")
    last = day == day.max().over(_KEY)
    if candidates["declared"].any():
        last |= pl.col("declared") & (day == day.filter("declared").max().over(_KEY))
    return candidates.filter(last)


def _chosen(candidates: pl.DataFrame) -> pl.DataFrame:
    """One row per patient and term: declared before undeclared, then the last day, then the rule.

    On the last day the later time counts if all are timed, else the worse grade, then the worse
    number; among equals the first row.
    """
    last = (
        candidates.filter(pl.col("declared") == pl.col("declared").max().over(_KEY))
        .filter(pl.col("day") == pl.col("day").max().over(_KEY))
        .with_columns(by_time=pl.when(pl.col("time").is_not_null().all().over(_KEY)).then("time"))
    )
    return last.sort(
        [_KEY, "by_time", "worst", "number", "b_row"],
        descending=[False, False, False, False, True],
        nulls_last=False,
    ).unique(subset=_KEY, keep="last", maintain_order=True)
