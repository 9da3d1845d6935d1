"""Grading parts of a frame of tests: group by group in columns, or by the plain grader."""

from collections.abc import Iterable, Sequence

import polars as pl

from toxgrade.grading.column import GRADED, decide
from toxgrade.grading.flags import FLAG_BITS
from toxgrade.grading.grader import Baseline, Grader
from toxgrade.grading.result import LabResult
from toxgrade.grading.tables import REASON_CODES, Group


def by_groups(
    tests: pl.DataFrame, side: str, among: pl.Series, groups: Sequence[Group]
) -> pl.DataFrame:
    """``tests`` with those that ``among`` marks graded, each in its group.

    ``side``: ``own`` (limits of normal alone) or ``full``: of ``…_group`` and ``…_row``, the number
    among ``groups`` and the test's row there.
    """
    which = tests[f"{side}_group"]
    for index in which.filter(among).unique(maintain_order=True):
        places = (among & (which == index)).arg_true()
        part = tests[places].with_columns(test_row=f"{side}_row")
        tests = put(tests, places, decide(part, groups[index]))
    return tests


def by_plain_grader(
    grader: Grader, asked: Iterable[tuple[LabResult, int | None, Baseline]]
) -> pl.DataFrame:
    """``at_least``, ``at_most``, ``reason`` and ``flags`` of results, each for one term (by its
    place in the edition; None: its analyte is not graded).
    """
    graded = []
    for result, place, baseline in asked:
        term = None if place is None else grader.edition.terms[place]
        grade = grader.grade(result, term, baseline)
        reason = None if grade.reason is None else REASON_CODES[grade.reason]
        flags = sum(FLAG_BITS[flag] for flag in grade.flags)
        graded.append((grade.at_least, grade.at_most, reason, flags))
    return pl.DataFrame(graded, schema={**GRADED, "flags": pl.Int16}, orient="row")


def put(frame: pl.DataFrame, places: pl.Series, graded: pl.DataFrame) -> pl.DataFrame:
    """Write graded rows back to their places."""
    return frame.with_columns(
        frame[name].clone().scatter(places, graded[name]) for name in graded.columns
    )
