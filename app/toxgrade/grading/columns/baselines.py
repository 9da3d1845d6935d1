"""The baselines of an export by patient and term: the rule of ``grading/patient.py`` on columns."""

from fractions import Fraction

import polars as pl

from toxgrade.grading.baseline_selection import as_written
from toxgrade.grading.columns.baseline_selection import (
    KEY,
    Candidate,
    choose,
    declared_otherwise,
    last_days,
    no_candidates,
)
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.normalize import as_strings
from toxgrade.grading.columns.parse import SCALE
from toxgrade.grading.digits import without_noise
from toxgrade.grading.flags import Reason
from toxgrade.grading.parse import COLUMNS, WHITE_SPACE, lab_result
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names, UnitKeys

IDENTITY = "\x00identity"
"""A column (Int64) of what tells rows apart that are equal in every column of a result: of two such
the lower one is the baseline. Without it the first row is, which is not the same in any order."""

_MAX_CANDIDATES = 1_000_000
"""The number of candidates above which those of earlier days are dropped."""
_BOUNDS = pl.DataFrame(
    [(None, None), *((least, most) for least in range(6) for most in range(6))],
    schema={"b_at_least": pl.Int8, "b_at_most": pl.Int8}, orient="row",
)  # fmt: skip
"""The bounds of a baseline at the index 1 + 6 x at least + at most; unknown bounds at 0."""


class Baselines:
    """The candidates for baselines, collected piece by piece, and the chosen ones.

    The choice is made at the first look-up. A chosen one has ``b_row`` (its row number),
    ``b_at_least`` and ``b_at_most`` by the limits of normal, its value (null: not comparable) with
    comparator and unit, whether it was beyond its own limits (``silent``: without its normal or
    abnormal flag), and ``b_one_by_one``: only the plain grader can compare with it.
    """

    def __init__(self, terms: int, units: UnitKeys, names: Names) -> None:
        self._terms, self._units, self._names = terms, units, names
        self._candidates: list[pl.DataFrame] = []
        self._texts: list[pl.DataFrame] = []  # A row of each case that has a candidate.
        self._cases = pl.DataFrame(schema={"case": pl.UInt32})
        self._candidate_count = 0
        self._chosen: pl.DataFrame | None = None
        # These hold, by ``KEY``, the index of the chosen baseline and that of its bounds.
        self._places, self._bounds = pl.Series(dtype=pl.UInt32), pl.Series(dtype=pl.UInt8)
        self._others = pl.DataFrame()

    def add(self, tests: pl.DataFrame, rows: pl.DataFrame) -> None:
        """Add candidates: results before the start per term, graded by the limits of normal.

        ``tests`` is made from ``rows``, which are ``COLUMNS`` and may have ``source_id`` and
        ``IDENTITY``; ``case`` is the case of each.
        """
        valid = tests.filter(pl.col("valid") & pl.col("term").is_not_null())
        usable = pl.col("refused").is_null() | (
            pl.col("refused") == REASON_CODES[Reason.IMPLAUSIBLE_LIMIT]
        )
        candidates = valid.select(
            (pl.col("who") * self._terms + pl.col("term")).alias(KEY),
            "declared",
            "time",
            "high",
            day=pl.col("first").fill_null(pl.date(1, 1, 1)),
            worst=pl.col("at_least").fill_null(-1).cast(pl.Int32) * 10
            + pl.col("at_most").fill_null(-1),
            number=pl.when(pl.col("unit_key").is_null()).then(0).otherwise("value"),
            case="case",
            collected=_texts(rows, "collected", valid["at"]),
            source_id=_texts(rows, "source_id", valid["at"]),
            identity=rows[IDENTITY][valid["at"]] if IDENTITY in rows.columns else None,
            b_row="row",
            b_at_least="at_least",
            b_at_most="at_most",
            b_one_by_one=usable & pl.col("one_by_one"),
            baseline=pl.when(usable).then("value"),
            baseline_comparator="comparator",
            baseline_unit="unit_key",
            baseline_above_uln=pl.when(usable).then("above_uln"),
            baseline_below_lln=pl.when(usable).then("below_lln"),
            baseline_above_uln_silent=pl.when(usable).then("above_uln_silent"),
            baseline_below_lln_silent=pl.when(usable).then("below_lln_silent"),
        )
        self._candidates.append(last_days(candidates))
        new = valid.select("case", "at").unique("case", maintain_order=True)
        new = new.join(self._cases, on="case", how="anti", maintain_order="left")
        self._cases = pl.concat([self._cases, new.select("case")])
        self._texts.append(as_strings(rows[new["at"]]).with_columns(new["case"]))
        self._candidate_count += len(self._candidates[-1])
        if self._candidate_count > _MAX_CANDIDATES:
            self._candidates = [last_days(pl.concat(self._candidates))]
            self._candidate_count = len(self._candidates[0])
            self._cases = self._candidates[0].select("case").unique()
            texts = pl.concat(self._texts)
            self._texts = [texts.join(self._cases, on="case", how="semi", maintain_order="left")]

    def add_bounds(self, tests: pl.DataFrame) -> pl.DataFrame:
        """Add to every test whether it ``is_baseline`` and the bounds of its baseline.

        These are ``b_at_least`` and ``b_at_most`` Int8 (null: no baseline, or nothing is known).
        """
        chosen, keys = self._choose(), self._keys(tests)
        bounds = _BOUNDS.select(pl.all().gather(self._bounds.gather(keys, null_on_oob=True)))
        early = tests["before_start"].arg_true()
        rows = chosen["b_row"].gather(self._places.gather(keys[early], null_on_oob=True))
        itself = early.filter((rows == tests["row"][early]).fill_null(False))
        is_baseline = pl.repeat(False, len(tests), eager=True).scatter(itself, True)
        return tests.hstack(bounds).with_columns(is_baseline.alias("is_baseline"))

    def find(self, tests: pl.DataFrame) -> pl.DataFrame:
        """Return the baseline of every test: ``b`` (its index; null: none) and ``b_one_by_one``."""
        places = self._places.gather(self._keys(tests), null_on_oob=True).alias("b")
        one_by_one = self._choose()["b_one_by_one"].gather(places).fill_null(False)
        return pl.DataFrame([places, one_by_one])

    def _keys(self, tests: pl.DataFrame) -> pl.Series:
        return tests.select(pl.col("who") * self._terms + pl.col("term")).to_series()

    def add_numbers(self, tests: pl.DataFrame) -> pl.DataFrame:
        """Add to every test the numbers of its baseline, as ``kernel.grade_group`` needs them.

        The baseline in the value's own unit is ``baseline`` x ``b_times`` / ``v_times``, exactly.
        """
        chosen = self._choose().select(
            "baseline", "baseline_comparator", "baseline_unit", "baseline_above_uln",
            "baseline_below_lln", "baseline_above_uln_silent", "baseline_below_lln_silent",
        )  # fmt: skip
        both = tests.hstack(chosen.select(pl.all().gather(tests["b"])))
        units = ["unit_key", "baseline_unit"]
        pairs = both.select(units).unique()
        ratios = [self._units.ratio(*pair) for pair in pairs.iter_rows()]
        times = pl.DataFrame(
            ratios, schema=dict.fromkeys(("b_times", "v_times"), pl.Int64), orient="row"
        )
        return both.join(
            pairs.hstack(times), on=units, how="left", nulls_equal=True, maintain_order="left"
        )

    def as_written(self, place: int | None) -> LabResult | None:
        """Return the baseline parsed from the texts of its case; None where there is none."""
        return None if place is None else self._parsed(self._choose()["case"][place])

    def _parsed(self, case: int) -> LabResult:
        """Return a result of a case, parsed from its texts; its date and declaration are of any."""
        texts = self._texts[0]
        return lab_result(texts.select(COLUMNS).row(texts["case"].search_sorted(case), named=True))

    def other_baselines(self) -> pl.DataFrame:
        """Return declared baselines where the date rule alone would choose another result.

        ``declared`` and ``by_date`` (Int64) are the numbers of both rows in the export.
        """
        self._choose()
        return self._others

    def _choose(self) -> pl.DataFrame:
        if self._chosen is None:
            candidates = pl.concat([no_candidates(), *self._candidates])
            self._candidates = []
            self._texts = [pl.concat(self._texts).sort("case")] if self._texts else []
            self._chosen = choose(candidates, self._canonical, self._written)
            keys = self._chosen[KEY]
            self._places = _by_key(keys, pl.int_range(len(keys), dtype=pl.UInt32, eager=True))
            bound = 1 + pl.col("b_at_least") * 6 + pl.col("b_at_most")
            bounds = self._chosen.select(bound.fill_null(0).cast(pl.UInt8)).to_series()
            self._bounds = _by_key(keys, bounds)
            self._others = declared_otherwise(
                candidates, self._chosen, self._canonical, self._written
            )
        return self._chosen

    def _canonical(self, candidate: Candidate) -> Fraction:
        """Return a candidate's number in its analyte's canonical unit; 0 if the unit is unknown."""
        unit, number = candidate["baseline_unit"], candidate["number"]
        if unit is None:
            return Fraction(0)
        if number is not None:
            return Fraction(number, SCALE) * self._units.factor(unit)
        value = self._parsed(candidate["case"]).value
        assert value is not None, "it is a number"
        return Fraction(without_noise(value.number)) * self._units.factor(unit)

    def _written(self, candidate: Candidate) -> tuple[str, ...]:
        return as_written(self._parsed(candidate["case"]), self._names)


def _texts(rows: pl.DataFrame, name: str, places: pl.Series) -> pl.Series:
    """Return a column's texts at ``places``; empty texts where it is absent."""
    if name not in rows.columns:
        return pl.repeat("", len(places), eager=True)
    return rows[name][places].cast(pl.String).str.strip_chars(WHITE_SPACE).fill_null("")


def _by_key(keys: pl.Series, values: pl.Series) -> pl.Series:
    """Return ``values`` at the indexes ``keys``, which are sorted; null at all others."""
    highest = 0 if keys.is_empty() else int(keys[-1])
    return pl.repeat(None, highest + 1, dtype=values.dtype, eager=True).scatter(keys, values)
