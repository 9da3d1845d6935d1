"""The shift table: baseline grade by worst grade, with the patients behind each cell."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from toxgrade.cohort.rows import TableRow
from toxgrade.cohort.scope import Scope
from toxgrade.cohort.worst import CohortPatient, patient_row


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
