"""Whether a result reaches each limit of a term, or what is missing to decide that."""

from collections.abc import Sequence

from toxgrade.criteria.model import Condition
from toxgrade.grading.explanation import Verdict
from toxgrade.grading.flags import Reason
from toxgrade.grading.indicators import reaches, says_beyond
from toxgrade.grading.limits import ZERO, ResolvedLimit
from toxgrade.grading.normalize import NormalizedResult

_MISSING = {"ULN": Reason.MISSING_ULN, "LLN": Reason.MISSING_LLN}


def bounds(verdicts: Sequence[Verdict]) -> tuple[int, int]:
    """Return the highest grade that is certainly reached, and the highest that may be."""
    at_least = max((v.grade for v in verdicts if v.holds), default=0)
    return at_least, max((v.grade for v in verdicts if v.holds is not False), default=0)


def verdict(
    grade: int,
    resolved: ResolvedLimit,
    normalized: NormalizedResult,
    before: NormalizedResult | None,
    *,
    range_only: bool,
) -> Verdict:
    """Return whether a limit is reached, or what is missing to decide that."""
    holds, cause = _holds(resolved, normalized, before, range_only=range_only)
    applies, missing = _applies(resolved.limit.condition, normalized, before, range_only=range_only)
    if holds is False or applies is False:
        return Verdict(grade, resolved, False, applies)
    causes = (cause,) * (holds is None) + (missing,) * (applies is None)
    return Verdict(grade, resolved, None if causes else True, applies, causes)


_Answer = tuple[bool | None, Reason]
"""An answer, and what is missing where that is None."""


def _holds(
    resolved: ResolvedLimit,
    normalized: NormalizedResult,
    before: NormalizedResult | None,
    *,
    range_only: bool,
) -> _Answer:
    """Return whether the value reaches the limit, whatever its condition."""
    reference = resolved.limit.reference
    if reference is None:
        return resolved.holds(normalized.value, ZERO), Reason.CENSORED_VALUE
    if reference == "baseline":
        if range_only:
            return False, Reason.MISSING_BASELINE
        if before is None:
            return None, Reason.MISSING_BASELINE
        return resolved.holds(normalized.value, before.value), Reason.CENSORED_VALUE
    found = normalized.reference(reference)
    if found is None:
        beyond = says_beyond(normalized.indicator, reference)
        holds, cause = reaches(resolved.limit, beyond=beyond), _MISSING[reference]
    else:
        holds, cause = resolved.holds(normalized.value, found), Reason.CENSORED_VALUE
    # The pH of venous blood is lower by some hundredths: what is below its LLN may be normal.
    if holds and normalized.venous and reference == "LLN":
        return None, Reason.OTHER_SPECIMEN
    return holds, cause


def _applies(
    condition: Condition | None,
    normalized: NormalizedResult,
    before: NormalizedResult | None,
    *,
    range_only: bool,
) -> _Answer:
    """Return whether a condition such as ``if baseline > ULN`` is met, by the baseline's own range.

    A result graded by the limits of normal alone counts as having a normal baseline, and as beyond
    it in a condition that compares the two.
    """
    if condition is None:
        return True, Reason.CENSORED_VALUE
    if condition.limit == "baseline":
        if range_only:
            return True, Reason.MISSING_BASELINE
        if before is None:
            return None, Reason.MISSING_BASELINE
        return normalized.compared(condition.comparison, before), Reason.CENSORED_VALUE
    if condition.subject == "value":
        found = normalized.reference(condition.limit) is not None
        beyond = normalized.beyond(condition.limit)
        cause = Reason.CENSORED_VALUE if found else _MISSING[condition.limit]
    else:
        beyond = False if range_only else before.beyond(condition.limit) if before else None
        cause = Reason.MISSING_BASELINE
    return (None if beyond is None else beyond is condition.wants_beyond), cause
