"""What grading a patient's results changes in the grades stored; nothing is written here."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from toxgrade import __version__
from toxgrade.grading.fields import FIELDS, GRADE_TABLE, GradeRow
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import LabResult, PatientGrade
from toxgrade.grading.rules import Graders
from toxgrade.grading.study_ranges import Person, RangeTable
from toxgrade.server.records.db.tables import study_ranges
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.doubts import flag_dates, flag_doubts
from toxgrade.server.records.patient_state import PatientState
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import (
    apply_ranges,
    current_person,
    current_ranges,
    range_document,
    range_used,
)

_stored_columns = attrgetter(*GRADE_TABLE)
_NO_GRADE: dict[str, Any] = dict.fromkeys(f.name for f in FIELDS if f.column.of_term)


@dataclass(frozen=True)
class Basis:
    """What the patients of a study are graded by: its rules with their grader, and its ranges."""

    study: Study
    grader: TermGrader
    ranges: RangeTable

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of all that a grade depends on beside the patient's own rows."""
        edition, ranges = self.grader.edition, map(range_document, self.ranges.rows)
        document = [__version__, edition.sha256, self.study.rules.document(), *ranges]
        return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def read_basis(connection: Connection, study: Study, graders: Graders) -> Basis:
    """Return what the patients of ``study`` are graded by now."""
    return Basis(study, graders.for_rules(study.rules), current_ranges(connection, study))


def locked_basis(transaction: Transaction, study: Study, graders: Graders) -> Basis:
    """Return what the patients of ``study``, which is locked, are graded by until the end."""
    key = (study_ranges, study.id)
    return transaction.read_once(key, lambda connection: read_basis(connection, study, graders))


def person_for(connection: Connection, basis: Basis, patient_id: int | None) -> Person:
    """Return the patient's sex and birth year, if the study's ranges can depend on them."""
    if patient_id is None or not basis.ranges.rows:
        return Person()
    return current_person(connection, patient_id)


def changed_grades(
    known: PatientState, basis: Basis, person: Person, now: datetime
) -> tuple[list[GradeRow], dict[str, list[GradeRow]]]:
    """Grade a patient's results; return the grades that are new, and all current ones by identity.

    Results of ``known`` may be new, too, recorded at ``now``: neither they nor the new grades have
    an ``id`` then.
    """
    versions, grader = known.results, basis.grader
    doubted = flag_doubts(versions, grader.names)
    stored = [version.recorded_at or now for version in versions]
    dated = flag_dates(doubted, stored, known.courses, known.died)
    labs = apply_ranges(dated, basis.ranges, person, grader.names)
    current: dict[str, list[GradeRow]] = {version.identity: [] for version in versions}
    entries = grade_patient(labs, known.courses, grader, basis.study.rules.window)
    keys = [
        (versions[e.index].identity, e.grade.term.name if e.grade.term else None) for e in entries
    ]
    superseded, dropped = _superseded(keys, known.grades)
    new: list[GradeRow] = []
    for entry, (identity, _), before in zip(entries, keys, superseded, strict=True):
        row = _grade_row(entry, labs[entry.index], grader)
        row.identity, row.result_id = identity, versions[entry.index].id
        if before is not None:
            same_result = before.result_id == row.result_id
            if same_result and _stored_columns(before) == _stored_columns(row):
                current[identity].append(before)
                continue
            row.supersedes_id = before.id
        new.append(row)
        current[identity].append(row)
    return [*new, *(_closing_row(row, grader) for row in dropped if row.term is not None)], current


def _superseded(
    keys: Sequence[tuple[str, str | None]], stored: Sequence[GradeRow]
) -> tuple[list[GradeRow | None], list[GradeRow]]:
    """Return for each new grade, given by identity and term, the stored grade that it supersedes
    (None: there is none), and the stored grades that no new one supersedes.

    That is the one for its term, else one of the same result for a term that it has no more. Of a
    result that is graded no more there may be several without a term.
    """
    waiting: dict[str, list[GradeRow]] = defaultdict(list)
    for row in stored:
        waiting[row.identity].append(row)
    same = [_take(waiting[identity], term) for identity, term in keys]
    superseded = [
        row or _take(waiting[identity], *(other.term for other in waiting[identity]))
        for row, (identity, _) in zip(same, keys, strict=True)
    ]
    return superseded, [row for rows in waiting.values() for row in rows]


def _take(rows: list[GradeRow], *terms: str | None) -> GradeRow | None:
    """Remove and return a result's grade for one of the terms, rather a term than none.

    Of several without a term it is that of the newest version: others close what is graded no more.
    """
    found = [row for row in rows if row.term in terms]
    taken = max(found, key=lambda row: (row.term is not None, row.result_id or 0), default=None)
    if taken is not None:
        rows.remove(taken)
    return taken


def _closing_row(row: GradeRow, grader: TermGrader) -> GradeRow:
    """Return the row that supersedes a grade whose term the edition lacks, if no grade does."""
    return replace(
        row,
        **_NO_GRADE,
        reason=Reason.UNKNOWN_ANALYTE.value,
        because="by its present rules the study grades the result for this term no more",
        flags=(),
        edition=grader.edition.name,
        criteria_sha256=grader.edition.sha256,
        software=__version__,
        supersedes_id=row.id,
        id=None,
    )


def _grade_row(entry: PatientGrade, lab: LabResult, grader: TermGrader) -> GradeRow:
    """Return one grade as it is stored, without the ids of patient and result."""
    row = GradeRow.of(entry, lab, grader)
    row.study_range, row.software = range_used(lab, entry.grade), __version__
    return row
