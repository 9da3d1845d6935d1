"""Why two graders differ over a result: the input that, changed to theirs, gives their grade."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from toxgrade.criteria.model import Term
from toxgrade.exports.binary_rounding import as_floats_see
from toxgrade.exports.discrepancy_trials import Cause, shown_trials, their_baseline
from toxgrade.exports.regrading import OurGrading, Regrader, SupposedUnit
from toxgrade.exports.their_numbers import Theirs, Units, units
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, Baseline, TermGrader
from toxgrade.grading.result import LabResult


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cause that gives their grade, with what they graded by where that is not ours.

    ``said``: their file shows it; else it is supposed, and other results must bear it out. ``unit``
    is the one supposed.
    """

    cause: Cause
    said: bool = False
    term: str | None = None
    edition: str | None = None
    unit: SupposedUnit | None = None


def explain(our: OurGrading, theirs: Theirs, regrader: Regrader) -> Iterator[Explanation]:
    """Yield what gives their grade, in the order in which it is to be believed.

    The first that is ``said`` is the last one: what the file shows needs no other explanation.
    """
    if not regrader.reproduces(our):
        yield Explanation("not-reproduced", said=True)
        return
    stated = regrader.names_another_term(theirs.term, our.term) if theirs.term else None
    if stated:
        yield Explanation("term", said=True, term=theirs.term)
        return
    of_units = units(our.result, our.patient_baseline, theirs, regrader.names)
    for found in chain(
        _said(our, theirs, of_units, regrader), _supposed(our, theirs, of_units, regrader)
    ):
        yield found
        if found.said:
            return
    if theirs.term and stated is None:
        yield Explanation("term", term=theirs.term)


def _said(
    our: OurGrading, theirs: Theirs, of_units: Units, regrader: Regrader
) -> Iterator[Explanation]:
    """Yield the explanations that their file shows."""
    stated = regrader.edition(theirs.edition)
    if stated and stated != our.edition and regrader.gives(our, theirs.grade, stated):
        yield Explanation("edition", said=True, edition=stated)
    if regrader.gives(our, theirs.grade):  # We refused numbers as implausible; they did not.
        yield Explanation("rule", said=True)
    for cause in _successful(our, theirs, of_units, our.term, regrader.lenient(our.edition)):
        yield Explanation(cause, said=True)


def _supposed(
    our: OurGrading, theirs: Theirs, of_units: Units, regrader: Regrader
) -> Iterator[Explanation]:
    """Yield explanations that their file does not show."""
    grader, result, baseline = regrader.lenient(our.edition), our.result, our.baseline
    for other in _supposed_baselines(our, theirs, of_units):
        if _decided(grader, result, our.term, other) == theirs.grade:
            yield Explanation("baseline")
    compared = baseline if isinstance(baseline, LabResult) else None
    for seen in as_floats_see(result, our.term, compared, grader.names):
        if _decided(grader, seen, our.term, baseline) == theirs.grade:
            yield Explanation("rounding")
    stated = regrader.edition(theirs.edition)
    editions = [name for name in regrader.editions if name != our.edition]
    if stated:
        editions = [name for name in editions if name == stated]
    for name in editions:
        if regrader.gives(our, theirs.grade, name):
            yield Explanation("edition", edition=name)
    if of_units.theirs is of_units.value and not regrader.knows_unit(our, theirs.unit):
        for unit in regrader.other_units(our):
            if regrader.in_unit(our, unit) == theirs.grade:
                yield Explanation("unit", unit=unit)
    for name in editions:
        term = regrader.term(name, our.term)
        if term is not None:
            for cause in _successful(our, theirs, of_units, term, regrader.lenient(name)):
                yield Explanation(cause, edition=name)
            before = their_baseline(our, theirs, of_units) if our.by_range_only else None
            if before and _decided(regrader.lenient(name), result, term, before) == theirs.grade:
                yield Explanation("baseline", edition=name)


def _supposed_baselines(our: OurGrading, theirs: Theirs, of_units: Units) -> Iterator[Baseline]:
    """Yield baselines that they may have compared with, or none, though no column differs there.

    Every row of an ADLB has the baseline, also one from before it: that they compared this with it
    is supposed.
    """
    if not our.term.uses_baseline:
        return
    if not our.by_range_only:
        yield REFERENCE_RANGE_ONLY
    elif "baseline" in theirs.columns:
        yield their_baseline(our, theirs, of_units)
    else:
        yield our.patient_baseline


def _successful(
    our: OurGrading, theirs: Theirs, of_units: Units, term: Term, grader: TermGrader
) -> Iterator[Cause]:
    """Yield the causes, shown by their columns, that give their grade for a term."""
    trials = shown_trials(our, theirs, of_units, uses_baseline=term.uses_baseline)
    for cause, result, baseline in trials:
        if _decided(grader, result, term, baseline) == theirs.grade:
            yield cause


def _decided(grader: TermGrader, result: LabResult, term: Term, baseline: Baseline) -> int | None:
    return grader.grade(result, term, baseline).grade
