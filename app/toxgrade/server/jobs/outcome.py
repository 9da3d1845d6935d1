"""What came of rows of a chunk: the graded rows, the rejects, the counts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import polars as pl

from toxgrade.exports.run_report import COLUMN_OF
from toxgrade.grading.columns.output import BATCH_SCHEMA
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.result import LabResult
from toxgrade.grading.unplaced import why_unplaced
from toxgrade.server.jobs.patient_rows import PatientRows
from toxgrade.server.jobs.rejects import Reject
from toxgrade.server.jobs.upload_store import PATIENT
from toxgrade.server.jobs.validation import BECAUSE, Refusal
from toxgrade.tabular.table import CELL, FILLED, apart

_OUT: dict[str, type[pl.DataType]] = {**BATCH_SCHEMA, "stored": pl.Boolean}
_values = attrgetter(*BATCH_SCHEMA)
_AT = "\x00at"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of ``rows``, each given by its patient and its place in ``source``."""

    source: pl.DataFrame
    rows: Sequence[tuple[PatientRows, int]]
    grader: TermGrader

    def rejects(self, named: Mapping[str, str]) -> list[Reject]:
        """Return rows that cannot be read or stored as they are, by the input's names ``named``."""
        lines, numbers = self.source["line"], self.source["row"]
        read = self.source["read"].struct
        cells = read.field(CELL) if CELL in read.fields else None
        found = []
        for patient, at in self.rows:
            if refused := patient.refusal(at):
                column, reason, stored = refused.column, refused.reason, False
            else:
                reason, stored = patient.grades(at)[0].reason or "", True
                if reason not in COLUMN_OF:
                    continue
                column = COLUMN_OF[Reason(reason)]
            where = named.get(column) or (column if cells is None else cells[at])
            found.append(Reject(numbers[at], lines[at], where, reason, stored))
        return sorted(found, key=lambda reject: reject.row)

    def phase_unknown(self) -> Counter[str]:
        """Return the number of gradings with a grade or bounds, but without a phase, by reason."""
        return Counter(
            why_unplaced(
                patient.labs[at].collected, grade.flags, treated=grade.course is not None
            )
            for patient, at in self.rows
            for grade in patient.grades(at)
            if grade.phase == "unknown" and grade.at_least is not None
        )  # fmt: skip

    def frame(self) -> pl.DataFrame:
        """Return the input columns and ours; one row per input row and term, in the file's order.

        Ours are ``row`` Int64 (from 1); ``term`` … ``edition`` as ``toxgrade grade`` gives them,
        and ``because``; ``stored`` Boolean, false where the row was refused, for ``reason``; and
        last ``PATIENT`` String, the patient of the row.
        """
        rows: list[tuple[Any, ...]] = []
        for patient, at in self.rows:
            if refused := patient.refusal(at):
                rows += self._refused(at, patient.labs[at], refused)
            else:
                rows += [(at, *_values(grade), True) for grade in patient.grades(at)]
        kinds: dict[str, pl.DataType | type[pl.DataType]] = {_AT: pl.UInt32, **_OUT}
        schema = kinds | {"flags": pl.List(pl.String)}
        ours = pl.DataFrame(rows, schema=schema, orient="row").sort(_AT, maintain_order=True)
        ours = ours.with_columns(pl.col("flags").list.join(" ").replace("", None))
        places = ours.drop_in_place(_AT)
        read = self.source[places]
        ours = _flag_filled(ours, read)
        given = read["given"].struct.unnest()
        given = given.rename(apart(given.columns, ("row", *_OUT)))
        whose = read["read"].struct.field("patient").alias(PATIENT)
        return given.hstack([read["row"], *ours, whose])

    def _refused(self, at: int, lab: LabResult, refused: Refusal) -> Iterator[tuple[Any, ...]]:
        terms: list[str | None] = [term.name for term in self.grader.terms(lab.analyte)]
        because = BECAUSE.get(refused.reason, "the patient's rows contradict what is stored")
        ungraded = dict.fromkeys(BATCH_SCHEMA) | {
            "reason": refused.reason, "because": f"not stored: {because}", "phase": "unknown",
            "edition": self.grader.edition.name,
        }  # fmt: skip
        for term in terms or [None]:
            yield (at, *(ungraded | {"term": term}).values(), False)


def _flag_filled(ours: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Return our columns with the flag of rows of ``frame`` that were filled down."""
    read = frame["read"].struct
    if FILLED not in read.fields:
        return ours
    flags = pl.concat_str("flags", pl.lit(Flag.FILLED_DOWN.value), separator=" ", ignore_nulls=True)
    filled = read.field(FILLED).is_not_null()
    return ours.with_columns(pl.when(filled).then(flags).otherwise("flags").alias("flags"))
