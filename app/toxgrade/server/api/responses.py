"""Grades as callers see them: the models of the answers, and the functions that fill them."""

import json
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Described
from pydantic.config import JsonDict

from toxgrade.grading.fields import FIELDS, Field, GradedResult, GradeRow
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.result import LabResult, PatientGrade
from toxgrade.grading.summary import Graded, TermSummary, summarise
from toxgrade.server.records.study_ranges import with_own_range

_EXAMPLE: JsonDict = {
    "analyte": "bilirubin", "term": "Blood bilirubin increased", "meddra": "10005364",
    "soc": "Investigations", "grade": 1, "at_least": 1, "at_most": 1, "reason": None,
    "criterion": ">ULN - 1.5 x ULN",
    "because": "1.8 mg/dL is 1.5 x ULN (1.2 mg/dL): above 1 x ULN, not above 1.5 x ULN",
    "phase": "acute", "on_treatment": False, "days_from_end": 45, "baseline_grade": 0,
    "worse_than_baseline": True, "flags": [], "collected": "2011-04-23", "value": "1.8",
    "unit": "mg/dL", "lln": "0.2", "uln": "1.2", "limit_unit": None, "source_id": "LAB-1",
    "status": "final", "edition": "4.03", "criteria_sha256": "0" * 64,
}  # fmt: skip


class StudyRangeAnswer(BaseModel):
    """A row of a study's own reference ranges; null: no such limit, or no matter which."""

    analyte: str
    lln: str | None
    uln: str | None
    unit: str
    lab: str | None
    sex: Literal["female", "male"] | None
    age_from: int | None
    age_to: int | None
    valid_from: str | None


_JSON: dict[str, Any] = {
    "reason": Reason | None, "phase": str, "flags": list[str],
    "study_range": StudyRangeAnswer | None, "recorded_at": str,
}  # fmt: skip
"""The types of what the API shows otherwise than a row holds it."""


def _described(fields: Iterable[Field]) -> dict[str, Any]:
    """Return the types of the columns that the API shows, each described as in the list."""
    return {
        name: Annotated[
            _JSON.get(name, hint if about.null else kind),
            Described(description=f"{about.holds}; null: {about.null}".removesuffix("; null: ")),
        ]
        for name, kind, hint, about in fields
        if about.shown
    }


class GradeAnswer(BaseModel):
    """One result graded for one term: the interval that what is known allows, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    __annotations__ = _described(FIELDS[: len(GradedResult.__struct_fields__)])


class StoredGradeAnswer(GradeAnswer):
    """A stored grade: which one it replaced, when it was made and by which software.

    Where the study's own range was used (flag ``range-from-study``), ``lln``, ``uln`` and
    ``limit_unit`` are those of ``study_range``, the row of its table; else that is null.
    """

    __annotations__ = _described(FIELDS[len(GradedResult.__struct_fields__) :])


class SummaryAnswer(BaseModel):
    """One term of one patient: baseline, worst acute and worst late grade."""

    model_config = ConfigDict(from_attributes=True)
    __annotations__ = TermSummary.__annotations__


class PanelAnswer(BaseModel):
    """The grades of a panel: the results in the order given, then the baseline entries."""

    edition: str
    grades: list[GradeAnswer]
    summary: list[SummaryAnswer]


class StoredPanelAnswer(BaseModel):
    """The current grades of the results that were sent; the summary of all the patient has."""

    study: str
    patient: str
    edition: str
    grades: list[StoredGradeAnswer]
    summary: list[SummaryAnswer]


class GradePage(BaseModel):
    """A page of grades; ``next`` is the cursor of the following page, null on the last."""

    grades: list[StoredGradeAnswer]
    next: str | None


def panel(
    labs: Sequence[LabResult], entries: Sequence[PatientGrade], grader: TermGrader
) -> dict[str, Any]:
    """Return the answer to a panel that was graded without storing it."""
    return {
        "edition": grader.edition.name,
        "grades": [GradedResult.of(entry, labs[entry.index], grader) for entry in entries],
        "summary": summarise(Graded.of(entry) for entry in entries),
    }


_shown = attrgetter(*StoredGradeAnswer.model_fields)


def stored(row: GradeRow) -> dict[str, Any]:
    """Return a stored grade as it is shown."""
    answer = dict(zip(StoredGradeAnswer.model_fields, _shown(with_own_range(row)), strict=True))
    answer["study_range"] = json.loads(row.study_range) if row.study_range else None
    assert row.recorded_at is not None, "it is stored"
    answer["recorded_at"] = row.recorded_at.isoformat()
    return answer
