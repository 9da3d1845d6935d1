"""Terms in which an abnormal baseline is compared with itself, not with the limits of normal."""

from typing import Literal, NamedTuple

from toxgrade.criteria.model import Comparison, Term
from toxgrade.grading.flags import Reason
from toxgrade.grading.normalize import NormalizedResult

Side = Literal["ULN", "LLN"]


class AgainstBaseline(NamedTuple):
    """How a result stands to its baseline in such a term.

    ``side``: the limit of normal beyond which the baseline is abnormal. ``abnormal``: whether it
    is. ``beyond``: whether the value is above the baseline's (below it in a term for low values).
    None: not known.
    """

    side: Side
    abnormal: bool | None
    beyond: bool | None


def abnormal_side(term: Term) -> Side | None:
    """Return the limit of normal beyond which a baseline is compared with itself in a term.

    That is so where a limit holds ``if baseline > ULN`` or ``if value > baseline``: a grade by it
    and the baseline's own grade, by its range, are on two scales, and a higher value may have the
    lower grade. None: both are on one scale, though a multiple of the baseline may count beside the
    range (creatinine in 4.03 and 5.0).
    """
    for condition in (limit.condition for c in term.grades for limit in c.limits):
        if condition and condition.limit == "baseline":
            return "ULN" if term.direction == "high" else "LLN"
        if condition and condition.subject == "baseline" and condition.wants_beyond:
            return "LLN" if condition.limit == "LLN" else "ULN"
    return None


def asked_side(term: Term) -> Side | None:
    """Return the limit that the baseline is compared with (``if baseline > ULN``); None: none."""
    conditions = (limit.condition for c in term.grades for limit in c.limits)
    asked = (c.limit for c in conditions if c and c.subject == "baseline")
    return next((limit for limit in asked if limit != "baseline"), None)


def stands(
    value: NormalizedResult | Reason, before: NormalizedResult | None, term: Term, side: Side
) -> AgainstBaseline:
    """Return how a result stands to its baseline; needs the context ``EXACT``."""
    if before is None or isinstance(value, Reason):
        return AgainstBaseline(side, None, None)
    sign: Comparison = ">" if term.direction == "high" else "<"
    beyond = value.compared(sign, before.value, before.unit)
    return AgainstBaseline(side, before.beyond(side), beyond)
