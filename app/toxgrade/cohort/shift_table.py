"""The shift table: patients by baseline grade and worst grade of one row."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from toxgrade.cohort.definition import ReportPhase, Scope, TableRow
from toxgrade.cohort.described import StudyReport, answer, described
from toxgrade.cohort.left_out import LeftOut
from toxgrade.cohort.worst import CohortPatient, patient_row


@dataclass(slots=True)
class ShiftTable:
    """Patients by (baseline grade, worst grade); ``not_evaluable``: one of the two is unknown.

    ``itself``: patients by worst grade whose baseline is abnormal and whose grades are multiples of
    it, so that the two grades cannot be compared. ``worse``: those of all who are certainly worse
    than their own baseline. ``could_be_higher``: an undecided result, or one of unknown phase,
    allows a higher worst grade.
    """

    cells: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    itself: dict[int, list[str]] = field(default_factory=dict)
    worse: list[str] = field(default_factory=list)
    could_be_higher: list[str] = field(default_factory=list)
    not_evaluable: list[str] = field(default_factory=list)
    n_patients: int = 0


def shift_table(cohort: Iterable[CohortPatient], row: TableRow) -> ShiftTable:
    """Count the patients of a cohort by baseline grade and worst grade."""
    table = ShiftTable()
    for patient in cohort:
        table.n_patients += 1
        found = patient_row(row, patient)
        before = found.baseline.shown if found.baseline else None
        after = found.worst.shown if found.worst else None
        if found.any_worse:
            table.worse.append(patient.name)
        if found.worst is None or after is None:
            table.not_evaluable.append(patient.name)
            continue
        if found.worst.relative:
            table.itself.setdefault(after, []).append(patient.name)
        elif before is None:
            table.not_evaluable.append(patient.name)
            continue
        else:
            table.cells.setdefault((before, after), []).append(patient.name)
        if found.worst.at_most is not None and found.worst.at_most > after:
            table.could_be_higher.append(patient.name)
    return table


@answer
class ShiftCell:
    """Patients with one baseline grade and one worst grade."""

    baseline: int = described("The baseline grade, 0 to 5.", 0)
    worst: int = described("The worst grade, 0 to 5.", 2)
    n: int = described("How many patients.", 1)
    patients: list[str] = described("The patients' names.", ["SYN-004"])


@answer
class ComparedWithItself:
    """Patients whose grades are multiples of their own abnormal baseline."""

    worst: int = described("The worst grade, 0 to 5.", 1)
    n: int = described("How many patients.", 1)
    patients: list[str] = described("The patients' names.", ["SYN-002"])


@answer
class ShiftCounts(StudyReport):
    """The counts of a shift table."""

    phase: ReportPhase = described("The window of the worst grade.", "acute")
    course: int = described("The course of radiotherapy, 1 is the first.", 1)
    row: str = described("The row's label, or the term.", "Bilirubin")
    terms: list[str] = described(
        "The CTCAE terms; the highest counts.", ["Blood bilirubin increased"]
    )
    definition: str = described("What is counted, in words.", "Graded by CTCAE 4.03 …")
    n_patients: int = described("All patients who had the course.", 4)
    cells: list[ShiftCell] = described("By baseline grade, then by worst grade; without zeros.")
    abnormal_compared_with_itself: list[ComparedWithItself] = described(
        "Abnormal baselines with which the grade cannot be compared."
    )
    worse: list[str] = described("Patients certainly worse than their own baseline.", ["SYN-004"])
    could_be_higher: list[str] = described("An undecided result allows a higher grade.", [])
    not_evaluable: list[str] = described("Baseline or worst grade unknown.", ["SYN-003"])


@answer
class ShiftReport(LeftOut, ShiftCounts):
    """Baseline grade by worst grade: where each patient began and how far it went."""


def shift_report(
    study: StudyReport, table: ShiftTable, row: TableRow, scope: Scope, definition: str,
    left_out: LeftOut,
) -> ShiftReport:  # fmt: skip
    """Return a counted shift table with what it leaves out."""
    return ShiftReport(
        **vars(study),
        phase=scope.phase,
        course=scope.course,
        row=row.label,
        terms=list(row.terms),
        definition=definition,
        n_patients=table.n_patients,
        cells=[
            ShiftCell(before, after, len(names), names)
            for (before, after), names in sorted(table.cells.items())
        ],
        abnormal_compared_with_itself=[
            ComparedWithItself(after, len(names), names)
            for after, names in sorted(table.itself.items())
        ],
        worse=table.worse,
        could_be_higher=table.could_be_higher,
        not_evaluable=table.not_evaluable,
        **vars(left_out),
    )
