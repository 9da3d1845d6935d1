"""The comparison of many results with their baselines: ``grading/against_baseline.py`` on columns.

Results whose baseline may be one of several are few: they are compared with each.
"""

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from toxgrade.criteria.model import Condition
from toxgrade.grading.abnormal_baseline import abnormal_side, asked_side
from toxgrade.grading.against_baseline import outcome
from toxgrade.grading.columns.by_group import grade_groups, grade_one_by_one, scatter
from toxgrade.grading.columns.chosen_baselines import ChosenBaselines
from toxgrade.grading.columns.grader import Cases
from toxgrade.grading.columns.limits import baseline_in_doubt, met_by_range
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.output import FLAG_BITS, flag_bit, flags_of_grade
from toxgrade.grading.columns.patient_baselines import Baselines
from toxgrade.grading.columns.study_ranges import StudyRanges
from toxgrade.grading.columns.verdicts import GRADED
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.result import LabResult

_OUTCOME = [*GRADED, "flags", "baseline_grade", "worse"]
_TOLD = ("at_least", "at_most", "baseline_grade", "worse")
_POSSIBLE = FLAG_BITS[Flag.CLINICAL_GRADE_POSSIBLE] | FLAG_BITS[Flag.BY_INDICATOR]
_IMPLAUSIBLE_LIMIT = REASON_CODES[Reason.IMPLAUSIBLE_LIMIT]
_NO_BASELINE = REASON_CODES[Reason.MISSING_BASELINE]


class Piece(NamedTuple):
    """A piece of an export: its rows, and the ``CaseTests.tests`` of the cases that they are."""

    rows: pl.DataFrame
    tests: pl.DataFrame


class Comparison:
    """Compares the tests of an export with their baselines, once all of these are known."""

    def __init__(
        self, grader: TermGrader, cases: Cases, baselines: Baselines, ranges: StudyRanges
    ) -> None:
        self._grader, self._cases, self._baselines = grader, cases, baselines
        self._ranges = ranges
        self._sides = pl.DataFrame(
            {
                "side": [abnormal_side(term) for term in grader.edition.terms],
                "asked": [asked_side(term) for term in grader.edition.terms],
            },
            schema=dict.fromkeys(("side", "asked"), pl.Enum(["ULN", "LLN"])),
        )

    @property
    def _chosen(self) -> ChosenBaselines:
        return self._baselines.chosen

    def compare(self, tests: pl.DataFrame, piece: Piece) -> pl.DataFrame:
        """Return tests, graded by the limits of normal, with what ``compare`` of plain grading
        says: grades, ``flags`` (bits), ``baseline_grade`` Int8, ``worse`` and ``ambiguous``
        Boolean.
        """
        tests = self._chosen.add_bounds(tests)
        found = self._outcomes(tests, None, piece).with_columns(ambiguous=pl.lit(False))
        choices = self._chosen.choices(tests)
        if not len(choices):
            return found
        each = self._chosen.with_bounds_of(tests[choices["place"]], choices["b"])
        each = self._outcomes(each, choices["b"], piece)
        hull = _hull(each.select(_OUTCOME).hstack([choices["place"]]))
        return scatter(found, hull["place"], hull.drop("place"))

    def _outcomes(self, tests: pl.DataFrame, b: pl.Series | None, piece: Piece) -> pl.DataFrame:
        """Return tests compared with the baselines ``b`` (null: none), or with the chosen ones."""
        concerned = (tests["compares"] & ~tests["before_start"]).arg_true()
        if not len(concerned):
            return tests.with_columns(_worse(), _baseline_grade())
        part = tests.select("at", "test", "course", "term", "b_at_least", "b_at_most")[concerned]
        part = part.hstack([self._chosen.find(part) if b is None else b[concerned]])
        alone = part["b"].is_null()
        tests = self._without_baseline(tests, part.filter(alone), concerned.filter(alone), piece)
        part, concerned = part.filter(~alone), concerned.filter(~alone)
        if not len(part):
            return tests.with_columns(_worse(), _baseline_grade())
        graded = self._graded(part, piece)
        tests = scatter(tests, concerned, graded.select(*GRADED, "flags"))
        tests = tests.with_columns(_worse(), _baseline_grade())
        by_value = graded["side"].is_not_null().arg_true()
        if not len(by_value):
            return tests
        values = self._worse_by_value(graded[by_value], piece.rows)
        return tests.with_columns(tests["worse"].clone().scatter(concerned[by_value], values))

    def _without_baseline(
        self, tests: pl.DataFrame, part: pl.DataFrame, places: pl.Series, piece: Piece
    ) -> pl.DataFrame:
        """Return tests with the grades of those at ``places``, ``part``, that have no baseline.

        Each test of a case has one such grade, whoever's it is.
        """
        if not len(part):
            return tests
        each = part.unique("test", keep="first", maintain_order=True)
        graded = self._graded(each, piece).select("test", *GRADED, "flags")
        shared = part.select("test").join(graded, on="test", how="left", maintain_order="left")
        return scatter(tests, places, shared.drop("test"))

    def _graded(self, part: pl.DataFrame, piece: Piece) -> pl.DataFrame:
        """Return tests with the numbers of their case and of baseline ``b``, graded against it."""
        part = part.drop("term").hstack(piece.tests.drop("compares")[part["test"]])
        part = part.hstack(self._sides.select(pl.all().gather(part["term"])))
        part = self._chosen.add_numbers(part).with_columns(own_most="at_most")
        measured = part["refused"].is_null()
        measured |= (part["refused"] == _IMPLAUSIBLE_LIMIT) & part["side"].is_not_null()
        # What ``<60`` may be depends on whether it was normal: the plain grader tries both.
        either = part.select(
            pl.col("asked").is_not_null()
            & _was_beyond("asked").is_null()
            & (pl.col("baseline_comparator") > 0).fill_null(False)
        ).to_series()
        doubt = part.select(pl.col("side").is_not_null() & baseline_in_doubt()).to_series()
        plain = part["one_by_one"] | ((part["b_one_by_one"] | either | doubt) & measured)
        in_columns = part["refused"].is_null() & ~plain
        graded = grade_groups(part, "full", in_columns, self._cases.groups)
        plain |= graded["one_by_one"]
        graded = graded.with_columns(flags=flags_of_grade(), plain=plain)
        if graded["side"].count():
            relative = pl.lit(measured) & pl.col("side").is_not_null() & _was_beyond("side")
            bit = flag_bit(Flag.RELATIVE_TO_BASELINE, relative)
            graded = graded.with_columns(pl.col("flags") | bit)
        places = plain.arg_true()
        plain_grades = grade_one_by_one(self._grader, self._as_written(graded[places], piece.rows))
        return scatter(graded, places, plain_grades)

    def _worse_by_value(self, graded: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
        """Return ``worse_by_value`` of plain grading for tests that have a ``side``."""
        found = graded.select(_by_value()).to_series()
        places = graded["plain"].arg_true()
        return found.scatter(places, [*self._one_by_one(graded[places], rows)])

    def _one_by_one(self, graded: pl.DataFrame, rows: pl.DataFrame) -> Iterator[bool | None]:
        for result, place, baseline in self._as_written(graded, rows):
            if baseline is None or place is None:
                yield None
                continue
            term = self._grader.edition.terms[place]
            before = self._grader.grade(baseline, term, REFERENCE_RANGE_ONLY)
            yield outcome(result, term, baseline, before, self._grader, before=False).worse

    def _as_written(
        self, tests: pl.DataFrame, rows: pl.DataFrame
    ) -> Iterator[tuple[LabResult, int | None, LabResult | None]]:
        """Return result, term and baseline of each test, parsed from their texts."""
        results = self._ranges.results(rows[tests["at"]])
        baselines = self._chosen.as_written(tests["b"])
        return zip(results, tests["term"], baselines, strict=True)


def _baseline_grade() -> pl.Expr:
    least, most = pl.col("b_at_least"), pl.col("b_at_most")
    return pl.when(least == most).then(least).alias("baseline_grade")


def _worse(at_most: str | pl.Expr = "at_most", b_at_most: str | pl.Expr = "b_at_most") -> pl.Expr:
    """Return ``summary.worse`` of grades and baselines."""
    most, b_most = (pl.col(one) if isinstance(one, str) else one for one in (at_most, b_at_most))
    by_least = pl.when(pl.col("at_least") > b_most).then(pl.lit(True))
    return by_least.when(most <= pl.col("b_at_least")).then(pl.lit(False)).alias("worse")


def _was_beyond(side: str) -> pl.Expr:
    """Return whether the baseline was beyond the limit of its own that a column names."""
    uln = pl.col(side) == "ULN"
    return pl.when(uln).then("baseline_above_uln").otherwise("baseline_below_lln")


def _by_value() -> pl.Expr:
    """Return ``worse_by_value``; reads the columns of graded tests and ``own_most``."""
    above, below = (met_by_range(Condition("value", sign, "baseline")) for sign in (">", "<"))
    toxic = pl.when(pl.col("at_least") > 0).then(True).when(pl.col("at_most") == 0).then(False)
    by_value = toxic & pl.when("high").then(above).otherwise(below)
    lowest = pl.when(pl.col("side") == "ULN").then("b_at_least").otherwise("b_at_most")
    if_normal = _worse(pl.min_horizontal("at_most", "own_most"), lowest)
    worse = (
        pl.when(_was_beyond("side"))
        .then(by_value)
        .when(~_was_beyond("side"))
        .then(_worse())
        .when(by_value == if_normal)
        .then(by_value)
    )
    return pl.when(pl.col("at_least").is_not_null()).then(worse)


def _hull(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return the outcome over the choices of each ``place``, of which the first is the chosen one.

    Only places where the choice changes something are returned.
    """
    every = pl.col("flags").bitwise_and() | (pl.col("flags").bitwise_or() & _POSSIBLE)
    by_place = outcomes.group_by("place", maintain_order=True)
    hull = by_place.agg(
        pl.col("at_least").min(),
        pl.col("at_most").max(),
        pl.col("reason").first(),
        pl.col("baseline_grade").first(),
        pl.col("worse").first(),
        *(pl.col(name).n_unique().alias(f"n_{name}") for name in _TOLD),
        reasons=pl.min_horizontal(pl.col("reason").min(), pl.lit(_NO_BASELINE, dtype=pl.Int8)),
        flags=every | FLAG_BITS[Flag.BASELINE_AMBIGUOUS],
    )
    changed = hull.filter(pl.any_horizontal(pl.col(f"n_{name}") > 1 for name in _TOLD))
    bounds_differ = (pl.col("n_at_least") > 1) | (pl.col("n_at_most") > 1)
    return changed.select(
        "place",
        "at_least",
        "at_most",
        pl.when(bounds_differ).then("reasons").otherwise("reason").alias("reason"),
        "flags",
        pl.when(pl.col("n_baseline_grade") == 1).then("baseline_grade"),
        pl.when(pl.col("n_worse") == 1).then("worse"),
        ambiguous=pl.lit(True),
    )
