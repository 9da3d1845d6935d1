"""Grades as callers see them: the models of the answers, and the functions that fill them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any

import msgspec
from msgspec.structs import astuple
from pydantic import BaseModel
from pydantic import Field as Described

from toxgrade.cohort.described import answer, described
from toxgrade.grading.fields import FIELDS, Field, GradedResult, GradeRow
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.reference_ranges import Sex
from toxgrade.grading.result import LabResult, PatientGrade
from toxgrade.grading.summary import Graded, summarise
from toxgrade.server.http.document import NEXT
from toxgrade.server.records.study_ranges import with_own_range

_EXAMPLE: dict[str, object] = {
    "analyte": "bilirubin", "term": "Blood bilirubin increased", "meddra": "10005364",
    "soc": "Investigations", "grade": 1, "at_least": 1, "at_most": 1, "reason": None,
    "criterion": ">ULN - 1.5 x ULN",
    "because": "1.8 mg/dL is 1.5 x ULN (1.2 mg/dL): above 1 x ULN, not above 1.5 x ULN",
    "phase": "acute", "on_treatment": False, "days_from_end": 45, "baseline_grade": 0,
    "worse_than_baseline": True, "flags": [], "collected": "2011-04-23", "value": "1.8",
    "unit": "mg/dL", "lln": "0.2", "uln": "1.2", "limit_unit": None, "source_id": "LAB-1",
    "status": "final", "specimen": "serum", "indicator": "H", "edition": "4.03",
    "criteria_sha256": "ab" * 32, "id": 7, "supersedes_id": None, "lab": "North",
    "study_range": None, "recorded_at": "2026-11-30T09:15:00+00:00", "software": "0.2.0",
}  # fmt: skip


@answer
class StudyRangeAnswer:
    """A row of a study's own reference ranges."""

    analyte: str = described("The analyte, by our name.", "ALT")
    lln: str | None = described("The lower limit of normal, in `unit`; null: none.", None)
    uln: str | None = described("The upper limit of normal, in `unit`; null: none.", "34")
    unit: str = described("Of both limits.", "U/L")
    lab: str | None = described("Only for results of this laboratory; null: of any.", None)
    sex: Sex | None = described("Only for patients of this sex; null: of any.", "female")
    age_from: int | None = described("Completed years, included; null: from birth.", 18)
    age_to: int | None = described("Completed years, included; null: no end.", None)
    valid_from: str | None = described("The first day of collection; null: always.", "2010-01-01")


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
            Described(
                description=about.sentence,
                examples=[_EXAMPLE[name]] if name in _EXAMPLE else None,
            ),
        ]
        for name, kind, hint, about in fields
        if about.shown
    }


class GradeAnswer(BaseModel):
    """One result graded for one term: the interval that what is known allows, and why."""

    __annotations__ = _described(FIELDS[: len(GradedResult.__struct_fields__)])


class StoredGradeAnswer(GradeAnswer):
    """A stored grade: which one it replaced, when it was made and by which software.

    Where the study's own range was used (flag ``range-from-study``), ``lln``, ``uln`` and
    ``limit_unit`` are those of ``study_range``, the row of its table; else that is null.
    """

    __annotations__ = _described(FIELDS[len(GradedResult.__struct_fields__) :])


@answer
class SummaryAnswer:
    """One term of one patient: baseline, worst acute and worst late grade."""

    term: str = described("CTCAE's term.", "Blood bilirubin increased")
    baseline_grade: int | None = described("null: none, or not decided.", 0)
    worst_acute: int | None = described(
        "The highest certain grade of the acute window; null: nothing was decided and it is 0.", 1
    )
    worst_acute_at_most: int | None = described("The highest possible one; null: no grades.", 1)
    worst_late: int | None = described("The same after the acute window.", None)
    worst_late_at_most: int | None = described("The same after the acute window.", None)
    worse_acute: bool | None = described(
        "A grade of the window is worse than its baseline; null: not known, or none is certainly of"
        " the window.", True,
    )  # fmt: skip
    worse_late: bool | None = described("The same after the acute window.", None)


@answer
class PanelAnswer:
    """A panel that was graded without being stored."""

    edition: str = described("The edition of CTCAE.", "4.03")
    grades: Sequence[GradeAnswer] = described("Of results as they were sent, then baselines.")
    summary: Sequence[SummaryAnswer] = described("By term.")


@answer
class StoredPanelAnswer:
    """A panel that was stored."""

    study: str = described("The study's name.", "demo")
    patient: str = described("The study's pseudonym.", "P01")
    edition: str = described("The edition of CTCAE.", "4.03")
    grades: Sequence[StoredGradeAnswer] = described("The current ones of the results sent.")
    summary: Sequence[SummaryAnswer] = described("By term, of all that the patient has.")


@answer
class GradePage:
    """A page of a patient's grades."""

    grades: Sequence[StoredGradeAnswer] = described("By day, undated ones first, then by id.")
    next: str | None = described(NEXT, None)


def panel(
    labs: Sequence[LabResult], entries: Sequence[PatientGrade], grader: TermGrader
) -> Mapping[str, object]:
    """Return the answer to a panel that was graded without storing it."""
    return {
        "edition": grader.edition.name,
        "grades": [GradedResult.of(entry, labs[entry.index], grader) for entry in entries],
        "summary": summarise(Graded.of(entry) for entry in entries),
    }


_SHOWN = tuple(StoredGradeAnswer.model_fields)
_Shown = msgspec.defstruct("Shown", _SHOWN, gc=False)
# What is shown otherwise than a row holds it stands behind the row's fields, and counts.
_VALUES = (*GradeRow.__struct_fields__, "study_range", "recorded_at")
_PLACES = {name: place for place, name in enumerate(_VALUES)}
_shown = itemgetter(*(_PLACES[name] for name in _SHOWN))


def stored(row: GradeRow) -> msgspec.Struct:
    """Return a stored grade as it is shown."""
    assert row.recorded_at is not None, "it is stored"
    study_range = json.loads(row.study_range) if row.study_range else None
    values = (*astuple(with_own_range(row)), study_range, row.recorded_at.isoformat())
    return _Shown(*_shown(values))
