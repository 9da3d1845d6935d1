"""The choice of a baseline among candidates, by what they say and never by their order.

``columns/baseline_selection.py`` makes the same choice for all patients of an export.
"""

import math
from collections.abc import Sequence
from datetime import date, time
from fractions import Fraction
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from toxgrade.criteria.model import Term
from toxgrade.grading.grader import IRRELEVANT, REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.indicators import read_indicator
from toxgrade.grading.result import Grade, LabResult, Reported
from toxgrade.grading.units import Names

UPWARDS = ("<", "<=", "", ">=", ">")
"""The comparators from the lowest number that may be meant to the highest."""

_BY_MEANING = {"status", "specimen", "indicator"}
_written = attrgetter(
    *(f for f in LabResult.__struct_fields__ if f not in IRRELEVANT | _BY_MEANING)
)
"""Return the fields of a result whose texts any grade depends on, ``analyte`` first."""


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A result that may be the baseline of a term, graded by the limits of normal alone.

    ``severity`` orders candidates of one day: by the bounds of the grade, the number, the
    comparator; the highest is the worst.
    """

    index: int
    result: LabResult
    grade: Grade
    severity: tuple[int, int, Fraction, int]


MOST_CHOICES = 20
"""The number of different results of one day above which the baseline counts as not known."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """The chosen baseline, and all that it may be instead for want of a time of day.

    ``possible``: the chosen one first, then others that differ in what a grade depends on; None
    stands for any baseline. ``declared``: it was chosen among those that the sender declared.
    """

    chosen: Candidate
    possible: tuple[Candidate | None, ...]
    declared: bool = False


def candidate(index: int, result: LabResult, term: Term, grader: TermGrader) -> Candidate:
    """Return a result, which has a value, as a candidate for the baseline of a term."""
    grade = grader.grade(result, term, REFERENCE_RANGE_ONLY)
    at_least = -1 if grade.at_least is None else grade.at_least
    at_most = -1 if grade.at_most is None else grade.at_most
    number = grader.canonical(result)
    sign = UPWARDS.index(result.value.comparator if result.value else "")
    if term.direction == "low":
        number, sign = -number, -sign
    return Candidate(index, result, grade, (at_least, at_most, number, sign))


def choose(candidates: Sequence[Candidate], names: Names) -> Choice:
    """Return the baseline among candidates, whatever their order.

    1. Those that the sender declared a baseline go before all others.
    2. Of these the last day counts; an undated one comes before every dated one.
    3. On that day the later time, if all have one;
    4. then the worse grade by the limits of normal: the higher ``at_least``, then ``at_most``;
    5. then the worse number in the analyte's canonical unit (0 if the unit is unknown): the higher
       one of a term for high values, the lower one of a term for low values;
    6. then the worse comparator: of a term for high values from > over >=, none and <= to <, of a
       term for low values the reverse.
    7. What is left differs at most in how the same number is written and in its limits: the first
       by the texts of analyte, value, unit, LLN, ULN, unit of the limits, any other field that a
       grade depends on, and by what specimen and indicator mean;
    8. then, which changes no grade but only which of them is marked, by the texts of the date, of
       ``source_id`` and of ``source_scope``; by status, specimen, indicator and laboratory as they
       were sent; by the time of issue and the version.

    Those that are equal even so are told apart by nothing that is graded or stored: the first
    given is taken. All that are left after step 3 may be the last one: see ``Choice``.
    """
    declared = [c for c in candidates if c.result.is_baseline]
    return replace(latest(declared or candidates, names), declared=bool(declared))


def latest(candidates: Sequence[Candidate], names: Names) -> Choice:
    """Return the baseline among candidates as ``choose`` does, without its first step."""
    last_day = max(_day(c) for c in candidates)
    left = [c for c in candidates if _day(c) == last_day]
    times = [at for c in left if (at := _time(c)) is not None]
    if len(times) == len(left):
        left = [c for c in left if _time(c) == max(times)]
    if len(left) == 1:
        return Choice(left[0], (left[0],))
    worst = max(c.severity for c in left)
    chosen = min((c for c in left if c.severity == worst), key=lambda one: _texts(one, names))
    last = max(times, default=None)  # What has an earlier time than another is not the last one.
    may_be_last = (c for c in left if _time(c) is None or _time(c) == last)
    different = {as_written(c.result, names): c for c in (*may_be_last, chosen)}
    others = [c for c in different.values() if c is not chosen]
    if len(others) >= MOST_CHOICES:
        return Choice(chosen, (chosen, None))
    return Choice(chosen, (chosen, *others))


def may_be_later(
    undated: Sequence[tuple[int, LabResult]], choice: Choice | None, start: date | None
) -> bool:
    """Return whether a result without a full date may have been taken after the chosen baseline.

    ``undated``: the valid ones of its test, each with its index. It was up to ``start`` (None: not
    known), or there is no baseline and it was before it. Beside a declared baseline only other
    declared ones count.
    """
    if choice is None and start is None:
        return False
    for index, result in undated:
        if choice and (index == choice.chosen.index or choice.declared > result.is_baseline):
            continue
        collected = result.collected
        before_start = collected is None or start is None or collected.first <= start
        after = collected is None or choice is None or collected.last >= _day(choice.chosen)
        if before_start and after:
            return True
    return False


def as_written(result: LabResult, names: Names) -> tuple[str, ...]:
    """Return the texts of step 7 of ``choose``."""
    specimen, indicator = names.specimen(result.specimen), read_indicator(result.indicator)
    return (*map(_text, _written(result)), specimen, indicator or "")


def _texts(one: Candidate, names: Names) -> tuple[tuple[str, ...], tuple[str, ...], float, int]:
    """Return what decides in steps 7 and 8 of ``choose``."""
    result = one.result
    sent = (
        result.collected.text if result.collected else "", result.source_id or "",
        result.source_scope or "", result.status, result.specimen or "", result.indicator or "",
        result.lab or "",
    )  # fmt: skip
    issued = result.issued.timestamp() if result.issued else -math.inf
    version = -1 if result.server_version is None else result.server_version
    return as_written(result, names), sent, issued, version


def _text(field: object) -> str:
    return field.text if isinstance(field, Reported) else "" if field is None else str(field)


def _day(one: Candidate) -> date:
    collected = one.result.collected
    return collected.first if collected else date.min


def _time(one: Candidate) -> time | None:
    return one.result.collected.time if one.result.collected else None
