"""Our gradings graded again: as they were, by another edition, or with a number in another unit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from msgspec.structs import replace as changed

from toxgrade.criteria.model import Edition, Term
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, Baseline, TermGrader
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.units import Names


@dataclass(frozen=True, slots=True)
class OurGrading:
    """A grading as it was made: what was graded for which term, and the bounds that it got.

    ``patient_baseline``: the baseline of the patient and test; None: there is none.
    ``by_range_only``: it is the baseline or lies before it, so it was not compared with it.
    """

    result: LabResult
    term: Term
    edition: str
    patient_baseline: LabResult | None
    by_range_only: bool
    bounds: tuple[int | None, int | None]

    @property
    def baseline(self) -> Baseline:
        return REFERENCE_RANGE_ONLY if self.by_range_only else self.patient_baseline

    @property
    def grade(self) -> int | None:
        at_least, at_most = self.bounds
        return at_least if at_least == at_most else None


class SupposedUnit(NamedTuple):
    """A unit for which our number may have been taken; ``of_limits``: and our limits, too."""

    name: str
    of_limits: bool


class Regrader:
    """The graders for our own rules, and for every edition with a study's interpretations.

    The latter grade implausible numbers as well: another grader's rules may not refuse them.
    """

    def __init__(self, graders: Graders, rules: Rules) -> None:
        self._own = graders.for_rules(rules)
        self._criteria = graders.criteria
        self._lenient = {
            name: graders.for_rules(replace(rules.under(edition), implausible="flag"))
            for name, edition in graders.criteria.editions.items()
        }
        self._terms = {
            name: {(term.analyte, term.direction): term for term in grader.edition.terms}
            for name, grader in self._lenient.items()
        }

    @property
    def own_edition(self) -> Edition:
        return self._own.edition

    @property
    def names(self) -> Names:
        return self._own.names

    def analyte(self, text: str | None) -> str | None:
        """Return the name in the criteria of an analyte by any name; None: it is not graded."""
        found = self.names.analyte(text or "")
        return found.name if found else None

    @property
    def editions(self) -> Sequence[str]:
        return tuple(self._lenient)

    def edition(self, text: str | None) -> str | None:
        """Return the edition that a text names, by its own or another name; None: it names none."""
        return next(
            (e.name for e in self._criteria.editions.values() if text in (e.name, *e.also)), None
        )

    def lenient(self, edition: str) -> TermGrader:
        """Return the grader of an edition that grades implausible numbers too."""
        return self._lenient[edition]

    def term(self, edition: str, term: Term) -> Term | None:
        """Return an edition's term of the same test and direction, however it is named there."""
        return self._terms[edition].get((term.analyte, term.direction))

    def reproduces(self, our: OurGrading) -> bool:
        """Return whether the result, graded again as it stands, gets the bounds that it has."""
        grade = self._own.grade(our.result, our.term, our.baseline)
        return (grade.at_least, grade.at_most) == our.bounds

    def gives(self, our: OurGrading, grade: int, edition: str | None = None) -> bool:
        """Return whether an edition (None: ours) gives a grade for the result as it stands."""
        return self.by_edition(our, edition or our.edition) == grade

    def by_edition(self, our: OurGrading, edition: str) -> int | None:
        """Return the grade by an edition; None: undecided, or it has no such term."""
        term = self.term(edition, our.term)
        if term is None:
            return None
        return self._lenient[edition].grade(our.result, term, our.baseline).grade

    def other_units(self, our: OurGrading) -> list[SupposedUnit]:
        """Return the other units of the result's analyte, of its number and of all."""
        analyte = self.names.analyte(our.result.analyte)
        if analyte is None:
            return []
        own = self.names.unit(analyte, our.result.unit or "")
        others = [unit.name for unit in analyte.units if not own or unit.factor != own.factor]
        return [SupposedUnit(name, of_limits) for name in others for of_limits in (True, False)]

    def knows_unit(self, our: OurGrading, unit: str | None) -> bool:
        """Return whether a text is a unit of the result's analyte."""
        analyte = self.names.analyte(our.result.analyte)
        return bool(unit and analyte and self.names.unit(analyte, unit))

    def in_unit(self, our: OurGrading, unit: SupposedUnit) -> int | None:
        """Return the grade of the number in another unit; None: undecided."""
        result = our.result
        limit_unit = unit.name if unit.of_limits else result.limit_unit or result.unit
        moved = changed(result, unit=unit.name, limit_unit=limit_unit)
        return self._lenient[our.edition].grade(moved, our.term, our.baseline).grade

    def names_another_term(self, text: str, term: Term) -> bool | None:
        """Return whether a text names a term of another test than ours; None: no known term.

        So a term that another edition names otherwise is the same one, and so is that of the other
        direction: one column may stand for both.
        """
        meant = self._tests.get(_folded(text))
        return None if meant is None else term.analyte not in meant

    @cached_property
    def _tests(self) -> dict[str, set[str]]:
        """The analytes of every term of every edition, by its name in small letters."""
        found: dict[str, set[str]] = {}
        for terms in self._terms.values():
            for term in terms.values():
                found.setdefault(_folded(term.name), set()).add(term.analyte)
        return found


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
