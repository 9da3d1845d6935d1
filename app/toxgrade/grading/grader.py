"""One result, graded exactly: the reading that defines what every grade means.

Written to be read. ``many.py`` says the same for millions of rows; tests hold the two equal.
"""

from collections.abc import Hashable, Mapping
from decimal import localcontext
from enum import Enum
from fractions import Fraction
from operator import attrgetter
from typing import Literal

from toxgrade.criteria.model import Analyte, Condition, Edition, Reference, Term
from toxgrade.grading import explanation
from toxgrade.grading.explanation import Verdict
from toxgrade.grading.limits import EXACT, ZERO, ResolvedLimit, applicable, resolve
from toxgrade.grading.normalize import Implausible, NormalizedResult, normalize
from toxgrade.grading.result import GRADED_STATUSES, Flag, Grade, LabResult, Reason
from toxgrade.grading.units import Names

_KEPT = 20_000  # grades, about 10 MB
_OF_ITS_OWN = {"collected", "is_baseline", "source_id", "issued", "lab"}
_numbers = attrgetter(*(f for f in LabResult.__struct_fields__ if f not in _OF_ITS_OWN))
"""All that a grade depends on of a result: nothing of whose it is, or when it was taken."""

_MISSING = {"ULN": Reason.MISSING_ULN, "LLN": Reason.MISSING_LLN}


class _Own(Enum):
    REFERENCE_RANGE_ONLY = "own limits"


REFERENCE_RANGE_ONLY: Literal[_Own.REFERENCE_RANGE_ONLY] = _Own.REFERENCE_RANGE_ONLY
"""Grade by the limits of normal alone: how a baseline, and anything before it, is graded."""

Baseline = LabResult | Literal[_Own.REFERENCE_RANGE_ONLY] | None
"""The baseline that a result is compared with; None where the patient has none."""


class TermGrader:
    """Grades single results by one edition of CTCAE. Built once, shared, free of patient data."""

    def __init__(
        self, edition: Edition, analytes: Mapping[str, Analyte], implausible: Implausible = "refuse"
    ) -> None:
        self.edition = edition
        self.names = Names(analytes.values())
        self.implausible = implausible
        self._terms = {name: edition.terms_of(name) for name in analytes}
        self._compares = {term.name for term in edition.terms if term.uses_baseline}
        self._resolved: dict[tuple[str, ...], tuple[tuple[int, ResolvedLimit], ...]] = {}
        self._graded: dict[Hashable, Grade] = {}

    def terms(self, analyte: str) -> tuple[Term, ...]:
        """The terms graded from an analyte (by any of its names), in the edition's order."""
        known = self.names.analyte(analyte)
        return self._terms[known.name] if known else ()

    def grade(self, result: LabResult, term: Term | None, baseline: Baseline) -> Grade:
        """Grade one result for one term (None where its analyte has none) against ``baseline``.

        Limits are those of ``self.edition``, in the wording of the US National Cancer Institute.
        What a grade depends on is few numbers that come again and again (of 1,000 results in a
        panel all but some dozens had been seen): it is worked out once and kept.
        """
        if term is None or term.name not in self._compares:
            baseline = (
                REFERENCE_RANGE_ONLY  # whatever it is: the same numbers, then, for every patient
            )
        before = _numbers(baseline) if isinstance(baseline, LabResult) else baseline
        key = _numbers(result), term and term.name, before
        found = self._graded.get(key)
        if found is None:
            if len(self._graded) >= _KEPT:
                self._graded.clear()
            found = self._graded[key] = self._grade(result, term, baseline)
        return found

    def _grade(self, result: LabResult, term: Term | None, baseline: Baseline) -> Grade:
        if result.status not in GRADED_STATUSES:
            return Grade(term, None, None, Reason.NOT_FINAL, explanation.not_final())
        if term is None:
            refusal = self.names.refusal(result.analyte)
            text = explanation.unknown_analyte(refusal)
            return Grade(None, None, None, Reason.UNKNOWN_ANALYTE, text)
        with localcontext(EXACT):
            measured = normalize(result, self.names, self.implausible)
            if isinstance(measured, Reason):
                analyte = self.names.analyte(result.analyte)
                assert analyte is not None  # a term names an analyte
                return Grade(term, None, None, measured, explanation.unmeasured(measured, analyte))
            return self._decide(measured, term, baseline)

    def canonical(self, result: LabResult) -> Fraction:
        """The printed number in the analyte's canonical unit; 0 where the unit is not known."""
        analyte = self.names.analyte(result.analyte)
        unit = self.names.unit(analyte, result.unit or "") if analyte else None
        return Fraction(result.value.number) * unit.factor if unit and result.value else Fraction(0)

    def _decide(self, measured: NormalizedResult, term: Term, baseline: Baseline) -> Grade:
        """The highest grade whose limits are certainly reached, and the highest that may be."""
        if measured.implausible_limit:
            most = term.highest_numeric_grade
            text = explanation.implausible_limit(measured.analyte)
            refused = Grade(term, 0, most, Reason.IMPLAUSIBLE_LIMIT, text)
            return refused.flagged(*measured.flags, *_flags(measured, term, 0, most))
        before = self._comparable(baseline)
        verdicts = [
            _verdict(grade, limit, measured, before, own=baseline is REFERENCE_RANGE_ONLY)
            for grade, limit in self._limits(term, measured, before)
        ]
        at_least = max((v.grade for v in verdicts if v.holds), default=0)
        at_most = max((v.grade for v in verdicts if v.holds is not False), default=0)
        causes = {c for v in verdicts if v.grade > at_least for c in v.causes}
        return Grade(
            term=term,
            at_least=at_least,
            at_most=at_most,
            reason=next((reason for reason in Reason if reason in causes), None),
            because=explanation.compared(measured, before, verdicts, at_least, at_most),
        ).flagged(*measured.flags, *_flags(measured, term, at_least, at_most))

    def _comparable(self, baseline: Baseline) -> NormalizedResult | None:
        """The baseline where its number can be used; None where there is none to compare with."""
        if not isinstance(baseline, LabResult):
            return None
        measured = normalize(baseline, self.names, self.implausible)
        return measured if isinstance(measured, NormalizedResult) else None

    def _limits(
        self, term: Term, measured: NormalizedResult, before: NormalizedResult | None
    ) -> tuple[tuple[int, ResolvedLimit], ...]:
        """Every limit of the term with its grade, brought to the units of these numbers."""
        unit, limit_unit = measured.unit, measured.limit_unit
        before_unit = before.unit if before else unit
        key = (term.name, term.analyte, unit.name, limit_unit.name, before_unit.name)
        if key not in self._resolved:
            self._resolved[key] = tuple(
                (criterion.grade, resolve(limit, unit, limit_unit, before_unit, measured.analyte))
                for criterion in term.grades
                for limit in applicable(criterion, unit, measured.analyte)
            )
        return self._resolved[key]


def _verdict(
    grade: int,
    resolved: ResolvedLimit,
    measured: NormalizedResult,
    before: NormalizedResult | None,
    *,
    own: bool,
) -> Verdict:
    """Whether a limit is reached, and what is missing where that cannot be said."""
    holds, cause = _holds(resolved, measured, before, own=own)
    applies, missing = _applies(resolved.limit.condition, measured, before, own=own)
    if holds is False or applies is False:
        return Verdict(grade, resolved, False, applies)
    causes = (cause,) * (holds is None) + (missing,) * (applies is None)
    return Verdict(grade, resolved, None if causes else True, applies, causes)


_Known = tuple[bool | None, Reason]
"""Whether something is so; where that is None, what is missing to say so."""


def _holds(
    resolved: ResolvedLimit,
    measured: NormalizedResult,
    before: NormalizedResult | None,
    *,
    own: bool,
) -> _Known:
    """Whether the value reaches the limit, condition aside."""
    reference = resolved.limit.reference
    if reference is None:
        return resolved.holds(measured.value, ZERO), Reason.CENSORED_VALUE
    if reference == "baseline":
        if own:
            return False, Reason.MISSING_BASELINE
        if before is None:
            return None, Reason.MISSING_BASELINE
        return resolved.holds(measured.value, before.value), Reason.CENSORED_VALUE
    known = measured.reference(reference)
    if known is None:
        return None, _MISSING[reference]
    return resolved.holds(measured.value, known), Reason.CENSORED_VALUE


def _applies(
    condition: Condition | None,
    measured: NormalizedResult,
    before: NormalizedResult | None,
    *,
    own: bool,
) -> _Known:
    """Whether ``if baseline > ULN`` is met, by the baseline's own range.

    Graded by the limits of normal alone, a result has a normal baseline and is compared with none.
    """
    if condition is None:
        return True, Reason.CENSORED_VALUE
    if condition.limit == "baseline":
        if own:
            return True, Reason.MISSING_BASELINE
        if before is None:
            return None, Reason.MISSING_BASELINE
        return measured.compared(condition.comparison, before), Reason.CENSORED_VALUE
    if condition.subject == "value":
        known = measured.reference(condition.limit) is not None
        beyond = measured.beyond(condition.limit)
        cause = Reason.CENSORED_VALUE if known else _MISSING[condition.limit]
    else:
        beyond = False if own else before.beyond(condition.limit) if before else None
        cause = Reason.MISSING_BASELINE
    return (None if beyond is None else beyond is condition.wants_beyond), cause


def _flags(measured: NormalizedResult, term: Term, at_least: int, at_most: int) -> tuple[Flag, ...]:
    flags = []
    side: Reference = "ULN" if term.direction == "high" else "LLN"
    if at_least and measured.beyond(side) is False:
        flags.append(Flag.WITHIN_REFERENCE_RANGE)
    if at_most == 0 and term.asks_baseline and measured.beyond(side):
        flags.append(Flag.ABNORMAL_NOT_GRADED)
    if at_most == term.highest_numeric_grade and term.has_clinical_grade_above:
        flags.append(Flag.CLINICAL_GRADE_POSSIBLE)
    if term.flag:
        flags.append(Flag(term.flag))
    return tuple(flags)
