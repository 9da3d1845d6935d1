"""What makes a term whole: limits on one side, harder from grade to grade, in the same units."""

from collections.abc import Sequence
from itertools import pairwise

from toxgrade.criteria.model import Direction, GradeCriterion, Limit
from toxgrade.errors import CriteriaError


def check_grades(grades: Sequence[GradeCriterion], place: str) -> Direction:
    """The direction of a term with these grades.

    Raises:
        CriteriaError: naming ``place`` and what contradicts what.
    """
    direction = _direction([limit for c in grades for limit in c.limits], place)
    _check_order(grades, direction, place)
    _check_units(grades, place)
    return direction


def _direction(limits: Sequence[Limit], place: str) -> Direction:
    """High or low, by the comparisons; the reference range must be read on that side."""
    signs = {limit.comparison[0] for limit in limits}
    if len(signs) != 1:
        raise CriteriaError(f"{place}: its limits must all be above, or all below, something")
    direction: Direction = "high" if signs == {">"} else "low"
    other = "LLN" if direction == "high" else "ULN"
    if any(limit.reference == other for limit in limits):
        raise CriteriaError(f"{place}: a {direction} term is not compared with the {other}")
    return direction


def _check_order(grades: Sequence[GradeCriterion], direction: Direction, place: str) -> None:
    """Limits of the same kind get strictly harder to reach from grade to grade."""
    kinds: dict[object, list[tuple[int, Limit]]] = {}
    for criterion in grades:
        for limit in criterion.limits:
            unit = limit.unit if limit.reference is None else None
            kind = (limit.reference, unit, limit.condition)
            kinds.setdefault(kind, []).append((criterion.grade, limit))
    for found in kinds.values():
        for (lower, before), (higher, after) in pairwise(found):
            harder = (after.multiple, after.amount) > (before.multiple, before.amount)
            easier = (after.multiple, after.amount) < (before.multiple, before.amount)
            if lower == higher or not (harder if direction == "high" else easier):
                raise CriteriaError(
                    f"{place}: grade {higher} ({after.text}) is not harder to reach"
                    f" than grade {lower} ({before.text})"
                )


def _check_units(grades: Sequence[GradeCriterion], place: str) -> None:
    """A unit system printed for one grade is printed for every grade with absolute limits."""
    printed = {
        criterion.grade: {limit.unit for limit in criterion.limits if limit.reference is None}
        for criterion in grades
    }
    sets = {frozenset(units) for units in printed.values() if units}
    if len(sets) > 1:
        raise CriteriaError(f"{place}: grades print their absolute limits in different units")
