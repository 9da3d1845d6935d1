"""Sentences that explain a grade so that a clinician can check it by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact

from toxgrade.criteria.model import Analyte, Band, Reference
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.flags import Reason
from toxgrade.grading.indicators import Indicator
from toxgrade.grading.limits import Interval, ResolvedLimit
from toxgrade.grading.normalize import NormalizedResult
from toxgrade.grading.parse import ACCEPTED_DATE, ACCEPTED_VALUE
from toxgrade.grading.result import GRADED_STATUSES

_WORDS = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below"}
_CAUSES = {
    Reason.MISSING_ULN: "the ULN is missing",
    Reason.MISSING_LLN: "the LLN is missing",
    Reason.MISSING_BASELINE: "the baseline it depends on is missing or cannot be used",
    Reason.CENSORED_VALUE: "the laboratory reported a range, not a number",
    Reason.OTHER_SPECIMEN: "the sample is venous, and the pH of arterial blood is higher",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The comparison of a result with a limit: whether it is reached; if None, what is missing.

    ``applies``: whether its condition is met (``if baseline > ULN``); True if it has none.
    """

    grade: int
    limit: ResolvedLimit
    holds: bool | None
    applies: bool | None = True
    causes: tuple[Reason, ...] = ()

    @property
    def shown(self) -> bool:
        """Return whether it concerns this patient: not if the baseline fails its condition."""
        condition = self.limit.limit.condition
        return self.applies is not False or condition is None or condition.subject == "value"

    @property
    def text(self) -> str:
        """Return it in words: ``above 1.5 x ULN``, ``not above 3 x ULN``."""
        limit = self.limit.limit
        if self.applies is False and limit.condition:
            return f"not {_WORDS[limit.condition.comparison]} {limit.condition.limit}"
        words = f"{_WORDS[limit.comparison]} {limit.text}"
        if self.holds and limit.condition and limit.condition.subject == "value":
            words += f" and {_WORDS[limit.condition.comparison]} {limit.condition.limit}"
        return words if self.holds else f"not {words}"

    @property
    def condition(self) -> str | None:
        """Return a condition that the baseline meets: ``the baseline was above its ULN``."""
        condition = self.limit.limit.condition
        if not self.applies or condition is None or condition.subject == "value":
            return None
        side = "above its ULN" if condition.limit == "ULN" else "below its LLN"
        return f"the baseline was {'' if condition.wants_beyond else 'not '}{side}"


def compared(
    normalized: NormalizedResult,
    baseline: NormalizedResult | None,
    verdicts: Sequence[Verdict],
    at_least: int,
    at_most: int,
) -> str:
    """Return such as ``1.8 mg/dL is 1.5 x ULN (1.2 mg/dL): above 1 x ULN, not above 1.5 x ULN``."""
    shown = [v for v in verdicts if v.shown]
    reached = [v for v in shown if v.grade == at_least and v.holds]
    next_up = min((v.grade for v in shown if v.grade > at_least), default=None)
    missed = [v for v in shown if v.grade == next_up and v.holds is False]
    undecided = [v for v in shown if v.grade > at_least and v.holds is None]
    head = _head(normalized, baseline, [*reached, *missed, *undecided])
    outcome = ", ".join(v.text for v in (*reached, *missed)) or "no limit is certainly reached"
    if conditions := dict.fromkeys(v.condition for v in (*reached, *missed) if v.condition):
        outcome = f"{outcome}; {' and '.join(conditions)}"
    if at_least == at_most:
        return f"{head}: {outcome}"
    causes = " and ".join(dict.fromkeys(_CAUSES[c] for v in undecided for c in v.causes))
    return f"{head}: {outcome}; grade {at_least} to {at_most} is possible because {causes}"


def _head(
    normalized: NormalizedResult, baseline: NormalizedResult | None, shown: Iterable[Verdict]
) -> str:
    value = normalized.reported
    names = dict.fromkeys(v.limit.limit.reference for v in shown)
    multiples = [_multiple(normalized, baseline, name) for name in names if name]
    head = f"{value.comparator}{_shortest(value.number)}{normalized.unit.after_number}"
    known = [text for text in multiples if text]
    if not known:
        return head
    return f"{head} is {' and '.join(known)}"


def _multiple(
    normalized: NormalizedResult, baseline: NormalizedResult | None, name: Reference
) -> str | None:
    """Return such as ``1.5 x ULN (1.2 mg/dL)``; None where the reference is not known."""
    if name == "baseline":
        if baseline is None:
            return None
        reference, unit = baseline.value, baseline.unit
    else:
        known = normalized.reference(name)
        if known is None:
            return None
        reference, unit = known, normalized.limit_unit
    shown = f"{_shortest(reference.high)}{unit.after_number}"
    if not (_exact(normalized.value) and _exact(reference)) or reference.high == 0:
        return f"reported against {name} {shown}"
    to_value = unit.factor / normalized.unit.factor
    context = Context(prec=4)
    ratio = context.divide(
        normalized.value.low * to_value.denominator, reference.high * to_value.numerator
    )
    about = "about " if context.flags[Inexact] else ""
    return f"{about}{_shortest(ratio)} x {name} ({shown})"


def _exact(interval: Interval) -> bool:
    return interval.low == interval.high


def _shortest(number: Decimal) -> str:
    text = to_plain_text(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def by_indicator(said: Indicator | None, before: Indicator | None) -> str:
    """Return what the flags of a result and of its baseline said, in place of their limits."""
    told = [f"the result as {said}"] * bool(said) + [f"the baseline as {before}"] * bool(before)
    return f"; the laboratory flagged {' and '.join(told)}, which stands in for its limits"


def ambiguous_baseline(because: str, least: int, most: int) -> str:
    """Return why a grade depends on which result of the baseline's day is compared."""
    return (
        f"{because}; but other results of the baseline's day, without times to tell the last one,"
        f" make the grade {least} to {most}"
    )


def not_final() -> str:
    return f"the result is not {', '.join(GRADED_STATUSES[:-1])} or {GRADED_STATUSES[-1]}"


def unknown_analyte(refusal: str | None) -> str:
    """Explain an unknown analyte; ``refusal`` is what a similar but refused LOINC code means."""
    if refusal:
        return f"the code is {refusal}: not graded"
    return "the analyte is not one that this edition grades; see GET /v1/analytes"


def not_normalized(reason: Reason, analyte: Analyte) -> str:
    """Explain why a result's number cannot be used, and what would be accepted."""
    units = ", ".join(unit.name for unit in analyte.units)
    return {
        Reason.OTHER_SPECIMEN: "the specimen is not blood, serum or plasma, of which CTCAE speaks",
        Reason.MISSING_VALUE: "no value was reported",
        Reason.UNREADABLE_VALUE: f"the value could not be read: expected {ACCEPTED_VALUE}",
        Reason.UNREADABLE_DATE: f"the date could not be read: expected {ACCEPTED_DATE}",
        Reason.MISSING_UNIT: f"no unit was reported; accepted for {analyte.name}: {units}",
        Reason.UNKNOWN_UNIT: f"the unit is not one accepted for {analyte.name}: {units}",
        Reason.IMPLAUSIBLE_VALUE: f"the value is outside what is plausible for {analyte.name}"
        f" ({_range(analyte, analyte.plausible_value)}): is it in the unit that was named?",
    }[reason]


def implausible_limit(analyte: Analyte) -> str:
    lln, uln = (_range(analyte, band) for band in (analyte.plausible_lln, analyte.plausible_uln))
    return (
        f"a limit is outside what is plausible for {analyte.name} (LLN {lln}, ULN {uln}):"
        " is it in the unit that was named?"
    )


def _range(analyte: Analyte, band: Band) -> str:
    return f"{_shortest(band.low)} to {_shortest(band.high)} {analyte.canonical_unit}"
