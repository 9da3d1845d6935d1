"""The chosen baselines of an export: the rule of ``grading/patient_baselines.py`` on columns."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import polars as pl

from toxgrade.grading.baseline_selection import as_written
from toxgrade.grading.columns.baseline_selection import (
    KEY,
    choose,
    declared_otherwise,
    last_ones,
    other_choices,
)
from toxgrade.grading.columns.parse import SCALE
from toxgrade.grading.columns.study_ranges import StudyRanges
from toxgrade.grading.digits import without_noise
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names, UnitKeys

_BOUNDS = pl.DataFrame(
    [(None, None), *((least, most) for least in range(6) for most in range(6))],
    schema={"b_at_least": pl.Int8, "b_at_most": pl.Int8}, orient="row",
)  # fmt: skip
"""The bounds of a baseline at the index 1 + 6 x at least + at most; unknown bounds at 0."""


def no_undated() -> pl.DataFrame:
    """Return an empty frame of results without a full date, of which ``last`` may be null."""
    return pl.DataFrame(
        schema={
            KEY: pl.Int64, "declared": pl.Boolean, "last": pl.Date, "untreated": pl.Boolean,
            "row": pl.Int64,
        }
    )  # fmt: skip


class ChosenBaselines:
    """The baseline of each course and term, and what it may be instead.

    A chosen one has ``b_row`` (its row number), ``b_at_least`` and ``b_at_most`` by the limits of
    normal, its value (null: not comparable) with comparator and unit, whether it was beyond its own
    limits (``silent``: without its normal or abnormal flag), and ``b_one_by_one``: only the plain
    grader can compare with it. ``b`` is an index of it.
    """

    def __init__(
        self,
        candidates: pl.DataFrame,
        undated: pl.DataFrame,
        texts: pl.DataFrame,
        compares: Sequence[bool],
        units: UnitKeys,
        names: Names,
        ranges: StudyRanges,
    ) -> None:
        self._ranges = ranges
        self._terms, self._texts, self._units, self._names = len(compares), texts, units, names
        last = last_ones(candidates)
        chosen = choose(last, self._canonical, self._written)
        keys = chosen[KEY]
        # These hold, by ``KEY``, the index of the chosen baseline and that of its bounds.
        self._places = _by_key(keys, pl.int_range(len(keys), dtype=pl.UInt32, eager=True))
        bound = 1 + pl.col("b_at_least") * 6 + pl.col("b_at_most")
        self._bounds = _by_key(keys, chosen.select(bound.fill_null(0).cast(pl.UInt8)).to_series())
        self.other_baselines = declared_otherwise(
            candidates, chosen, self._canonical, self._written
        )
        self._uncertain = _uncertain(undated, chosen)
        others = chosen.head(0)
        if len(last) > len(chosen):
            others = other_choices(last, chosen, self._written)
            others = _that_matter(others, chosen, pl.Series(compares, dtype=pl.Boolean))
        self._baselines = pl.concat([chosen, others], how="diagonal")
        self._choices = _choices(chosen, others)
        self._ambiguous = list[int]()

    def _keys(self, tests: pl.DataFrame) -> pl.Series:
        return tests.select(pl.col("course") * self._terms + pl.col("term")).to_series()

    def add_bounds(self, tests: pl.DataFrame) -> pl.DataFrame:
        """Add to every test whether it ``is_baseline`` and the bounds of its baseline.

        These are ``b_at_least`` and ``b_at_most`` Int8 (null: no baseline, or nothing is known).
        """
        keys = self._keys(tests)
        bounds = _BOUNDS.select(pl.all().gather(self._bounds.gather(keys, null_on_oob=True)))
        early = tests["before_start"].arg_true()
        rows = self._baselines["b_row"].gather(self._places.gather(keys[early], null_on_oob=True))
        itself = early.filter((rows == tests["row"][early]).fill_null(False))
        is_baseline = pl.repeat(False, len(tests), eager=True).scatter(itself, True)
        return tests.hstack(bounds).with_columns(is_baseline.alias("is_baseline"))

    def find(self, tests: pl.DataFrame) -> pl.Series:
        """Return the baseline of every test as ``b`` (null: none)."""
        return self._places.gather(self._keys(tests), null_on_oob=True).alias("b")

    def choices(self, tests: pl.DataFrame) -> pl.DataFrame:
        """Return ``b`` of each possible baseline, the chosen one first, of tests that have several.

        ``place`` is the test's. A null ``b`` stands for any baseline.
        """
        tied, keys = self._choices, self._keys(tests) if len(self._choices) else pl.Series([])
        places = keys.is_in(tied[KEY].unique().implode()).arg_true() if len(tied) else keys
        part = pl.DataFrame({"place": places, KEY: keys[places]}) if len(places) else tied.clear()
        if not len(part):
            return pl.DataFrame(schema={"place": pl.UInt32, "b": pl.UInt32})
        return part.join(tied, on=KEY, maintain_order="left_right").drop(KEY)

    def with_bounds_of(self, tests: pl.DataFrame, b: pl.Series) -> pl.DataFrame:
        """Return tests with the bounds of the baselines ``b`` in place of those that they have."""
        bounds = self._baselines.select("b_at_least", "b_at_most")
        return tests.with_columns(bounds.select(pl.all().gather(b)))

    @property
    def undecided(self) -> pl.Series:
        """Return the courses of which only later grades say whether the choice matters."""
        grades = self._choices.with_columns(
            _decided(self._baselines).gather(self._choices["b"]).alias("grade")
        )
        alike = grades.filter((pl.col("grade").n_unique() == 1).over(KEY))
        return (alike[KEY] // self._terms).unique()

    def add_ambiguous(self, tests: pl.DataFrame) -> None:
        """Remember that the choice among several baselines changes these tests."""
        self._ambiguous.extend(self._keys(tests).unique())

    def doubts(self, tests: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        """Return whether each test is a baseline whose choice matters, and whether its baseline
        may be another one without a full date.
        """
        no = pl.repeat(False, len(tests), eager=True)
        if not self._ambiguous and not len(self._uncertain):
            return no, no
        keys = self._keys(tests)
        ambiguous = tests["is_baseline"] & keys.is_in(self._ambiguous)
        compared = ~tests["before_start"] & (self.find(tests).is_not_null() | tests["has_started"])
        uncertain = keys.is_in(self._uncertain.implode()) & (compared | tests["is_baseline"])
        return ambiguous.fill_null(False), uncertain.fill_null(False)

    def as_written(self, b: pl.Series) -> list[LabResult | None]:
        """Return baselines parsed from the texts of their cases; None where there is none."""
        return self._results(self._baselines["case"].gather(b))

    def _results(self, cases: pl.Series) -> list[LabResult | None]:
        parsed = dict(self._by_case(cases))
        return [None if case is None else parsed[case] for case in cases]

    def _by_case(self, cases: pl.Series) -> Iterator[tuple[int, LabResult]]:
        """Yield each of ``cases`` once, parsed from its texts."""
        every = cases.drop_nulls().unique()
        return zip(every, self._parsed(every), strict=True)

    def _parsed(self, cases: pl.Series) -> list[LabResult]:
        """Return a result of each case, parsed from its texts; its date and declaration are of any.

        All are looked up at once: a look-up takes longer than grading a result.
        """
        if not len(cases):
            return []
        at = self._texts["case"].search_sorted(cases)
        return list(self._ranges.results(self._texts[at]))

    def add_numbers(self, tests: pl.DataFrame) -> pl.DataFrame:
        """Add to every test the numbers of its baseline, as ``verdicts.grade_group`` needs them.

        The baseline in the value's own unit is ``baseline`` x ``b_times`` / ``v_times``, exactly.
        """
        chosen = self._baselines.select(
            "baseline", "baseline_comparator", "baseline_unit", "baseline_above_uln",
            "baseline_below_lln", "baseline_above_uln_silent", "baseline_below_lln_silent",
        )  # fmt: skip
        one_by_one = self._baselines["b_one_by_one"].gather(tests["b"]).fill_null(False)
        both = tests.hstack(chosen.select(pl.all().gather(tests["b"]))).hstack([one_by_one])
        units = ["unit_key", "baseline_unit"]
        pairs = both.select(units).unique()
        ratios = [self._units.ratio(*pair) for pair in pairs.iter_rows()]
        times = pl.DataFrame(
            ratios, schema=dict.fromkeys(("b_times", "v_times"), pl.Int64), orient="row"
        )
        return both.join(
            pairs.hstack(times), on=units, how="left", nulls_equal=True, maintain_order="left"
        )

    def _canonical(self, candidates: pl.DataFrame) -> list[Fraction]:
        """Return each number in its analyte's canonical unit; 0 if the unit is unknown."""
        units, numbers = candidates["baseline_unit"], candidates["number"]
        is_exact = (numbers % 2 == 0).fill_null(False)
        as_text = candidates["case"].set(is_exact | units.is_null(), None)
        found = []
        for unit, number, result in zip(units, numbers, self._results(as_text), strict=True):
            exact = Fraction(0 if number is None else number, SCALE)
            if result is not None:
                assert result.value is not None, "it is a number"
                exact = Fraction(without_noise(result.value.number))
            found.append(Fraction(0) if unit is None else exact * self._units.factor(unit))
        return found

    def _written(self, cases: pl.Series) -> list[tuple[str, ...]]:
        texts = {case: as_written(one, self._names) for case, one in self._by_case(cases)}
        return [texts[case] for case in cases]


def _decided(baselines: pl.DataFrame) -> pl.Series:
    least, most = baselines["b_at_least"], baselines["b_at_most"]
    return least.set(least.ne_missing(most), None)


def _uncertain(undated: pl.DataFrame, chosen: pl.DataFrame) -> pl.Series:
    """Return the keys of which ``may_be_later`` of plain grading is true."""
    own = chosen.select(KEY, "day", "b_row", chosen_declared="declared")
    both = undated.join(own, on=KEY, how="left")
    later = pl.col("last").is_null() | (pl.col("last") >= pl.col("day"))
    counts = pl.col("declared") | ~pl.col("chosen_declared")
    another = pl.col("row") != pl.col("b_row")
    may_be = pl.when(pl.col("b_row").is_null()).then(~pl.col("untreated"))
    return both.filter(may_be.otherwise(later & counts & another))[KEY].unique()


def _that_matter(others: pl.DataFrame, chosen: pl.DataFrame, compares: pl.Series) -> pl.DataFrame:
    """Return other choices where a grade may depend on them, or the baseline's own differs."""
    bounds = ("b_at_least", "b_at_most")
    own = others.select(KEY).join(chosen.select(KEY, *bounds), on=KEY, maintain_order="left")
    differ = [others[name].ne_missing(own[name]) for name in bounds]
    either = (differ[0] | differ[1]).alias("differ")
    matters = pl.DataFrame([others[KEY], either]).select(pl.col("differ").any().over(KEY))
    return others.filter(matters.to_series() | compares.gather(others[KEY] % len(compares)))


def _choices(chosen: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return ``KEY`` and ``b`` of every possible baseline, the chosen one first, by key."""
    tied = chosen.with_row_index("b").select(KEY, "b")
    tied = tied.filter(pl.col(KEY).is_in(others[KEY].unique().implode()))
    index = pl.int_range(len(chosen), len(chosen) + len(others), dtype=pl.UInt32, eager=True)
    any_baseline = others["b_row"].is_null()
    more = pl.DataFrame({KEY: others[KEY], "b": index.set(any_baseline, None)})
    return pl.concat([tied, more]).sort(KEY, maintain_order=True)


def _by_key(keys: pl.Series, values: pl.Series) -> pl.Series:
    """Return ``values`` at the indexes ``keys``, which are sorted; null at all others."""
    highest = 0 if keys.is_empty() else int(keys[-1])
    return pl.repeat(None, highest + 1, dtype=values.dtype, eager=True).scatter(keys, values)
