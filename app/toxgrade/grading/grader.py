"""The plain grader: grades one result exactly, and thereby defines what every grade means.

It is written to be read. ``columns/`` grades millions of rows; tests hold the two equal.
"""

from collections.abc import Hashable, Mapping
from decimal import localcontext
from enum import Enum
from fractions import Fraction
from operator import attrgetter
from typing import Literal

from toxgrade.criteria.model import Analyte, Edition, Reference, Term
from toxgrade.grading import explanation
from toxgrade.grading.abnormal_baseline import AgainstBaseline, abnormal_side, stands
from toxgrade.grading.digits import without_noise
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.limits import EXACT, ResolvedLimit, applicable, resolve
from toxgrade.grading.normalize import Implausible, NormalizedResult, normalize
from toxgrade.grading.result import GRADED_STATUSES, Grade, LabResult
from toxgrade.grading.units import Names, SiteNames
from toxgrade.grading.verdicts import Hull, hull

_MAX_CACHED = 20_000  # So many grades take about 10 MB.
IRRELEVANT = {
    "collected", "is_baseline", "source_id", "source_scope", "issued", "server_version", "lab",
    "flags",
}  # fmt: skip
relevant = attrgetter(*(f for f in LabResult.__struct_fields__ if f not in IRRELEVANT))
"""Return the fields of a result that its grade depends on: no date and no identity."""


class _Sentinel(Enum):
    REFERENCE_RANGE_ONLY = "own limits"


REFERENCE_RANGE_ONLY: Literal[_Sentinel.REFERENCE_RANGE_ONLY] = _Sentinel.REFERENCE_RANGE_ONLY
"""Grade by the limits of normal alone, as a baseline and any result before it is graded."""

Baseline = LabResult | Literal[_Sentinel.REFERENCE_RANGE_ONLY] | None
"""The baseline that a result is compared with; None if the patient has none."""


class TermGrader:
    """A grader of single results by one edition of CTCAE; it holds no patient's identity."""

    def __init__(
        self,
        edition: Edition,
        analytes: Mapping[str, Analyte],
        implausible: Implausible = "refuse",
        site: SiteNames | None = None,
    ) -> None:
        """Take the criteria, and the names that a site uses beside ours."""
        self.edition = edition
        self.names = Names(analytes.values(), site)
        self.implausible = implausible
        self._terms = {name: edition.terms_of(name) for name in analytes}
        self._compares = {term.name for term in edition.terms if term.uses_baseline}
        self._sides = {term.name: abnormal_side(term) for term in edition.terms}
        self._resolved: dict[tuple[str, ...], tuple[tuple[int, ResolvedLimit], ...]] = {}
        self._graded: dict[Hashable, Grade] = {}
        self._against: dict[Hashable, AgainstBaseline | None] = {}

    def terms(self, analyte: str) -> tuple[Term, ...]:
        """Return the terms graded from an analyte (by any of its names), in the edition's order."""
        found = self.names.analyte(analyte)
        return self._terms[found.name] if found else ()

    def grade(self, result: LabResult, term: Term | None, baseline: Baseline) -> Grade:
        """Grade one result for one term (None where its analyte has none) against ``baseline``.

        The limits are those of ``self.edition``, after the US National Cancer Institute's wording.
        Grades are cached, because the same numbers recur: of 1,000 results in a panel all but some
        dozens had been graded before.
        """
        if term is None or term.name not in self._compares:
            # No limit of the term uses a baseline: without one all patients share cached grades.
            baseline = REFERENCE_RANGE_ONLY
        before = relevant(baseline) if isinstance(baseline, LabResult) else baseline
        key = relevant(result), term and term.name, before
        found = self._graded.get(key)
        if found is None:
            if len(self._graded) >= _MAX_CACHED:
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
            normalized = normalize(result, self.names, self.implausible)
            if isinstance(normalized, Reason):
                analyte = self.names.analyte(result.analyte)
                assert analyte is not None  # The analyte of a term is known.
                unit = self.names.unit(analyte, result.unit or "")
                text = explanation.not_normalized(normalized, analyte, unit)
                return Grade(term, None, None, normalized, text)
            return self._decide(normalized, term, baseline)

    def against(self, result: LabResult, term: Term, baseline: Baseline) -> AgainstBaseline | None:
        """Return how a result stands to its baseline; None where grades of both are on one scale.

        ``abnormal_side`` says which.
        """
        side = self._sides[term.name]
        if side is None or not isinstance(baseline, LabResult):
            return None
        key = relevant(result), term.name, relevant(baseline)
        if key not in self._against:
            if len(self._against) >= _MAX_CACHED:
                self._against.clear()
            with localcontext(EXACT):
                value = normalize(result, self.names, self.implausible)
                before = self._normalized_baseline(baseline)
                self._against[key] = stands(value, before, term, side)
        return self._against[key]

    def canonical(self, result: LabResult) -> Fraction:
        """Return the printed number in the analyte's canonical unit; 0 if the unit is not known."""
        analyte = self.names.analyte(result.analyte)
        unit = self.names.unit(analyte, result.unit or "") if analyte else None
        if unit is None or result.value is None:
            return Fraction(0)
        return Fraction(without_noise(result.value.number)) * unit.factor

    def _decide(self, normalized: NormalizedResult, term: Term, baseline: Baseline) -> Grade:
        """Grade between the highest limit that is certainly reached and the highest that may be."""
        before = self._normalized_baseline(baseline)
        side = self._sides[term.name]
        own = (Flag.RELATIVE_TO_BASELINE,) if side and before and before.beyond(side) else ()
        if normalized.implausible_limit:
            most = term.highest_numeric_grade
            text = explanation.implausible_limit(normalized.analyte)
            refused = Grade(term, 0, most, Reason.IMPLAUSIBLE_LIMIT, text)
            return refused.flagged(*normalized.flags, *own, *_flags(normalized, term, 0, most))
        range_only = baseline is REFERENCE_RANGE_ONLY
        found = self._hull(term, normalized, before, range_only=range_only)
        at_least, at_most = found.bounds
        because = explanation.compared(normalized, before, found)
        flags = (*own, *_flags(normalized, term, at_least, at_most))
        said = normalized.said
        before_said = before.said if before else None
        if said or before_said:
            before_silent = before and before.silent()
            silent = self._hull(term, normalized.silent(), before_silent, range_only=range_only)
            if silent.bounds != found.bounds:
                flags = (*flags, Flag.BY_INDICATOR)
                because += explanation.by_indicator(said, before_said)
        causes = found.causes
        return Grade(
            term=term,
            at_least=at_least,
            at_most=at_most,
            reason=next((reason for reason in Reason if reason in causes), None),
            because=because,
        ).flagged(*normalized.flags, *flags)

    def _hull(
        self,
        term: Term,
        normalized: NormalizedResult,
        before: NormalizedResult | None,
        *,
        range_only: bool,
    ) -> Hull:
        limits = self._limits(term, normalized, before)
        return hull(term, limits, normalized, before, range_only=range_only)

    def _normalized_baseline(self, baseline: Baseline) -> NormalizedResult | None:
        """Return the baseline with its numbers; None if there is none or it cannot be used."""
        if not isinstance(baseline, LabResult):
            return None
        normalized = normalize(baseline, self.names, self.implausible)
        return normalized if isinstance(normalized, NormalizedResult) else None

    def _limits(
        self, term: Term, normalized: NormalizedResult, before: NormalizedResult | None
    ) -> tuple[tuple[int, ResolvedLimit], ...]:
        """Return every limit of the term with its grade, in whole numbers for these units."""
        unit, limit_unit = normalized.unit, normalized.limit_unit
        before_unit = before.unit if before else unit
        key = (term.name, term.analyte, unit.name, limit_unit.name, before_unit.name)
        if key not in self._resolved:
            self._resolved[key] = tuple(
                (criterion.grade, resolve(limit, unit, limit_unit, before_unit, normalized.analyte))
                for criterion in term.grades
                for limit in applicable(criterion, unit, normalized.analyte)
            )
        return self._resolved[key]


def _flags(normalized: NormalizedResult, term: Term, least: int, most: int) -> tuple[Flag, ...]:
    """Return the flags that follow from the grade, the reference range and the term."""
    flags = []
    side: Reference = "ULN" if term.direction == "high" else "LLN"
    if least and normalized.beyond(side) is False:
        flags.append(Flag.WITHIN_REFERENCE_RANGE)
    if most == 0 and term.has_baseline_condition and normalized.beyond(side):
        flags.append(Flag.ABNORMAL_NOT_GRADED)
    if most == term.highest_numeric_grade and term.has_clinical_grade_above:
        flags.append(Flag.CLINICAL_GRADE_POSSIBLE)
    if term.flag:
        flags.append(Flag(term.flag))
    return tuple(flags)
