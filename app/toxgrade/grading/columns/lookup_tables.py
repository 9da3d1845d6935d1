"""The criteria as integer tables, in which the column grader looks up limits for many rows.

A *combination* is an analyte in one unit with its limits in one unit; a *test* is one term for one
combination. A test has slots, one per limit: ``a x value > b x reference + c`` (or ``>=``), in
``SCALE``. In a low term both sides are negated.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

from toxgrade.criteria.model import Analyte, Band, Condition, Limit, Term, Unit
from toxgrade.grading.columns.parse import SCALE
from toxgrade.grading.columns.slots import SIMPLE, Group, Slot, numbers_of
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.limits import ResolvedLimit, applicable, resolve
from toxgrade.grading.units import UnitKeys

REASON_CODES = {reason: code for code, reason in enumerate(Reason)}
_LARGEST, _MOST = 2**63 - 1, 2**62


class Test(NamedTuple):
    """One term for one combination: group and row of its ``own`` limits of normal and of all."""

    combination: int
    term: int | None
    own_group: int | None
    own_row: int | None
    full_group: int | None
    full_row: int | None


class Combination(NamedTuple):
    """An analyte in its units: the plausible integers in those units, or why it is not graded.

    ``first_test`` and ``tests`` are the index and number of its tests. ``one_by_one``: products may
    exceed 64 bits, so its rows go to the plain grader. A value is above a limit where
    ``value_times x value > limit_times x limit``. ``unit_key`` is the key in ``UnitKeys``.
    ``arterial``: a venous sample goes to the plain grader too.
    """

    first_test: int
    tests: int
    reason: int | None
    one_by_one: bool = False
    arterial: bool = False
    limit_unit_known: bool = True
    unit_key: int | None = None
    value_times: int = 1
    limit_times: int = 1
    value_low: int | None = None
    value_high: int | None = None
    lln_low: int | None = None
    lln_high: int | None = None
    uln_low: int | None = None
    uln_high: int | None = None


class Tables:
    """Tables of the combinations, tests and groups of an export, in the order of ``add``."""

    def __init__(self, grader: TermGrader, units: UnitKeys) -> None:
        self.grader, self._units = grader, units
        self.combinations: list[Combination] = []
        self.tests: list[Test] = []
        self.groups: list[Group] = [Group(SIMPLE)]

    def add(self, analyte: str | None, unit: str | None, limit_unit: str | None) -> None:
        """Add a combination by its texts; null and blank texts are absent."""
        names = self.grader.names
        known = names.analyte(analyte or "")
        terms = self.grader.terms(analyte or "")
        if known is None or not terms:
            self._refuse(Reason.UNKNOWN_ANALYTE, [None])
            return
        places = [self.grader.edition.terms.index(term) for term in terms]
        value_unit = names.unit(known, unit or "")
        if value_unit is None:
            named = unit and unit.strip()
            self._refuse(Reason.UNKNOWN_UNIT if named else Reason.MISSING_UNIT, places)
            return
        other = names.unit(known, limit_unit) if limit_unit and limit_unit.strip() else value_unit
        first = len(self.tests)
        fits = [
            self._add_test(term, place, known, value_unit, other or value_unit)
            for term, place in zip(terms, places, strict=True)
        ]
        combination = _combination(first, known, value_unit, other)
        self.combinations.append(
            combination._replace(
                tests=len(terms),
                one_by_one=not all(fits) or names.is_venous(analyte or ""),
                arterial=bool(known.venous),
                unit_key=self._units.of(known, value_unit),
            )
        )

    def _refuse(self, reason: Reason, terms: Sequence[int | None]) -> None:
        """Add a combination that is not graded, with a test for each term (None: no term)."""
        first, index = len(self.tests), len(self.combinations)
        self.tests += [Test(index, term, None, None, None, None) for term in terms]
        self.combinations.append(Combination(first, len(terms), REASON_CODES[reason]))

    def _add_test(
        self, term: Term, place: int, analyte: Analyte, unit: Unit, limit_unit: Unit
    ) -> bool:
        """Add a test of the combination; return False if its products may exceed 64 bits."""
        limits = [
            (criterion.grade, resolve(limit, unit, limit_unit, unit, analyte))
            for criterion in term.grades
            for limit in applicable(criterion, unit, analyte)
        ]
        own = [(g, r, _own_condition(r.limit)) for g, r in limits if _needs_no_baseline(r.limit)]
        own_group, own_row = self._place(own, term)
        full_group, full_row = None, None
        if term.uses_baseline:
            full_group, full_row = self._place([(g, r, r.limit.condition) for g, r in limits], term)
        index = len(self.combinations)
        self.tests.append(Test(index, place, own_group, own_row, full_group, full_row))
        highest = max(
            _integers(analyte.value_band(unit), unit)[1],
            _integers(analyte.plausible_lln, limit_unit)[1],
            _integers(analyte.plausible_uln, limit_unit)[1],
        )
        to_value = limit_unit.factor / unit.factor
        numbers = [numbers_of(resolved)[:3] for _, resolved in limits]
        numbers.append((to_value.denominator, to_value.numerator, 0))
        return all((abs(a) + abs(b)) * highest + abs(c) < _LARGEST for a, b, c in numbers)

    def _place(
        self, limits: Sequence[tuple[int, ResolvedLimit, Condition | None]], term: Term
    ) -> tuple[int, int]:
        """Add a test's numbers to the group with its slots; return the indexes of group and row."""
        slots = tuple(
            Slot(
                grade,
                "baseline" if r.limit.reference == "baseline" else "limit",
                condition,
                "=" in r.limit.comparison,
                term.one_uln and r.limit.reference == "baseline",
            )
            for grade, r, condition in limits
        )
        numbers = {grade: numbers_of(resolved) for grade, resolved, _ in limits}
        if len(numbers) == len(slots) and set(slots) <= set(SIMPLE):
            slots = SIMPLE
            row = [numbers.get(slot.grade, (0, 0, 0, 0)) for slot in SIMPLE]
        else:
            row = [numbers_of(resolved) for _, resolved, _ in limits]
        index = next((i for i, g in enumerate(self.groups) if g.slots == slots), None)
        if index is None:
            index = len(self.groups)
            self.groups.append(Group(slots))
        self.groups[index].rows.append(tuple(number for four in row for number in four))
        return index, len(self.groups[index].rows) - 1


def _needs_no_baseline(limit: Limit) -> bool:
    """Return whether a limit can be reached by the limits of normal, if the baseline is normal."""
    found = limit.condition
    abnormal = found is not None and found.subject == "baseline" and found.wants_beyond
    return limit.reference != "baseline" and not abnormal


def _own_condition(limit: Limit) -> Condition | None:
    """Return a limit's condition unless it is about the baseline, which then counts as normal."""
    found = limit.condition
    return found if found and "baseline" not in (found.subject, found.limit) else None


def _combination(first: int, analyte: Analyte, unit: Unit, limit_unit: Unit | None) -> Combination:
    """Return a combination with its units and plausible numbers; ``Tables.add`` sets the rest."""
    lln = _integers(analyte.plausible_lln, limit_unit or unit)
    uln = _integers(analyte.plausible_uln, limit_unit or unit)
    value = _integers(analyte.value_band(unit), unit)
    to_value = (limit_unit or unit).factor / unit.factor
    return Combination(
        first_test=first,
        tests=0,
        reason=None,
        limit_unit_known=limit_unit is not None,
        value_times=to_value.denominator,
        limit_times=to_value.numerator,
        value_low=value[0],
        value_high=value[1],
        lln_low=lln[0],
        lln_high=lln[1],
        uln_low=uln[0],
        uln_high=uln[1],
    )


def _integers(band: Band, unit: Unit) -> tuple[int, int]:
    """Return the band's first and last integer in ``unit``, as values are; ``near`` knows of the
    odd ones beside them. Columns hold no number as high as ``_MOST``.
    """
    low = band.low.as_integer_ratio()
    high = band.high.as_integer_ratio()
    return (
        min(ceil(low[0] * SCALE / (low[1] * unit.factor)), _MOST),
        min(floor(high[0] * SCALE / (high[1] * unit.factor)), _MOST),
    )
