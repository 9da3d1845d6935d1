"""The toxicity table of a study: how many patients had which grade, by row, in a window."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.worst import Bounds, CohortPatient, PatientRows, any_of, patient_row
from toxgrade.grading.phase import Window

Kind = Literal["baseline", "worst"]
GRADES = range(6)

_WORSE = (
    "worse than own baseline in any row: one of its terms, each against its own baseline; a liver"
    " enzyme counts also where the composite leaves it out"
)


@dataclass(slots=True)
class RowCount:
    """The patients of one row by what is known of them; every patient is in one of the first three.

    ``by_grade`` holds the evaluable ones by grade; an undecided one whose lower bound is above 0
    is evaluable with that bound. ``could_be_higher``: evaluable, but an undecided result allows
    more. ``partial``, ``member_worse``: as in ``PatientRow``.
    """

    row: TableRow
    kind: Kind
    by_grade: dict[int, list[str]] = field(default_factory=lambda: {grade: [] for grade in GRADES})
    undecided: list[str] = field(default_factory=list)
    not_measured: int = 0
    could_be_higher: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    member_worse: list[str] = field(default_factory=list)

    @property
    def n_evaluable(self) -> int:
        return sum(map(len, self.by_grade.values()))

    def add(self, patient: str, bounds: Bounds | None) -> None:
        if bounds is None:
            self.not_measured += 1
        elif bounds.shown is None:
            self.undecided.append(patient)
        else:
            self.by_grade[bounds.shown].append(patient)
            if bounds.at_most is not None and bounds.at_most > bounds.shown:
                self.could_be_higher.append(patient)


@dataclass(slots=True)
class AnyToxicity:
    """Patients that meet a definition of toxicity, and those of whom it cannot be said."""

    definition: str
    patients: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ToxicityTable:
    """A study's table. ``window_incomplete``: patients not followed to the end of their acute
    window (or only to a second course within it), or whose window has no end yet.
    """

    scope: Scope
    rows: list[RowCount]
    worse_than_baseline: AnyToxicity
    clinical_or_haematological: AnyToxicity
    any_grade: AnyToxicity
    n_patients: int = 0
    window_incomplete: list[str] = field(default_factory=list)


def toxicity_table(
    cohort: Iterable[CohortPatient], rows: Sequence[TableRow], scope: Scope, window: Window
) -> ToxicityTable:
    """Count a cohort that was read for ``scope``."""
    kinds: dict[bool, tuple[Kind, ...]] = {True: ("baseline", "worst"), False: ("worst",)}
    table = ToxicityTable(
        scope,
        [RowCount(row, kind) for row in rows for kind in kinds[row.with_baseline]],
        AnyToxicity(_WORSE),
        AnyToxicity("any grade in clinical or haematological rows, those without a baseline"),
        AnyToxicity("any grade in any row, baseline grades that persist included"),
    )
    readers = [PatientRows(row, scope.windows) for row in rows]
    for patient in cohort:
        _count(table, patient, readers)
        if not _followed(patient, window):
            table.window_incomplete.append(patient.name)
    return table


def _count(table: ToxicityTable, patient: CohortPatient, rows: Sequence[PatientRows]) -> None:
    found = {each.row.label: each.of(patient.windows) for each in rows}
    table.n_patients += 1
    for count in table.rows:
        mine = found[count.row.label]
        count.add(patient.name, mine.baseline if count.kind == "baseline" else mine.worst)
        if count.kind == "worst" and mine.partial:
            count.partial.append(patient.name)
        if count.kind == "worst" and mine.member_worse:
            count.member_worse.append(patient.name)
    everywhere = any_of(one.any_grade for one in found.values())
    without = any_of(found[r.row.label].any_grade for r in rows if not r.row.with_baseline)
    _say(table.worse_than_baseline, patient.name, any_of(one.any_worse for one in found.values()))
    _say(table.clinical_or_haematological, patient.name, without)
    _say(table.any_grade, patient.name, everywhere)


def _say(toxicity: AnyToxicity, patient: str, verdict: bool | None) -> None:
    if verdict:
        toxicity.patients.append(patient)
    elif verdict is None:
        toxicity.unknown.append(patient)


def _followed(patient: CohortPatient, window: Window) -> bool:
    course = patient.course
    anchor = (course.end if window.anchor == "end" else course.start) if course else None
    if anchor is None or patient.seen_until is None:
        return False
    last = window.last_acute_day(anchor)
    return patient.seen_until >= last and (patient.next_start is None or patient.next_start > last)


def percent(n: int, of: int) -> int | float | None:
    """``n`` of ``of`` to one decimal, halves up; whole ones as integers; None of none."""
    if of == 0:
        return None
    exact = (Decimal(100 * n) / of).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return int(exact) if exact == exact.to_integral_value() else float(exact)


@dataclass(slots=True)
class ShiftTable:
    """Patients by (baseline grade, worst grade); ``not_evaluable``: one of the two is not known."""

    cells: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    not_evaluable: list[str] = field(default_factory=list)


def shift_table(cohort: Iterable[CohortPatient], row: TableRow, scope: Scope) -> ShiftTable:
    """Count a cohort that was read for ``scope`` by where each began and how far it went."""
    table = ShiftTable()
    for patient in cohort:
        found = patient_row(row, patient.windows, scope.windows)
        before = found.baseline.shown if found.baseline else None
        after = found.worst.shown if found.worst else None
        if before is None or after is None:
            table.not_evaluable.append(patient.name)
        else:
            table.cells.setdefault((before, after), []).append(patient.name)
    return table
