"""Grading of tests by their groups in the kernel, or one by one by the plain grader."""

from collections.abc import Iterable, Sequence

import polars as pl

from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.output import FLAG_BITS
from toxgrade.grading.columns.slots import Group, column_of
from toxgrade.grading.columns.verdicts import GRADED, grade_group
from toxgrade.grading.grader import Baseline, TermGrader
from toxgrade.grading.result import LabResult

_SILENT = {
    "said_beyond": pl.lit(None, dtype=pl.Boolean),
    "above_uln": pl.col("above_uln_silent"),
    "below_lln": pl.col("below_lln_silent"),
    "baseline_above_uln": pl.col("baseline_above_uln_silent"),
    "baseline_below_lln": pl.col("baseline_below_lln_silent"),
}
"""The columns in which normal or abnormal flags speak, as they are without any flag."""


def grade_groups(
    tests: pl.DataFrame, side: str, among: pl.Series, groups: Sequence[Group]
) -> pl.DataFrame:
    """Grade the tests that ``among`` marks, each in its group; return all tests.

    ``side`` is ``own`` (limits of normal alone) or ``full``: the columns ``…_group`` and ``…_row``
    are the index in ``groups`` and the test's row there. ``by_indicator`` is set, too: without
    normal or abnormal flags the grade would be less certain; and ``one_by_one`` of ``grade_group``.
    """
    which = tests[f"{side}_group"]
    for index in which.filter(among).unique(maintain_order=True):
        places = (among & (which == index)).arg_true()
        part = tests[places].with_columns(test_row=f"{side}_row")
        graded = grade_group(part, groups[index])
        by_indicator = _by_indicator(part, graded, groups[index])
        tests = scatter(tests, places, graded.with_columns(by_indicator))
    return tests


def _by_indicator(part: pl.DataFrame, graded: pl.DataFrame, group: Group) -> pl.Series:
    """Return whether tests of a group have other bounds than they would have without flags."""
    read = {"said_beyond", *(column_of(slot.condition) for slot in group.slots if slot.condition)}
    speaks = (pl.col(name).ne_missing(_SILENT[name]) for name in read & _SILENT.keys())
    places = part.select(pl.any_horizontal(speaks)).to_series().arg_true()
    by_indicator = pl.repeat(False, len(part), eager=True).alias("by_indicator")
    if not len(places):
        return by_indicator
    silent = grade_group(part[places].with_columns(**_SILENT), group)
    bounds = graded[places].select("at_least", "at_most")
    differs = (bounds["at_least"] != silent["at_least"]) | (bounds["at_most"] != silent["at_most"])
    return by_indicator.scatter(places, differs)


def grade_one_by_one(
    grader: TermGrader, results: Iterable[tuple[LabResult, int | None, Baseline]]
) -> pl.DataFrame:
    """Return ``at_least``, ``at_most``, ``reason`` and ``flags`` of results by the plain grader.

    Each result has the index of a term in the edition (None: not graded) and a baseline.
    """
    graded = []
    for result, place, baseline in results:
        term = None if place is None else grader.edition.terms[place]
        grade = grader.grade(result, term, baseline)
        reason = None if grade.reason is None else REASON_CODES[grade.reason]
        flags = sum(FLAG_BITS[flag] for flag in grade.flags)
        graded.append((grade.at_least, grade.at_most, reason, flags))
    return pl.DataFrame(graded, schema={**GRADED, "flags": pl.Int32}, orient="row")


def scatter(frame: pl.DataFrame, places: pl.Series, graded: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame`` with the columns of ``graded`` written to the rows at ``places``."""
    return frame.with_columns(
        frame[name].clone().scatter(places, graded[name]) for name in graded.columns
    )
