"""The shift table: baseline grade by worst grade, with the patients behind each cell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from app.cohort.read import CohortPatient
from app.cohort.rows import TableRow
from app.cohort.worst import patient_row


@dataclass(slots=True)
class ShiftTable:
    """Patients by (baseline grade, worst grade); ``not_evaluable``: one of the two is not known."""

    cells: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    not_evaluable: list[str] = field(default_factory=list)


def shift_table(
    cohort: Iterable[CohortPatient], row: TableRow, phases: Sequence[str]
) -> ShiftTable:
    """Count a cohort by where each patient began and how far it went over ``phases``."""
    table = ShiftTable()
    for patient in cohort:
        found = patient_row(row, patient.windows, phases)
        before = found.baseline.shown if found.baseline else None
        after = found.worst.shown if found.worst else None
        if before is None or after is None:
            table.not_evaluable.append(patient.name)
        else:
            table.cells.setdefault((before, after), []).append(patient.name)
    return table
