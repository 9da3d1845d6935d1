"""A study's own reference ranges with their history, and the sex and birth year they depend on."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, select

from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.flags import Flag
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.result import Grade, LabResult
from toxgrade.grading.study_ranges import Person, RangeTable
from toxgrade.grading.units import Names
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.direct import Prepared
from toxgrade.server.records.db.newest import newest_first
from toxgrade.server.records.db.tables import demographics, study_ranges
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.studies import Study

_RANGES = Prepared(
    select(study_ranges.c.ranges)
    .where(study_ranges.c.study_id == bindparam("study"))
    .order_by(newest_first(study_ranges))
    .limit(1)
)


def current_ranges(connection: Connection, study: Study) -> RangeTable:
    """Return the study's table of ranges as last recorded; empty if there is none."""
    (document,) = _RANGES.first(connection, {"study": study.id}) or ("[]",)
    return RangeTable(read_range(row) for row in json.loads(document))


def save_ranges(transaction: Transaction, study: Study, table: RangeTable) -> None:
    """Record a table of ranges; the earlier one stays readable."""
    document = json.dumps([range_document(row) for row in table.rows])
    row = {"study_id": study.id, "ranges": document, "recorded_at": transaction.runtime.now()}
    append(transaction, study_ranges, [row])


def range_document(row: StudyRange) -> dict[str, Any]:
    """Return a range as it is stored and shown: numbers as text, dates as ISO 8601."""
    return asdict(row) | {
        "lln": to_plain_text(row.lln),
        "uln": to_plain_text(row.uln),
        "valid_from": row.valid_from.isoformat() if row.valid_from else None,
    }


def read_range(document: dict[str, Any]) -> StudyRange:
    """Return the range of a document that ``range_document`` wrote."""
    lln, uln, since = (document[name] for name in ("lln", "uln", "valid_from"))
    numbers = {"lln": lln and Decimal(lln), "uln": uln and Decimal(uln)}
    return StudyRange(**document | numbers | {"valid_from": since and date.fromisoformat(since)})


def with_study_ranges(
    connection: Connection, study: Study, patient_id: int, labs: Sequence[LabResult], names: Names
) -> list[LabResult]:
    """Return a patient's results, each with the study's range that applies to it."""
    table = current_ranges(connection, study)
    if not table.rows:
        return list(labs)
    return apply_ranges(labs, table, current_person(connection, patient_id), names)


def apply_ranges(
    labs: Sequence[LabResult], table: RangeTable, person: Person, names: Names
) -> list[LabResult]:
    """Return the results of one person, each with the range of ``table`` that applies to it."""
    if not table.rows:
        return list(labs)
    found = []
    for lab in labs:
        analyte = names.analyte(lab.analyte)
        own = analyte and table.choose(analyte.name, lab.lab, lab.collected, person)
        found.append(replace(lab, study_range=own) if own else lab)
    return found


def range_used(lab: LabResult, grade: Grade) -> str | None:
    """Return the study's range as JSON if the grade was made with it, else None."""
    used = lab.study_range if Flag.RANGE_FROM_STUDY in grade.flags else None
    return json.dumps(range_document(used)) if used else None


def with_own_range(row: GradeRow) -> GradeRow:
    """Return a stored grade with the study's own range as its limits, where that was used."""
    if row.study_range is None:
        return row
    used = json.loads(row.study_range)
    return replace(row, lln=used["lln"], uln=used["uln"], limit_unit=used["unit"])


def current_person(connection: Connection, patient_id: int) -> Person:
    """Return the patient's sex and birth year as last recorded."""
    row = connection.execute(
        select(demographics.c.sex, demographics.c.birth_year)
        .where(demographics.c.patient_id == patient_id)
        .order_by(newest_first(demographics))
        .limit(1)
    ).first()
    return Person(*row) if row else Person()


def save_person(transaction: Transaction, patient_id: int, person: Person, before: Person) -> None:
    """Record sex and birth year unless they equal those from before."""
    if person != before:
        row = {
            "patient_id": patient_id,
            "sex": person.sex,
            "birth_year": person.birth_year,
            "recorded_at": transaction.runtime.now(),
        }
        append(transaction, demographics, [row])
