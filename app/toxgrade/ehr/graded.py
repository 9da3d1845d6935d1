"""A grade as the EHR doors tell it, whether it was just made or is stored."""

import json
from dataclasses import dataclass
from typing import Any, Self

from toxgrade.criteria.model import Term
from toxgrade.grading.grader import Grader
from toxgrade.grading.result import LabResult, PatientGrade, plain
from toxgrade.server.records.patient_state import GradeRow


@dataclass(frozen=True, slots=True)
class Graded:
    """One result graded for one term; fields as in ``Grade`` and ``PatientGrade``.

    ``lln`` and ``uln`` are the limits used, as written, in ``limit_unit``.
    """

    term: Term | None
    grade: int | None
    at_least: int | None
    at_most: int | None
    reason: str | None
    criterion: str | None
    because: str
    flags: tuple[str, ...]
    phase: str
    on_treatment: bool | None
    days_from_end: int | None
    course: int | None
    baseline_grade: int | None
    worse_than_baseline: bool | None
    lln: str | None
    uln: str | None
    limit_unit: str | None

    @classmethod
    def fresh(cls, entry: PatientGrade, lab: LabResult) -> Self:
        """From a grade that was not stored."""
        grade = entry.grade
        return cls(
            term=grade.term,
            grade=grade.grade,
            at_least=grade.at_least,
            at_most=grade.at_most,
            reason=grade.reason.value if grade.reason else None,
            criterion=grade.criterion,
            because=grade.because,
            flags=tuple(grade.flags),
            phase=entry.phase,
            on_treatment=entry.on_treatment,
            days_from_end=entry.days_from_end,
            course=entry.course,
            baseline_grade=entry.baseline_grade,
            worse_than_baseline=entry.worse_than_baseline,
            lln=plain(lab.lln),
            uln=plain(lab.uln),
            limit_unit=lab.limit_unit or lab.unit,
        )

    @classmethod
    def stored(cls, row: GradeRow, grader: Grader) -> Self:
        """From a stored grade, with the study's own range where that was used."""
        terms = {term.name: term for term in grader.edition.terms}
        shared: dict[str, Any] = {
            name: row[name]
            for name in (
                "grade", "at_least", "at_most", "reason", "criterion", "because", "phase",
                "on_treatment", "days_from_end", "course", "baseline_grade", "worse_than_baseline",
            )
        }  # fmt: skip
        used = json.loads(row["study_range"]) if row["study_range"] else row
        unit = used["unit"] if row["study_range"] else row["limit_unit"] or row["unit"]
        return cls(
            term=terms.get(row["term"]),
            flags=tuple(row["flags"].split()),
            lln=used["lln"],
            uln=used["uln"],
            limit_unit=unit,
            **shared,
        )
