"""One chunk of a stored batch: its rows read, graded, stored, and written out again with grades.

Every patient is graded by the plain reading, as ``POST …/results`` does, so that what a batch
stores equals what the same rows give over HTTP, field by field, reasons included.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine

from app.batches.refusals import BECAUSE, Refusal, Texts, contradicting, refusal
from app.batches.rejects import COLUMN_OF
from app.errors import RequestError
from app.grading.one import Grader, Graders
from app.grading.result import Course, LabResult, Reason
from app.grading.rows import lab_result
from app.records.batches import Reject
from app.records.engine import reading
from app.records.identity import identity
from app.records.ranges import current_ranges
from app.records.store_many import (
    GradesOf,
    Sent,
    known_patients,
    merge_patient,
    prepare,
    store_new,
)
from app.records.studies import find_study, hold_study

_GRADED = {
    "term": pl.String, "grade": pl.Int8, "at_least": pl.Int8, "at_most": pl.Int8,
    "reason": pl.String, "flags": pl.String, "criterion": pl.String, "because": pl.String,
    "phase": pl.String, "on_treatment": pl.Boolean, "days_from_end": pl.Int32,
    "baseline_grade": pl.Int8, "worse_than_baseline": pl.Boolean, "edition": pl.String,
}  # fmt: skip
_OUT: dict[str, Any] = {"row": pl.Int64, **_GRADED, "stored": pl.Boolean}


@dataclass(slots=True)
class _Patient:
    """The rows of one patient: by row (from 1) the results with their identities, and those that
    cannot be stored.
    """

    name: str | None
    courses: tuple[Course, ...]
    labs: dict[int, LabResult] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)

    def sent(self) -> Sent | None:
        """What is to be stored; None: nothing."""
        rows = [row for row in self.labs if row not in self.refused]
        if not rows:
            return None
        located = tuple((("rows", row), self.labs[row]) for row in rows)
        keys = tuple(self.keys[row] for row in rows)
        return Sent(self.name or "", located, keys, self.courses or None)


class Chunk:
    """The rows of one chunk on their way into the database.

    ``frame``: as ``Partition.read`` gives it. Patients who are new to the study are graded at once,
    before any transaction, so that ``store`` holds the database no longer than it takes to write.
    """

    def __init__(self, frame: pl.DataFrame, engine: Engine, study: str, graders: Graders) -> None:
        self._frame = frame
        self._graders = graders
        with reading(engine).begin() as connection:
            self._study = find_study(connection, study)
            self._grader = graders.under(self._study.rules)
            self._ranges = current_ranges(connection, self._study)
            self._patients = _patients(frame, self._grader)
            sent = [found for patient in self._patients if (found := patient.sent())]
            known = known_patients(connection, self._study, [one.patient for one in sent])
        new = [one for one in sent if one.patient not in known]
        self._prepared = [prepare(one, self._study, self._ranges, self._grader) for one in new]

    def store(self, connection: Connection) -> "Outcome":
        """Store every row that can be, in one transaction; what came of each row.

        Raises:
            RulesChanged: the study's rules or ranges are no longer those it was graded under.
            Conflict: a patient who was new has come and been erased meanwhile.
        """
        study = hold_study(connection, self._study.name)
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
                graded[sent.patient] = merged
        return Outcome(self._frame, self._patients, graded, self._grader)


class RulesChanged(Exception):
    """The study was given other rules or ranges: the chunk is to be graded again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the rows of a chunk."""

    _frame: pl.DataFrame
    _patients: Sequence[_Patient]
    _graded: Mapping[str, GradesOf]
    _grader: Grader

    def rejects(self, named: Mapping[str, str]) -> list[Reject]:
        """The rows that cannot be read or stored as they are; ``named``: the input's columns."""
        lines = dict(self._frame.select("row", "line").iter_rows())
        found = []
        for patient, row, grades in self._rows():
            if refused := patient.refused.get(row):
                column, reason, stored = refused.column, refused.reason, False
            else:
                reason, stored = grades[0]["reason"], True
                if reason not in COLUMN_OF:
                    continue
                column = COLUMN_OF[Reason(reason)]
            found.append(Reject(row, lines[row], named.get(column, column), reason, stored))
        return sorted(found, key=lambda reject: reject.row)

    def frame(self) -> pl.DataFrame:
        """The input columns, then ours; one row per input row and term, in the file's order.

        ``row`` Int64 (from 1); ``term`` … ``edition`` as ``toxgrade grade`` gives them, and
        ``because``; ``stored`` Boolean: false where the row was refused, for ``reason``.
        """
        rows: list[tuple[Any, ...]] = []
        for patient, row, grades in self._rows():
            if refused := patient.refused.get(row):
                rows += self._refused(row, patient.labs[row], refused)
            else:
                rows += [(row, *(grade[name] for name in _GRADED), True) for grade in grades]
        ours = pl.DataFrame(rows, schema=_OUT, orient="row").sort("row", maintain_order=True)
        ours = ours.with_columns(pl.col("flags").replace("", None))
        columns = self._frame["given"].struct.fields
        clashless = [f"in_{name}" if name in _OUT else name for name in columns]
        given = self._frame.select("row", pl.col("given").struct.rename_fields(clashless))
        joined = given.unnest("given").join(ours, on="row", how="right", maintain_order="right")
        return joined.select(*clashless, *_OUT)

    def _rows(self) -> Iterator[tuple[_Patient, int, list[Any]]]:
        """Every row with its patient and its grades, which are empty where it was refused."""
        for patient in self._patients:
            for row, key in patient.keys.items():
                if row in patient.refused:
                    yield patient, row, []
                else:
                    yield patient, row, self._graded[patient.name or ""][key]

    def _refused(self, row: int, lab: LabResult, refused: Refusal) -> Iterator[tuple[Any, ...]]:
        terms: list[str | None] = [term.name for term in self._grader.terms(lab.analyte)]
        because = BECAUSE.get(refused.reason, "the patient's rows contradict what is stored")
        nothing = dict.fromkeys(_GRADED) | {
            "reason": refused.reason, "because": f"not stored: {because}", "phase": "unknown",
            "edition": self._grader.edition.name,
        }  # fmt: skip
        for term in terms or [None]:
            yield (row, *(nothing | {"term": term}).values(), False)


def _patients(frame: pl.DataFrame, grader: Grader) -> list[_Patient]:
    """The rows by patient, in the order in which patients first appear."""
    found: dict[str | None, _Patient] = {}
    for row, read, start, end in frame.select("row", "read", "rt_start", "rt_end").iter_rows():
        texts: Texts = read
        courses = (Course(start, end),) if start or end else ()
        patient = found.setdefault(texts["patient"], _Patient(texts["patient"], courses))
        patient.labs[row] = lab = lab_result(texts)
        patient.keys[row] = identity(lab, grader.names)
        if refused := refusal(texts, lab, courses):
            patient.refused[row] = refused
    for patient in found.values():
        storable = {row: lab for row, lab in patient.labs.items() if row not in patient.refused}
        for row in contradicting(storable, patient.keys, grader.names):
            patient.refused[row] = Refusal("source_id", "two-contents")
    return list(found.values())


def _refuse_all(patient: _Patient, error: RequestError) -> None:
    """A patient whose rows contradict what is stored of that patient."""
    fault = error.faults[0]
    for row in patient.labs:
        patient.refused.setdefault(row, Refusal(str(fault.loc[-1]), fault.code))
