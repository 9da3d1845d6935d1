"""The shift table: patients by baseline grade and worst grade of one row."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from toxgrade.cohort.definition import TableRow
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
