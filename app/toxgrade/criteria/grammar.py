"""Parser for ``when`` in a criteria file: a text becomes a ``Limit``; nothing is evaluated.

    COMPARISON AMOUNT [if baseline|value COMPARISON ULN|LLN|baseline]

The header of ``ctcae_4_03.toml`` explains it to a clinician.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal, cast

from toxgrade.criteria.model import (
    PURE,
    Analyte,
    Comparison,
    Condition,
    Direction,
    GradeCriterion,
    Limit,
    Reference,
)
from toxgrade.errors import CriteriaError

Table = Mapping[str, Any]
"""A table of a criteria file as TOML gives it: its keys are checked before any is read."""

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_REFERENCE = r"ULN|LLN|baseline"
_LIMIT = re.compile(
    rf"""(?P<comparison>>=|<=|>|<)\s+
    (?:
        (?:(?P<multiple>{_NUMBER})\s+x\s+)?(?P<multiplied>{_REFERENCE})
      | (?P<reference>{_REFERENCE})\s+\+\s+(?P<above>{_NUMBER})\s+(?P<above_unit>\S+)
      | (?P<percent>{_NUMBER})\s+%\s+(?P<side>below|above)\s+baseline
      | (?P<number>{_NUMBER})(?:\s+(?P<unit>\S+))?
    )
    (?:\s+if\s+(?P<subject>baseline|value)\s+(?P<when>>=|<=|>|<)\s+(?P<limit>{_REFERENCE}))?""",
    re.VERBOSE,
)
NEVER = "never"
"""Stands for no limit: by an interpretation no number decides this grade, though NCI prints one."""
_CONDITIONS = {
    "baseline > ULN", "baseline <= ULN", "baseline < LLN", "baseline >= LLN",
    "value > ULN", "value < LLN", "value > baseline", "value < baseline",
}  # fmt: skip
_MIRRORED: dict[Comparison, Comparison] = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


def parse_when(when: str | Sequence[str], analyte: Analyte, place: str) -> tuple[Limit, ...]:
    """Parse the alternative limits of one grade; ``never`` gives none.

    Raises:
        CriteriaError: a limit is outside the grammar, or its unit is not one of the analyte's;
            the message names ``place``.
    """
    texts = [when] if isinstance(when, str) else list(when)
    try:
        limits = () if texts == [NEVER] else tuple(parse_limit(text) for text in texts)
    except CriteriaError as error:
        raise CriteriaError(f"{place}: {error}") from error
    accepted = {unit.name for unit in analyte.units}
    for limit in limits:
        if limit.unit is not None and limit.unit not in accepted:
            raise CriteriaError(f"{place}: {limit.unit!r} is not a unit of {analyte.name}")
    return limits


def parse_limit(text: str) -> Limit:
    """Parse one limit.

    Raises:
        CriteriaError: the text is outside the grammar.
    """
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise CriteriaError(f"{text!r} is not a limit; the head of the file says what is")
    comparison = cast(Comparison, match["comparison"])
    condition = _condition(match["subject"], match["when"], match["limit"])
    amount = text.strip().removeprefix(comparison).split(" if ")[0].strip()
    if match["multiplied"]:
        multiple = Decimal(match["multiple"] or 1)
        reference = cast(Reference, match["multiplied"])
        return Limit(comparison, multiple, reference, Decimal(0), None, condition, amount)
    if match["reference"]:
        above, unit = Decimal(match["above"]), match["above_unit"]
        reference = cast(Reference, match["reference"])
        return Limit(comparison, Decimal(1), reference, above, unit, condition, amount)
    if match["percent"]:
        return _change(comparison, match, condition)
    number, unit = Decimal(match["number"]), match["unit"] or PURE
    return Limit(comparison, Decimal(0), None, number, unit, condition, amount)


def _change(comparison: Comparison, match: re.Match[str], condition: Condition | None) -> Limit:
    """Return ``>= 25 % below baseline`` as ``<= 0.75 x baseline``; a rise keeps its comparison."""
    percent = Decimal(match["percent"])
    below = match["side"] == "below"
    multiple = (100 - percent if below else 100 + percent) / 100
    compared = _MIRRORED[comparison] if below else comparison
    text = f"{multiple.normalize():f} x baseline"
    return Limit(compared, multiple, "baseline", Decimal(0), None, condition, text)


def _condition(subject: str | None, comparison: str, limit: str) -> Condition | None:
    if subject is None:
        return None
    if (text := f"{subject} {comparison} {limit}") not in _CONDITIONS:
        raise CriteriaError(f"if {text!r}: a condition is {', '.join(sorted(_CONDITIONS))}")
    compared = cast(Literal["baseline", "value"], subject)
    return Condition(compared, cast(Comparison, comparison), cast(Reference, limit))


def check_grades(grades: Sequence[GradeCriterion], place: str) -> Direction:
    """Return the direction of a term with these grades, or refuse contradictory limits.

    Raises:
        CriteriaError: the message names ``place`` and the contradiction.
    """
    direction = _direction([limit for c in grades for limit in c.limits], place)
    _check_order(grades, direction, place)
    _check_units(grades, place)
    return direction


def _direction(limits: Sequence[Limit], place: str) -> Direction:
    """Return the direction of all limits; refuse an LLN in a high term and a ULN in a low one."""
    signs = {limit.comparison[0] for limit in limits}
    if len(signs) != 1:
        raise CriteriaError(f"{place}: its limits must all be above, or all below, something")
    direction: Direction = "high" if signs == {">"} else "low"
    other = "LLN" if direction == "high" else "ULN"
    if any(limit.reference == other for limit in limits):
        raise CriteriaError(f"{place}: a {direction} term is not compared with the {other}")
    return direction


def _check_order(grades: Sequence[GradeCriterion], direction: Direction, place: str) -> None:
    """Refuse limits of one kind that do not get strictly harder to reach from grade to grade."""
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
    """Refuse a unit that only some of the grades with absolute limits use."""
    printed = {
        criterion.grade: {limit.unit for limit in criterion.limits if limit.reference is None}
        for criterion in grades
    }
    sets = {frozenset(units) for units in printed.values() if units}
    if len(sets) > 1:
        raise CriteriaError(f"{place}: grades print their absolute limits in different units")
