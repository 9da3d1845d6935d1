"""A study's own reference ranges: the choice of one for a result, and the checks of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import localcontext
from itertools import combinations

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading import explanation
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.limits import EXACT
from toxgrade.grading.normalize import NormalizedResult, normalize
from toxgrade.grading.reference_ranges import Sex, StudyRange
from toxgrade.grading.result import Collected, LabResult, Reported

MOST_ROWS = 5000
_MAX_ALIKE = 100  # Rows of one analyte, laboratory and date are compared pair by pair.
_OLDEST = 150  # This age in years stands for no upper bound.


@dataclass(frozen=True, slots=True)
class Person:
    """The facts about a patient that decide a reference range; None: not known."""

    sex: Sex | None = None
    birth_year: int | None = None


class RangeTable:
    """A study's reference ranges, from which one is chosen for each result."""

    def __init__(self, rows: Iterable[StudyRange]) -> None:
        self.rows = tuple(rows)
        self._by_analyte: dict[str, list[StudyRange]] = {}
        for row in sorted(self.rows, key=_priority):
            self._by_analyte.setdefault(row.analyte, []).append(row)

    def choose(
        self, analyte: str, lab: str | None, collected: Collected | None, person: Person
    ) -> StudyRange | None:
        """Return the range that certainly applies to a result; None if there is none.

        Rows of the result's own laboratory precede rows of any, then the latest ``valid_from``,
        then the row for fewer patients. If the first row that may apply is not certain to apply,
        as sex, birth year, laboratory or the exact day is not known, there is no range.
        """
        for row in self._by_analyte.get(analyte, ()):
            applies = _applies(row, lab, collected, person)
            if applies is not False:
                return row if applies else None
        return None

    def changed(self, other: "RangeTable") -> set[str]:
        """Return the analytes whose rows differ between the tables."""
        names = self._by_analyte.keys() | other._by_analyte.keys()
        return {n for n in names if self._by_analyte.get(n) != other._by_analyte.get(n)}


def _priority(row: StudyRange) -> tuple[bool, int, bool, int]:
    """Return the sort key by which ``RangeTable.choose`` prefers rows."""
    since = row.valid_from or date.min
    span = _ages(row)
    return row.lab is None, -since.toordinal(), row.sex is None, span[1] - span[0]


def _ages(row: StudyRange) -> tuple[int, int]:
    return row.age_from or 0, _OLDEST if row.age_to is None else row.age_to


def _applies(
    row: StudyRange, lab: str | None, collected: Collected | None, person: Person
) -> bool | None:
    """Return whether a row applies; None if that is not known."""
    answers = (
        _same(_folded(row.lab), _folded(lab)),
        _same(row.sex, person.sex),
        _has_age(row, collected, person.birth_year),
        _valid_on(row.valid_from, collected),
    )
    if False in answers:
        return False
    return None if None in answers else True


def _folded(lab: str | None) -> str | None:
    return lab.strip().casefold() if lab else None


def _same(wanted: str | None, known: str | None) -> bool | None:
    if wanted is None:
        return True
    return None if known is None else wanted == known


def _has_age(row: StudyRange, collected: Collected | None, birth_year: int | None) -> bool | None:
    """Return whether the age fits, which a birth year leaves at one of two on any day."""
    if row.age_from is None and row.age_to is None:
        return True
    if collected is None or birth_year is None:
        return None
    low, high = _ages(row)
    youngest = max(0, collected.first.year - birth_year - 1)
    oldest = collected.last.year - birth_year
    if oldest < low or youngest > high:
        return False
    return True if low <= youngest and oldest <= high else None


def _valid_on(valid_from: date | None, collected: Collected | None) -> bool | None:
    if valid_from is None:
        return True
    if collected is None:
        return None
    if collected.first >= valid_from:
        return True
    return None if collected.last >= valid_from else False


NO_RANGES = RangeTable(())


def range_table(rows: Sequence[StudyRange], grader: TermGrader) -> RangeTable:
    """Return the table of rows as sent, with analytes and units under their canonical names.

    Raises:
        RequestError: an analyte or unit is unknown, a limit is missing or implausible, ages are
            reversed, or two rows could apply to one patient; the faults name row and field.
    """
    if len(rows) > MOST_ROWS:
        fault = FieldFault(("ranges",), "too-many", f"at most {MOST_ROWS} rows")
        raise RequestError("the table is too long", [fault])
    faults = [fault for i, row in enumerate(rows) for fault in _row_faults(i, row, grader)]
    if not faults:
        rows = [_named(row, grader) for row in rows]
        faults = _overlaps(rows)
    if faults:
        raise RequestError("the reference ranges cannot be accepted", faults)
    return RangeTable(rows)


def _named(row: StudyRange, grader: TermGrader) -> StudyRange:
    analyte = grader.names.analyte(row.analyte)
    assert analyte is not None  # _row_faults has checked it.
    unit = grader.names.unit(analyte, row.unit)
    assert unit is not None  # _row_faults has checked it.
    return replace(row, analyte=analyte.name, unit=unit.name)


def _row_faults(index: int, row: StudyRange, grader: TermGrader) -> list[FieldFault]:
    faults = []

    def refuse(field: str, code: str, message: str) -> None:
        faults.append(FieldFault(("ranges", index, field), code, message))

    analyte = grader.names.analyte(row.analyte)
    if analyte is None:
        refuse("analyte", "unknown-analyte", "expected an analyte of GET /v1/analytes")
        return faults
    if grader.names.unit(analyte, row.unit) is None:
        names = ", ".join(unit.name for unit in analyte.units)
        refuse("unit", "unknown-unit", f"expected a unit of {analyte.name}: {names}")
    elif not _is_plausible(row, grader):
        refuse("uln", "implausible-limit", explanation.implausible_limit(analyte))
    if row.lln is None and row.uln is None:
        refuse("uln", "missing-limit", "expected lln, uln or both")
    elif row.uln == 0 or (row.lln is not None and row.uln is not None and row.uln <= row.lln):
        refuse("uln", "unusable-range", "expected a uln above 0 and above lln")
    if row.age_from is not None and row.age_to is not None and row.age_to < row.age_from:
        refuse("age_to", "ages-reversed", "expected age_from or more")
    return faults


def _is_plausible(row: StudyRange, grader: TermGrader) -> bool:
    """Return whether a result at the limit itself is plausible and would be graded by it."""
    limit = row.uln or row.lln
    if limit is None:
        return True
    at_limit = LabResult(row.analyte, Reported(limit), row.unit, row.lln, row.uln)
    with localcontext(EXACT):
        normalized = normalize(at_limit, grader.names, grader.implausible)
    return isinstance(normalized, NormalizedResult) and not normalized.implausible_limit


def _overlaps(rows: Sequence[StudyRange]) -> list[FieldFault]:
    """Return a fault for rows of one analyte, laboratory and date that could apply alike."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for index, row in enumerate(rows):
        alike.setdefault((row.analyte, _folded(row.lab), row.valid_from), []).append(index)
    faults = []
    for group in alike.values():
        if len(group) > _MAX_ALIKE:
            text = f"at most {_MAX_ALIKE} rows of one analyte, laboratory and valid_from"
            faults.append(FieldFault(("ranges", group[_MAX_ALIKE], "analyte"), "too-many", text))
            continue
        for one, other in combinations(group, 2):
            if _compete(rows[one], rows[other]):
                text = "could apply to the same patient as an earlier row: make one the narrower"
                faults.append(FieldFault(("ranges", other), "overlapping-ranges", text))
    return faults


def _compete(one: StudyRange, other: StudyRange) -> bool:
    """Return whether both could apply to one patient and neither is for fewer patients."""
    (low, high), (from_, to) = _ages(one), _ages(other)
    if (one.sex and other.sex and one.sex != other.sex) or high < from_ or to < low:
        return False
    inside = (other.sex in (None, one.sex)) and from_ <= low and high <= to
    around = (one.sex in (None, other.sex)) and low <= from_ and to <= high
    return inside is around  # Both: for the same patients. Neither: they overlap.
