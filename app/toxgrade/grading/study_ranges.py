"""A study's own reference ranges: which one applies to a result, and what is wrong with a table."""

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
_MOST_ALIKE = 100  # rows of one analyte, laboratory and date: they are compared pair by pair
_OLDEST = 150  # years; stands for an age without upper bound


@dataclass(frozen=True, slots=True)
class Person:
    """What of a patient decides a reference range; None: not known."""

    sex: Sex | None = None
    birth_year: int | None = None


class RangeTable:
    """A study's ranges, asked for one result after the other."""

    def __init__(self, rows: Iterable[StudyRange]) -> None:
        self.rows = tuple(rows)
        self._by_analyte: dict[str, list[StudyRange]] = {}
        for row in sorted(self.rows, key=_priority):
            self._by_analyte.setdefault(row.analyte, []).append(row)

    def choose(
        self, analyte: str, lab: str | None, collected: Collected | None, person: Person
    ) -> StudyRange | None:
        """The range that certainly applies to a result; None if there is none.

        Rows of the result's own laboratory go before rows of any, then the latest ``valid_from``,
        then the row for fewer patients. Where the first row that may apply does not certainly
        apply, for want of sex, birth year, laboratory or a full date, there is no range.
        """
        for row in self._by_analyte.get(analyte, ()):
            applies = _applies(row, lab, collected, person)
            if applies is not False:
                return row if applies else None
        return None

    def changed(self, other: "RangeTable") -> set[str]:
        """The analytes whose rows differ."""
        names = self._by_analyte.keys() | other._by_analyte.keys()
        return {n for n in names if self._by_analyte.get(n) != other._by_analyte.get(n)}


def _priority(row: StudyRange) -> tuple[bool, int, bool, int]:
    since = row.valid_from or date.min
    span = _ages(row)
    return row.lab is None, -since.toordinal(), row.sex is None, span[1] - span[0]


def _ages(row: StudyRange) -> tuple[int, int]:
    return row.age_from or 0, _OLDEST if row.age_to is None else row.age_to


def _applies(
    row: StudyRange, lab: str | None, collected: Collected | None, person: Person
) -> bool | None:
    """Whether a row applies; None where what is known cannot say."""
    answers = (
        _same(_folded(row.lab), _folded(lab)),
        _same(row.sex, person.sex),
        _of_age(row, collected, person.birth_year),
        _since(row.valid_from, collected),
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


def _of_age(row: StudyRange, collected: Collected | None, birth_year: int | None) -> bool | None:
    """By birth year alone a patient is, on any day, of one of two ages."""
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


def _since(valid_from: date | None, collected: Collected | None) -> bool | None:
    if valid_from is None:
        return True
    if collected is None:
        return None
    if collected.first >= valid_from:
        return True
    return None if collected.last >= valid_from else False


def range_table(rows: Sequence[StudyRange], grader: TermGrader) -> RangeTable:
    """A table of rows as they were sent, analytes and units by their canonical names.

    Raises:
        RequestError: naming row and field: an analyte or unit that is not known, no limit or one
            that is not plausible, ages reversed, two rows that could both apply to one patient.
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
    assert analyte is not None  # _row_faults
    unit = grader.names.unit(analyte, row.unit)
    assert unit is not None  # _row_faults
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
    """Whether a result at the limit itself would be graded by it."""
    limit = row.uln or row.lln
    if limit is None:
        return True
    at_limit = LabResult(row.analyte, Reported(limit), row.unit, row.lln, row.uln)
    with localcontext(EXACT):
        measured = normalize(at_limit, grader.names, grader.implausible)
    return isinstance(measured, NormalizedResult) and not measured.implausible_limit


def _overlaps(rows: Sequence[StudyRange]) -> list[FieldFault]:
    """Rows of one analyte, laboratory and date of which neither is the narrower one."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for index, row in enumerate(rows):
        alike.setdefault((row.analyte, _folded(row.lab), row.valid_from), []).append(index)
    faults = []
    for group in alike.values():
        if len(group) > _MOST_ALIKE:
            text = f"at most {_MOST_ALIKE} rows of one analyte, laboratory and valid_from"
            faults.append(FieldFault(("ranges", group[_MOST_ALIKE], "analyte"), "too-many", text))
            continue
        for one, other in combinations(group, 2):
            if _compete(rows[one], rows[other]):
                text = "could apply to the same patient as an earlier row: make one the narrower"
                faults.append(FieldFault(("ranges", other), "overlapping-ranges", text))
    return faults


def _compete(one: StudyRange, other: StudyRange) -> bool:
    """Whether both could apply to one patient and neither is meant for fewer patients."""
    (low, high), (from_, to) = _ages(one), _ages(other)
    if (one.sex and other.sex and one.sex != other.sex) or high < from_ or to < low:
        return False
    inside = (other.sex in (None, one.sex)) and from_ <= low and high <= to
    around = (one.sex in (None, other.sex)) and low <= from_ and to <= high
    return inside is around  # both: the same patients; neither: they only meet
