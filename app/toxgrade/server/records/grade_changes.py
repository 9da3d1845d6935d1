"""What grading a patient's results changes in the grades stored; nothing is written here."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from toxgrade import __version__
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import LabResult, PatientGrade
from toxgrade.grading.rules import Graders
from toxgrade.grading.study_ranges import Person, RangeTable
from toxgrade.server.records.current_state import stored_result
from toxgrade.server.records.db.tables import grades
from toxgrade.server.records.doubts import flag_dates, flag_doubts
from toxgrade.server.records.new_rows import GradeOfResult
from toxgrade.server.records.patient_state import GradeRow, PatientState
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import (
    apply_ranges,
    current_person,
    current_ranges,
    range_used,
)
from toxgrade.server.records.version_index import Version


@dataclass(frozen=True, slots=True)
class Basis:
    """What the patients of a study are graded by: its rules with their grader, and its ranges."""

    study: Study
    grader: TermGrader
    ranges: RangeTable


def read_basis(connection: Connection, study: Study, graders: Graders) -> Basis:
    """Return what the patients of ``study`` are graded by now."""
    return Basis(study, graders.for_rules(study.rules), current_ranges(connection, study))


def person_for(connection: Connection, basis: Basis, patient_id: int | None) -> Person:
    """Return the patient's sex and birth year, if the study's ranges can depend on them."""
    if patient_id is None or not basis.ranges.rows:
        return Person()
    return current_person(connection, patient_id)


def version_of(row: Mapping[str, Any]) -> Version:
    """Return a stored result as a version."""
    return Version(row["identity"], row["version"], stored_result(row))


def changed_grades(
    known: PatientState, versions: Sequence[Version], basis: Basis, person: Person
) -> tuple[list[GradeOfResult], dict[str, list[GradeRow]]]:
    """Grade a patient's results; return the grades that are new, and all current ones by identity.

    ``versions`` are the results of ``known``, in their order. A result that is not stored yet has
    no ``id`` and no ``recorded_at``, and neither have the new grades.
    """
    rows, grader, now = known.results, basis.grader, datetime.now(UTC)
    doubted = flag_doubts(versions, grader.names)
    stored = [row.get("recorded_at", now) for row in rows]
    dated = flag_dates(doubted, stored, known.courses, known.died)
    labs = apply_ranges(dated, basis.ranges, person, grader.names)
    current: dict[str, list[GradeRow]] = {version.identity: [] for version in versions}
    entries = grade_patient(labs, known.courses, grader, basis.study.rules.window)
    keys = [
        (versions[e.index].identity, e.grade.term.name if e.grade.term else None) for e in entries
    ]
    superseded, dropped = _superseded(keys, known.grades)
    new: list[GradeOfResult] = []
    for entry, (identity, _), before in zip(entries, keys, superseded, strict=True):
        graded, result = grade_row(entry, labs[entry.index], grader), rows[entry.index]
        if before is not None:
            same_result = before["result_id"] == result.get("id")
            if same_result and all(before[name] == graded[name] for name in graded):
                current[identity].append(before)
                continue
        graded["supersedes_id"] = before["id"] if before else None
        new.append((graded, result))
        current[identity].append(graded)
    closing = [_closing_row(row, grader) for row in dropped if row["term"] is not None]
    return [*new, *((row, {"id": row["result_id"]}) for row in closing)], current


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
        waiting[row["identity"]].append(row)
    same = [_take(waiting[identity], term) for identity, term in keys]
    superseded = [
        row or _take(waiting[identity], *(other["term"] for other in waiting[identity]))
        for row, (identity, _) in zip(same, keys, strict=True)
    ]
    return superseded, [row for rows in waiting.values() for row in rows]


def _take(rows: list[GradeRow], *terms: str | None) -> GradeRow | None:
    """Remove and return a result's grade for one of the terms, rather a term than none."""
    found = [row for row in rows if row["term"] in terms]
    taken = next((row for row in found if row["term"] is not None), found[0] if found else None)
    if taken is not None:
        rows.remove(taken)
    return taken


def _closing_row(row: GradeRow, grader: TermGrader) -> dict[str, Any]:
    """Return the row that supersedes a grade whose term the edition lacks, if no grade does."""
    no_grade = (
        "term", "meddra", "soc", "grade", "at_least", "at_most", "criterion", "baseline_grade",
        "worse_than_baseline", "study_range",
    )  # fmt: skip
    columns = {c.name: row[c.name] for c in grades.c if c.name in row and c.name != "id"}
    return (
        columns
        | dict.fromkeys(no_grade)
        | {
            "reason": Reason.UNKNOWN_ANALYTE.value,
            "because": "by its present rules the study grades the result for this term no more",
            "flags": "",
            "edition": grader.edition.name,
            "criteria_sha256": grader.edition.sha256,
            "software": __version__,
            "supersedes_id": row["id"],
        }
    )


def grade_row(entry: PatientGrade, lab: LabResult, grader: TermGrader) -> dict[str, Any]:
    """Return one grade's columns as they are stored, without the ids of patient and result."""
    grade, term = entry.grade, entry.grade.term
    analyte = grader.names.analyte(lab.analyte)
    return {
        "collected_on": lab.collected.first if lab.collected else None,
        "analyte": analyte.name if analyte else lab.analyte,
        "term": term.name if term else None,
        "meddra": term.meddra if term else None,
        "soc": term.soc if term else None,
        "grade": grade.grade,
        "at_least": grade.at_least,
        "at_most": grade.at_most,
        "reason": grade.reason.value if grade.reason else None,
        "criterion": grade.criterion,
        "because": grade.because,
        "flags": " ".join(grade.flags),
        "phase": entry.phase,
        "on_treatment": entry.on_treatment,
        "days_from_end": entry.days_from_end,
        "course": entry.course,
        "baseline_grade": entry.baseline_grade,
        "worse_than_baseline": entry.worse_than_baseline,
        "study_range": range_used(lab, grade),
        "edition": grader.edition.name,
        "criteria_sha256": grader.edition.sha256,
        "software": __version__,
    }
