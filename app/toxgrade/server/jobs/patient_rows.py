"""The rows of a chunk by patient, read piece by piece; rows that are refused by themselves leave.

A chunk may be one patient with millions of rows, most of them unreadable: only those that may be
stored are kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, time
from typing import NamedTuple

import polars as pl

from toxgrade.errors import RequestError
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import lab_result
from toxgrade.grading.result import Course, LabResult
from toxgrade.server.jobs.validation import (
    AFTER_DEATH,
    Refusal,
    Texts,
    contradicting,
    refusal,
)
from toxgrade.server.records.change import Change
from toxgrade.server.records.identity import Loc, identity
from toxgrade.server.records.store_many import SentPatient

MOST_RESULTS = 100_000
"""A patient of an upload has at most so many results: some 20 a day for 35 years. More are those of
many patients whose column of patients was not recognised, and would take gigabytes of memory."""

PIECE = 1_000
"""About so many rows are settled in one transaction. On SQLite, where it stops all other writes, it
takes 40 ms, and less than 250 ms beside 16 busy clients on two cores."""

_TOO_MANY = Refusal("patient", "too-many-results")


@dataclass(slots=True)
class PatientRows:
    """The rows of one patient by their place in a frame: results, identities, refusals.

    ``refused`` are refused whatever is stored. ``change`` is what storing the others changes by the
    last plan, and ``declined`` those that this plan cannot store.
    """

    name: str | None
    courses: tuple[Course, ...]
    labs: dict[int, LabResult] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)
    declined: dict[int, Refusal] = field(default_factory=dict)
    change: Change | None = None
    _places: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labs)

    def sent(self) -> SentPatient | None:
        """Return what is to be stored; None: all rows are refused."""
        self._places = {}
        located = list[tuple[Loc, LabResult]]()
        for at, lab in self.labs.items():
            if at not in self.refused:
                self._places[at] = len(located)
                located.append((("rows", at), lab))
        if not located and self.labs:
            return None
        return SentPatient(self.name or "", tuple(located), self.courses or None)

    def take(self, planned: Change | RequestError) -> None:
        """Take a plan: the change, or the refusal of all rows that contradict what is stored."""
        self.declined, self.change = {}, None
        if isinstance(planned, RequestError):
            fault = planned.faults[0]
            refused = Refusal(str(fault.loc[-1]), fault.code)
            self.declined = dict.fromkeys(self._places, refused)
        else:
            self.change = planned
            late = (at for at, place in self._places.items() if planned.is_passed_over(place))
            self.declined = dict.fromkeys(late, AFTER_DEATH)

    def refusal(self, at: int) -> Refusal | None:
        """Return why a row is not stored; None: it is."""
        return self.refused.get(at) or self.declined.get(at)

    def grades(self, at: int) -> list[GradeRow]:
        """Return the grades of a row; none if it is refused."""
        return self.change.grades_of(self._places[at]) if self.change and at in self._places else []


class _Row(NamedTuple):
    """A row that was read."""

    patient: str | None
    courses: tuple[Course, ...]
    lab: LabResult
    refused: Refusal | None


class RefusedRows(NamedTuple):
    """Many rows of one piece of a chunk that are refused by themselves."""

    source: pl.DataFrame
    rows: PatientRows


class ChunkRows:
    """The rows of a chunk that may be stored, in ``source``, and their ``patients`` in order."""

    def __init__(self, grader: TermGrader) -> None:
        self._grader = grader
        self._counts = Counter[str | None]()
        self._patients: dict[str | None, PatientRows] = {}
        self._kept: list[pl.DataFrame] = []
        self.source = pl.DataFrame()

    @property
    def patients(self) -> list[PatientRows]:
        return [*self._patients.values()]

    def read(self, frames: Iterable[pl.DataFrame]) -> Iterator[RefusedRows]:
        """Read what ``Partition.read`` yields, and yield the refused rows where they are many."""
        for frame in frames:
            rows = [self._row(*row) for row in frame.select("read", *_DAYS).iter_rows()]
            alone = _refused_alone(frame["row"], rows)
            if len(alone) < PIECE:
                alone = []
            if alone:
                refused = PatientRows(None, ())
                refused.labs = {at: rows[place].lab for at, place in enumerate(alone)}
                reasons = enumerate(rows[place].refused for place in alone)
                refused.refused = {at: reason for at, reason in reasons if reason}
                yield RefusedRows(frame[alone], refused)
            leaving = set(alone)
            staying = [at for at in range(len(rows)) if at not in leaving]
            self._keep(frame[staying] if alone else frame, [rows[at] for at in staying])
        if self._kept:
            self.source = pl.concat(self._kept, rechunk=True)
        self._kept.clear()
        for patient in self.patients:
            self._compare(patient)

    def _row(
        self, texts: Texts, start: date | None, end: date | None, at: time | None,
        ongoing: bool | None, died: date | None,
    ) -> _Row:  # fmt: skip
        course = Course(start, end, ongoing=bool(ongoing), start_time=at)
        courses = (course,) if start or end else ()
        lab = lab_result(texts)
        refused = refusal(texts, lab, courses, died)
        if refused is None:
            self._counts[texts["patient"]] += 1
            if self._counts[texts["patient"]] > MOST_RESULTS:
                refused = _TOO_MANY
        return _Row(texts["patient"], courses, lab, refused)

    def _keep(self, frame: pl.DataFrame, rows: list[_Row]) -> None:
        first = sum(map(len, self._kept))
        self._kept.append(frame)
        for at, row in enumerate(rows, first):
            found = self._patients.setdefault(row.patient, PatientRows(row.patient, row.courses))
            found.labs[at] = row.lab
            if row.refused:
                found.refused[at] = row.refused

    def _compare(self, patient: PatientRows) -> None:
        """Refuse what only all rows of a patient show: too many, or one result twice."""
        storable = {at: lab for at, lab in patient.labs.items() if at not in patient.refused}
        if self._counts[patient.name] > MOST_RESULTS:
            patient.refused |= dict.fromkeys(storable, _TOO_MANY)
            return
        names = self._grader.names
        keys = {at: identity(lab, names) for at, lab in storable.items()}
        twice = contradicting(storable, keys, names)
        patient.refused |= dict.fromkeys(twice, Refusal("source_id", "two-contents"))


_DAYS = ("rt_start", "rt_end", "rt_start_time", "ongoing", "died")


def _refused_alone(numbers: pl.Series, rows: list[_Row]) -> list[int]:
    """Return the places of rows that are refused; of a row of several results, only if all are."""
    kept = {number for number, row in zip(numbers, rows, strict=True) if row.refused is None}
    return [
        at
        for at, (number, row) in enumerate(zip(numbers, rows, strict=True))
        if row.refused and number not in kept
    ]
