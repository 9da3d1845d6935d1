"""The toxicity table: how many patients had which grade, by row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.worst import CohortPatient, PatientRow, PatientRows, reaches
from toxgrade.grading.phase import Window
from toxgrade.grading.worst_grade import Bounds, any_of

Kind = Literal["baseline", "worst"]
GRADES = range(6)
SEVERE = 3
"""The lowest grade that papers count as severe: a term that reached it is in every table."""


@dataclass(slots=True)
class RowCount:
    """The patients of one row: each is in ``by_grade``, ``undecided`` or ``not_measured``.

    ``by_grade`` holds evaluable patients by grade; an undecided one whose lower bound is above 0
    is evaluable with that bound. ``could_be_higher``: evaluable, but an undecided result, or one
    that only possibly lies in the window, allows a higher grade. ``partial``, ``member_worse``: as
    in ``PatientRow``.
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
class PatientsWith:
    """The patients who meet a definition, and those of whom it is ``unknown``."""

    definition: str
    patients: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, patient: str, verdict: bool | None) -> None:
        if verdict:
            self.patients.append(patient)
        elif verdict is None:
            self.unknown.append(patient)


_DEFINITIONS = (
    "worse than own baseline in any row: one of its terms, each against its own baseline; a liver"
    " enzyme counts also where the composite leaves it out",
    "any grade in clinical or haematological rows, those without a baseline",
    "grade 1 or more in any row, or grade 3 or more in a term that no row names; grades that the"
    " baseline had already are included",
    "grade 3 or more in any term, whether a row names it or not; grades that the baseline had"
    " already are included",
)


@dataclass(slots=True)
class ToxicityTable:
    """A study's table, by row, of the patients who had the course.

    ``by_two``: patients with a certain grade 2 or more above that of their own baseline. ``other``:
    patients by term and worst grade from ``SEVERE`` up, of terms that no row names;
    ``other_undecided``: those whose undecided results of such a term may reach it.
    ``window_incomplete``: patients not followed to the end of their acute window, or whose next
    course began within it, or whose window has no known end.
    """

    scope: Scope
    rows: list[RowCount]
    worse_than_baseline: PatientsWith
    clinical_or_haematological: PatientsWith
    any_grade: PatientsWith
    grade_3_or_more: PatientsWith
    by_two: list[str] = field(default_factory=list)
    other: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    other_undecided: dict[str, list[str]] = field(default_factory=dict)
    n_patients: int = 0
    window_incomplete: list[str] = field(default_factory=list)


def toxicity_table(
    cohort: Iterable[CohortPatient], rows: Sequence[TableRow], scope: Scope, window: Window
) -> ToxicityTable:
    """Count a cohort that was queried for ``scope``."""
    kinds: dict[bool, tuple[Kind, ...]] = {True: ("baseline", "worst"), False: ("worst",)}
    counts = [RowCount(row, kind) for row in rows for kind in kinds[row.with_baseline]]
    worse, clinical, any_grade, severe = map(PatientsWith, _DEFINITIONS)
    table = ToxicityTable(scope, counts, worse, clinical, any_grade, severe)
    named = {term for row in rows for term in (*row.terms, *row.also)}
    cached_rows = [PatientRows(row) for row in rows]
    for patient in cohort:
        by_row = [each.row_of(patient) for each in cached_rows]
        table.n_patients += 1
        _count_rows(
            table, patient.name, {row.label: r for row, r in zip(rows, by_row, strict=True)}
        )
        _count_patient(table, patient, rows, by_row, _count_other(table, patient, named))
        if not _window_complete(patient, window):
            table.window_incomplete.append(patient.name)
    return table


def _count_rows(table: ToxicityTable, patient: str, by_label: dict[str, PatientRow]) -> None:
    for count in table.rows:
        row = by_label[count.row.label]
        count.add(patient, row.baseline if count.kind == "baseline" else row.worst)
        if count.kind == "worst" and row.partial:
            count.partial.append(patient)
        if count.kind == "worst" and row.member_worse:
            count.member_worse.append(patient)


def _count_other(
    table: ToxicityTable, patient: CohortPatient, named: set[str]
) -> list[bool | None]:
    """Add the patient's severe grades of terms that no row names; return whether each is severe."""
    verdicts: list[bool | None] = []
    for term, bounds in patient.worst.items():
        if term in named:
            continue
        severe = reaches(bounds, SEVERE)
        verdicts.append(severe)
        if severe and bounds.at_least is not None:
            table.other.setdefault((term, bounds.at_least), []).append(patient.name)
        elif severe is None:
            table.other_undecided.setdefault(term, []).append(patient.name)
    return verdicts


def _count_patient(
    table: ToxicityTable,
    patient: CohortPatient,
    rows: Sequence[TableRow],
    by_row: Sequence[PatientRow],
    other: Sequence[bool | None],
) -> None:
    """Add one patient to the definitions of toxicity."""
    name = patient.name
    table.worse_than_baseline.add(name, any_of(row.any_worse for row in by_row))
    if any(row.by_two for row in by_row):
        table.by_two.append(name)
    without_baseline = [
        found.any_grade for row, found in zip(rows, by_row, strict=True) if not row.with_baseline
    ]
    table.clinical_or_haematological.add(name, any_of(without_baseline))
    table.any_grade.add(name, any_of([*(row.any_grade for row in by_row), *other]))
    table.grade_3_or_more.add(name, any_of([*(row.grade_3 for row in by_row), *other]))


def _window_complete(patient: CohortPatient, window: Window) -> bool:
    """Return whether the patient was followed to the last acute day, without a next course."""
    course = patient.course
    anchor = course.end if window.anchor == "end" else course.start
    if anchor is None or patient.seen_until is None:
        return False
    last = window.last_acute_day(anchor)
    return patient.seen_until >= last and (patient.next_start is None or patient.next_start > last)
