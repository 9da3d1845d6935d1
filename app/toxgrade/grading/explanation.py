"""Sentences that explain a grade so that a clinician can check it by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact

from toxgrade.criteria.model import Analyte, Band, Reference, Unit
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.flags import Reason
from toxgrade.grading.indicators import Indicator
from toxgrade.grading.normalize import NormalizedResult
from toxgrade.grading.parse import ACCEPTED_DATE, ACCEPTED_VALUE
from toxgrade.grading.result import GRADED_STATUSES, Reported
from toxgrade.grading.verdicts import Hull, Judged, Verdict

_WORDS = {">": "above", ">=": "at or above", "<": "below", "<=": "at or below"}
_CAUSES = {
    Reason.MISSING_ULN: "the ULN is missing",
    Reason.MISSING_LLN: "the LLN is missing",
    Reason.MISSING_BASELINE: "the baseline it depends on is missing or cannot be used",
    Reason.CENSORED_VALUE: "the laboratory reported a range, not a number",
    Reason.OTHER_SPECIMEN: "the sample is venous, and the pH of arterial blood is higher",
}


def compared(normalized: NormalizedResult, baseline: NormalizedResult | None, found: Hull) -> str:
    """Return such as ``1.8 mg/dL is 1.5 x ULN (1.2 mg/dL): above 1 x ULN, not above 1.5 x ULN``.

    Where it is not known whether the baseline was normal, both cases are told.
    """
    cases = [_Case.of(judged) for judged in found.judged]
    head = _head(normalized, baseline, [v for case in cases for v in case.compared])
    at_least, at_most = found.bounds
    told, whether = cases[0].outcome + cases[0].condition, ""
    if len(cases) > 1:
        told, whether = cases[0].outcome, ""
        if cases[1].outcome != told:
            told = "; ".join(f"{case.outcome} if the baseline was {case.state}" for case in cases)
            states = " or ".join(case.state for case in cases)
            whether = f"; grade {at_least} whether the baseline was {states}"
    if at_least == at_most:
        return f"{head}: {told}{whether}"
    causes = " and ".join(_causes(found, baseline))
    return f"{head}: {told}; grade {at_least} to {at_most} is possible because {causes}"


@dataclass(frozen=True, slots=True)
class _Case:
    """A case of the baseline in words, and the verdicts that the words compare.

    ``state`` is what it supposes (``normal``), ``condition`` the same as a known fact, if it counts
    (``; the baseline was above its ULN``).
    """

    outcome: str
    condition: str
    state: str
    compared: Sequence[Verdict]

    @classmethod
    def of(cls, judged: Judged) -> "_Case":
        at_least, _ = judged.bounds
        shown = [v for v in judged.verdicts if v.shown]
        reached = [v for v in shown if v.grade == at_least and v.holds]
        next_up = min((v.grade for v in shown if v.grade > at_least), default=None)
        missed = [v for v in shown if v.grade == next_up and v.holds is False]
        undecided = [v for v in shown if v.grade > at_least and v.holds is None]
        said = [*reached, *missed]
        outcome = ", ".join(_in_words(v) for v in said) or "no limit is certainly reached"
        beyond = f"{'above' if judged.case.side == 'ULN' else 'below'} its {judged.case.side}"
        asked = any(v.condition and v.condition.subject == "baseline" for v in said)
        known = f"; the baseline was {'' if judged.case.beyond else 'not '}{beyond}"
        return cls(
            outcome,
            known if asked else "",
            beyond if judged.case.beyond else "normal",
            [*said, *undecided],
        )


def _in_words(verdict: Verdict) -> str:
    """Return a verdict in words: ``above 1.5 x ULN``, ``not above 3 x ULN``."""
    limit, condition = verdict.limit.limit, verdict.condition
    if verdict.applies is False and condition:
        return f"not {_WORDS[condition.comparison]} {condition.limit}"
    words = f"{_WORDS[limit.comparison]} {limit.text}"
    if verdict.holds and condition and condition.subject == "value":
        words += f" and {_WORDS[condition.comparison]} {condition.limit}"
    return words if verdict.holds else f"not {words}"


def _causes(found: Hull, baseline: NormalizedResult | None) -> Iterable[str]:
    """Return in words what is missing to decide a grade, each once."""
    causes = {cause: _CAUSES[cause] for cause in found.causes}
    side = found.judged[0].case.side
    if baseline and found.cause in causes and found.cause is Reason.MISSING_BASELINE:
        causes[found.cause] = f"the baseline came without its own {side}"
    return [causes[cause] for cause in Reason if cause in causes]


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
        reference, unit = baseline.reported, baseline.unit
    else:
        known = normalized.reference(name)
        if known is None:
            return None
        assert isinstance(known.low, Decimal), "a limit is as it was sent"
        reference, unit = Reported(known.low), normalized.limit_unit
    value, number = normalized.reported, reference.number
    shown = f"{_shortest(number)}{unit.after_number}"
    if value.comparator or reference.comparator or number == 0:
        return f"reported against {name} {shown}"
    to_value = unit.factor / normalized.unit.factor
    context = Context(prec=4)
    ratio = context.divide(value.number * to_value.denominator, number * to_value.numerator)
    about = "about " if context.flags[Inexact] else ""
    return f"{about}{_shortest(ratio)} x {name} ({shown})"


def _shortest(number: Decimal) -> str:
    text = to_plain_text(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def by_indicator(said: Indicator | None, before: Indicator | None) -> str:
    """Return what the flags of a result and of its baseline said, beside their numbers."""
    told = [f"the result as {said}"] * bool(said) + [f"the baseline as {before}"] * bool(before)
    return f"; the laboratory flagged {' and '.join(told)}, which tells more than the numbers"


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


def not_normalized(reason: Reason, analyte: Analyte, unit: Unit | None) -> str:
    """Explain why a result's number cannot be used, and what would be accepted.

    ``unit`` is that of the result; None: not known.
    """
    band = analyte.value_band(unit) if unit else analyte.plausible_value
    units = ", ".join(unit.name for unit in analyte.units)
    return {
        Reason.OTHER_SPECIMEN: "the specimen is not blood, serum or plasma, of which CTCAE speaks",
        Reason.MISSING_VALUE: "no value was reported",
        Reason.UNREADABLE_VALUE: f"the value could not be read: expected {ACCEPTED_VALUE}",
        Reason.UNREADABLE_DATE: f"the date could not be read: expected {ACCEPTED_DATE}",
        Reason.MISSING_UNIT: f"no unit was reported; accepted for {analyte.name}: {units}",
        Reason.UNKNOWN_UNIT: f"the unit is not one accepted for {analyte.name}: {units}",
        Reason.IMPLAUSIBLE_VALUE: f"the value is outside what is plausible for {analyte.name}"
        f" ({_range(analyte, band)}): is it in the unit that was named?",
    }[reason]


def implausible_limit(analyte: Analyte) -> str:
    lln, uln = (_range(analyte, band) for band in (analyte.plausible_lln, analyte.plausible_uln))
    return (
        f"a limit is outside what is plausible for {analyte.name} (LLN {lln}, ULN {uln}):"
        " is it in the unit that was named?"
    )


def _range(analyte: Analyte, band: Band) -> str:
    return f"{_shortest(band.low)} to {_shortest(band.high)} {analyte.canonical_unit}"
