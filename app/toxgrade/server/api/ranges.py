"""Routes of a study's own reference ranges, which stand in where a result has none."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import Field, Strict

from toxgrade.cohort.described import answer, described, meaning
from toxgrade.grading.reference_ranges import Sex, StudyRange
from toxgrade.grading.study_ranges import MOST_ROWS, RangeTable
from toxgrade.server.api.fields import Day, LimitOfNormal, Name, RequestModel, StudyName, Text
from toxgrade.server.api.requests import AS_WHOLE
from toxgrade.server.api.responses import StudyRangeAnswer
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.regrade import put_ranges
from toxgrade.server.records.studies import find_study
from toxgrade.server.records.study_ranges import current_ranges, range_document

router = APIRouter(
    prefix="/v1/studies/{study}/reference-ranges", tags=["studies"], route_class=JsonRoute
)

Years = Annotated[int, Strict(), Field(ge=0, le=150), AS_WHOLE]


class RangeRequest(RequestModel):
    """A row: the limits of one analyte, for the patients and from the day that it names."""

    analyte: Name = Field(description="A name, alias or LOINC code.")
    lln: LimitOfNormal = Field(None, description=meaning(StudyRangeAnswer, "lln"))
    uln: LimitOfNormal = Field(None, description=meaning(StudyRangeAnswer, "uln"))
    unit: Name = Field(description=meaning(StudyRangeAnswer, "unit"))
    lab: Text | None = Field(None, description=meaning(StudyRangeAnswer, "lab"))
    sex: Sex | None = Field(None, description=meaning(StudyRangeAnswer, "sex"))
    age_from: Years | None = Field(None, description=meaning(StudyRangeAnswer, "age_from"))
    age_to: Years | None = Field(None, description=meaning(StudyRangeAnswer, "age_to"))
    valid_from: Day = Field(None, description=meaning(StudyRangeAnswer, "valid_from"))

    def row(self) -> StudyRange:
        return StudyRange(
            analyte=self.analyte,
            lln=self.lln.number if self.lln else None,
            uln=self.uln.number if self.uln else None,
            unit=self.unit,
            lab=self.lab or None,
            sex=self.sex,
            age_from=self.age_from,
            age_to=self.age_to,
            valid_from=self.valid_from,
        )


class RangesRequest(RequestModel):
    """The whole table; it replaces the one before."""

    ranges: Annotated[list[RangeRequest], Field(max_length=MOST_ROWS)] = Field(
        description="In any order; empty: none any more."
    )


@answer
class RangesAnswer:
    """A study's table as it is now."""

    study: str = described("The study's name.", "demo")
    ranges: Sequence[StudyRangeAnswer] = described("In the order in which they were sent.")


@answer
class SavedRangesAnswer(RangesAnswer):
    """The table as it was saved."""

    patients_regraded: int = described("Those with results of analytes whose rows changed.", 2)


_EXAMPLE = {
    "ranges": [
        {"analyte": "ALT", "uln": "45", "unit": "U/L", "sex": "male"},
        {"analyte": "ALT", "uln": "34", "unit": "U/L", "sex": "female"},
        {"analyte": "WBC", "lln": 4, "uln": 10, "unit": "10*9/L", "valid_from": "2010-01-01"},
    ]
}


@router.put(
    "",
    summary="Replace the study's reference ranges",
    dependencies=[require_role("manager")],
)
async def put_reference_ranges(
    service: TheService,
    study: StudyName,
    asked: Annotated[RangesRequest, Body(openapi_examples={"ranges": {"value": _EXAMPLE}})],
) -> SavedRangesAnswer:
    """Used only where a result carries no range, never instead of one; the grade then has the flag
    `range-from-study` and shows the row that was used. Grades that another table changes are made
    again in the same transaction; the old ones stay readable.
    """
    rows = [row.row() for row in asked.ranges]
    saved = await service.write(lambda c: put_ranges(c, study, rows, service.graders))
    return SavedRangesAnswer(study, _rows(saved.table), saved.patients)


@router.get(
    "",
    summary="The study's reference ranges",
    dependencies=[require_role("reader")],
)
async def get_reference_ranges(service: TheService, study: StudyName) -> RangesAnswer:
    """The table as it is now, in the order in which it was sent."""
    table = await service.read(lambda c: current_ranges(c, find_study(c, study)))
    return RangesAnswer(study, _rows(table))


def _rows(table: RangeTable) -> list[StudyRangeAnswer]:
    return [StudyRangeAnswer(**range_document(row)) for row in table.rows]
