"""The SYNTHETIC cohort of 25 patients, loaded as study ``demo``.

It was built to reproduce the counts of Table 2 of Pei et al., J Int Med Res 2020;48(4), doi
10.1177/0300060519892382. No row is a real patient's.
"""

import csv
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib.resources import files
from itertools import groupby

from toxgrade.criteria.reader import load
from toxgrade.criteria.vocabulary import Vocabulary, load_vocabularies
from toxgrade.grading.event import Event, term_to_grade
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.result import GRADED_STATUSES, Course, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.audit_log import audited_transaction
from toxgrade.server.records.change import Submission
from toxgrade.server.records.current_state import FollowUp, VitalStatus
from toxgrade.server.records.patient_record import PatientRecord, put_patient, store_event
from toxgrade.server.records.patients import lock_patient
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import list_patients, save_study

STUDY = "demo"


def load_demo(url: str) -> None:
    """Create the study ``demo`` with its results and events, unless it already holds patients."""
    graders = Graders(load())
    with audited_transaction(url, "toxgrade", "load the synthetic cohort", STUDY) as transaction:
        study = save_study(transaction, STUDY, Rules(), synthetic=True).study
        if not list_patients(transaction.read(), study, 1, None):
            for submission in submissions():
                store(transaction, submission, graders)
            for row in _rows("patients.csv"):
                record = PatientRecord(None, _follow_up(row))
                put_patient(transaction, STUDY, row["patient_id"], record, graders)
            vocabulary = load_vocabularies()[study.rules.edition]
            for row in _rows("clinical.csv"):
                patient_id = lock_patient(transaction, study, row["patient_id"]).id
                store_event(transaction, patient_id, _event(row, vocabulary))


def submissions() -> Iterator[Submission]:
    """Yield what a laboratory would have sent, by patient: first the results it later corrected."""
    courses = {row["patient_id"]: _course(row) for row in _rows("patients.csv")}
    for patient, rows in groupby(_rows("labs.csv"), lambda row: row["patient_id"]):
        sent = [_result(row) for row in rows]
        corrected = [result for result in sent if result.status not in GRADED_STATUSES]
        final = [result for result in sent if result.status in GRADED_STATUSES]
        for results in (corrected, final):
            located = tuple((("results", i), result) for i, result in enumerate(results))
            yield Submission(STUDY, patient, located, (courses[patient],))


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("toxgrade.demo") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _course(row: dict[str, str]) -> Course:
    return Course(date.fromisoformat(row["rt_start"]), date.fromisoformat(row["rt_end"]))


def _follow_up(row: dict[str, str]) -> FollowUp:
    status: VitalStatus = "dead" if row["vital_status"] == "dead" else "alive"
    return FollowUp(date.fromisoformat(row["last_contact"]), status, row["death_cause"] or None)


def _event(row: dict[str, str], vocabulary: Vocabulary) -> Event:
    grade = int(row["grade"])
    term = term_to_grade(vocabulary, row["ctcae_term"], grade)
    return Event(term, grade, read_collected(row["date"]))


def _result(row: dict[str, str]) -> LabResult:
    """Return a row as a result; the specimen and analyte tell a correction from a new result."""
    return LabResult(
        analyte=row["analyte"],
        value=read_value(row["comparator"] + row["value"]) if row["value"] else None,
        unit=row["unit"] or None,
        lln=Decimal(row["lln"]) if row["lln"] else None,
        uln=Decimal(row["uln"]) if row["uln"] else None,
        collected=read_collected(row["date"]),
        status=row["status"],
        source_id=row["specimen_id"],
    )
