"""One chunk of a stored batch: its rows are read, graded, stored, and written out with grades.

The plain grader grades every patient, as for ``POST …/results``, so that what a batch stores equals
what the same rows give over HTTP, field by field, reasons included.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine

from toxgrade.errors import RequestError
from toxgrade.exports.run_report import COLUMN_OF
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import lab_result
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders
from toxgrade.grading.unplaced import why_unplaced
from toxgrade.server.jobs.batches import Reject
from toxgrade.server.jobs.upload_store import PATIENT
from toxgrade.server.jobs.validation import (
    AFTER_DEATH,
    BECAUSE,
    Refusal,
    Texts,
    contradicting,
    refusal,
)
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.identity import identity
from toxgrade.server.records.store_many import (
    GradesOf,
    SentPatient,
    known_patients,
    merge_patient,
    prepare,
    store_new,
)
from toxgrade.server.records.studies import find_study, lock_study
from toxgrade.server.records.study_ranges import current_ranges
from toxgrade.tabular.table import CELL, FILLED, apart

_GRADED = {
    "term": pl.String, "grade": pl.Int8, "at_least": pl.Int8, "at_most": pl.Int8,
    "reason": pl.String, "flags": pl.String, "criterion": pl.String, "because": pl.String,
    "phase": pl.String, "on_treatment": pl.Boolean, "days_from_end": pl.Int32,
    "baseline_grade": pl.Int8, "worse_than_baseline": pl.Boolean, "edition": pl.String,
}  # fmt: skip
_OUT: dict[str, Any] = {**_GRADED, "stored": pl.Boolean}
_AT = "\x00at"


@dataclass(slots=True)
class _Patient:
    """The rows of one patient by their place in the chunk: results, identities, refusals."""

    name: str | None
    courses: tuple[Course, ...]
    labs: dict[int, LabResult] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)

    def sent(self) -> SentPatient | None:
        """Return what is to be stored; None: nothing."""
        places = [at for at in self.labs if at not in self.refused]
        if not places:
            return None
        located = tuple((("rows", at), self.labs[at]) for at in places)
        keys = tuple(self.keys[at] for at in places)
        return SentPatient(self.name or "", located, keys, self.courses or None)


class StoredChunk:
    """The rows of one chunk on their way into the database.

    ``frame`` is what ``Partition.read`` returns. Patients who are new to the study are graded here,
    outside any write transaction, so that ``store`` holds the database only while it writes.
    """

    def __init__(self, frame: pl.DataFrame, engine: Engine, study: str, graders: Graders) -> None:
        self._frame = frame
        self._graders = graders
        with read_only(engine).begin() as connection:
            self._study = find_study(connection, study)
            self._grader = graders.for_rules(self._study.rules)
            self._ranges = current_ranges(connection, self._study)
            self._patients = _patients(frame, self._grader)
            sent = [found for patient in self._patients if (found := patient.sent())]
            known = known_patients(connection, self._study, [one.patient for one in sent])
        new = [one for one in sent if one.patient not in known]
        self._prepared = [prepare(one, self._study, self._ranges, self._grader) for one in new]

    def store(self, connection: Connection) -> "Outcome":
        """Store every row that can be stored, in one transaction, and return the outcome.

        Raises:
            RulesChanged: the study's rules or ranges are no longer those that grading used.
            Conflict: a new patient was added and erased meanwhile.
        """
        study = lock_study(connection, self._study.name)
        ranges = current_ranges(connection, study)
        if (study.rules, ranges.rows) != (self._study.rules, self._ranges.rows):
            raise RulesChanged
        graded = store_new(connection, study, self._prepared)
        others = [one for one in self._patients if one.name not in graded]
        for patient in sorted(others, key=lambda one: one.name or ""):
            sent = patient.sent()
            if sent is None:
                continue
            merged = merge_patient(connection, study, sent, self._graders)
            if isinstance(merged, RequestError):
                _refuse_all(patient, merged)
            else:
                graded[sent.patient], after_death = merged
                patient.refused |= {int(loc[1]): AFTER_DEATH for loc in after_death}
        return Outcome(self._frame, self._patients, graded, self._grader)


class RulesChanged(Exception):
    """The study was given other rules or ranges, so that the chunk must be graded again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the rows of a chunk."""

    _frame: pl.DataFrame
    _patients: Sequence[_Patient]
    _graded: Mapping[str, GradesOf]
    _grader: TermGrader

    def rejects(self, named: Mapping[str, str]) -> list[Reject]:
        """Return rows that cannot be read or stored as they are, by the input's names ``named``."""
        places = self._frame.select("row", "line").rows()
        read = self._frame["read"].struct
        cells = read.field(CELL) if CELL in read.fields else None
        found = []
        for patient, at, grades in self._rows():
            if refused := patient.refused.get(at):
                column, reason, stored = refused.column, refused.reason, False
            else:
                reason, stored = grades[0]["reason"], True
                if reason not in COLUMN_OF:
                    continue
                column = COLUMN_OF[Reason(reason)]
            row, line = places[at]
            where = named.get(column) or (column if cells is None else cells[at])
            found.append(Reject(row, line, where, reason, stored))
        return sorted(found, key=lambda reject: reject.row)

    def phase_unknown(self) -> Counter[str]:
        """Return the number of gradings with a grade or bounds, but without a phase, by reason."""
        return Counter(
            why_unplaced(
                patient.labs[at].collected, grade["flags"].split(),
                treated=grade["course"] is not None,
            )
            for patient, at, grades in self._rows()
            for grade in grades
            if grade["phase"] == "unknown" and grade["at_least"] is not None
        )  # fmt: skip

    def frame(self) -> pl.DataFrame:
        """Return the input columns and ours; one row per input row and term, in the file's order.

        Ours are ``row`` Int64 (from 1); ``term`` … ``edition`` as ``toxgrade grade`` gives them,
        and ``because``; ``stored`` Boolean, false where the row was refused, for ``reason``; and
        last ``PATIENT`` String, the patient of the row.
        """
        rows: list[tuple[Any, ...]] = []
        for patient, at, grades in self._rows():
            if refused := patient.refused.get(at):
                rows += self._refused(at, patient.labs[at], refused)
            else:
                rows += [(at, *(grade[name] for name in _GRADED), True) for grade in grades]
        schema = {_AT: pl.UInt32, **_OUT}
        ours = pl.DataFrame(rows, schema=schema, orient="row").sort(_AT, maintain_order=True)
        ours = ours.with_columns(pl.col("flags").replace("", None))
        ours = self._flag_filled(ours)
        given = self._frame["given"].struct.unnest()
        given = given.rename(apart(given.columns, ("row", *_OUT)))
        places = ours.drop_in_place(_AT)
        whose = self._frame["read"].struct.field("patient").alias(PATIENT)
        return given[places].hstack([self._frame["row"][places], *ours, whose[places]])

    def _flag_filled(self, ours: pl.DataFrame) -> pl.DataFrame:
        """Return our columns with the flag of rows that were filled down."""
        read = self._frame["read"].struct
        if FILLED not in read.fields:
            return ours
        flags = pl.concat_str(
            "flags", pl.lit(Flag.FILLED_DOWN.value), separator=" ", ignore_nulls=True
        )
        filled = read.field(FILLED).gather(ours[_AT]).is_not_null()
        return ours.with_columns(pl.when(filled).then(flags).otherwise("flags").alias("flags"))

    def _rows(self) -> Iterator[tuple[_Patient, int, list[Any]]]:
        """Yield every row's patient, place and grades; no grades where the row was refused."""
        for patient in self._patients:
            for at, key in patient.keys.items():
                if at in patient.refused:
                    yield patient, at, []
                else:
                    yield patient, at, self._graded[patient.name or ""][key]

    def _refused(self, at: int, lab: LabResult, refused: Refusal) -> Iterator[tuple[Any, ...]]:
        terms: list[str | None] = [term.name for term in self._grader.terms(lab.analyte)]
        because = BECAUSE.get(refused.reason, "the patient's rows contradict what is stored")
        ungraded = dict.fromkeys(_GRADED) | {
            "reason": refused.reason, "because": f"not stored: {because}", "phase": "unknown",
            "edition": self._grader.edition.name,
        }  # fmt: skip
        for term in terms or [None]:
            yield (at, *(ungraded | {"term": term}).values(), False)


def _patients(frame: pl.DataFrame, grader: TermGrader) -> list[_Patient]:
    """Return the rows by patient, in the order in which patients first appear."""
    found: dict[str | None, _Patient] = {}
    days = ("rt_start", "rt_end", "rt_start_time", "died")
    rows = frame.select("read", *days).iter_rows()
    for at, (read, start, end, time, died) in enumerate(rows):
        texts: Texts = read
        courses = (Course(start, end, start_time=time),) if start or end else ()
        patient = found.setdefault(texts["patient"], _Patient(texts["patient"], courses))
        patient.labs[at] = lab = lab_result(texts)
        patient.keys[at] = identity(lab, grader.names)
        if refused := refusal(texts, lab, courses, died):
            patient.refused[at] = refused
    for patient in found.values():
        storable = {at: lab for at, lab in patient.labs.items() if at not in patient.refused}
        for at in contradicting(storable, patient.keys, grader.names):
            patient.refused[at] = Refusal("source_id", "two-contents")
    return list(found.values())


def _refuse_all(patient: _Patient, error: RequestError) -> None:
    """Refuse all rows of a patient, because they contradict what is stored of that patient."""
    fault = error.faults[0]
    for at in patient.labs:
        patient.refused.setdefault(at, Refusal(str(fault.loc[-1]), fault.code))
