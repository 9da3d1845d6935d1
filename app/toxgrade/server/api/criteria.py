"""Routes of the criteria and the analytes, as data: what is graded and by which limits."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic.config import JsonDict

from toxgrade.criteria.describe import compare
from toxgrade.criteria.model import Edition
from toxgrade.errors import CriteriaError, FieldFault, RequestError
from toxgrade.grading.rules import Rules
from toxgrade.server.api.criteria_answers import (
    AnalyteList,
    CriteriaAnswer,
    EditionsCompared,
    analyte_answer,
    criteria_answer,
    difference_answer,
)
from toxgrade.server.api.grading import grader_for
from toxgrade.server.api.requests import EDITIONS
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonAnswer, JsonRoute
from toxgrade.server.http.service import Service, TheService

router = APIRouter(
    prefix="/v1",
    tags=["criteria"],
    route_class=JsonRoute,
    dependencies=[require_role("reader")],
)

_EDITION: JsonDict = {"enum": [*EDITIONS]}


@router.get(
    "/criteria",
    response_model=CriteriaAnswer,
    summary="The terms of an edition, in NCI's wording with the limits used",
)
async def get_criteria(
    service: TheService,
    edition: Annotated[str, Query(max_length=20, json_schema_extra=_EDITION)] = "4.03",
) -> JsonAnswer:
    """Every laboratory term that is graded. The wording is the US National Cancer Institute's."""
    chosen = grader_for(Rules(edition), service).edition
    return JsonAnswer(criteria_answer(chosen, list(service.graders.criteria.editions)))


@router.get("/criteria/compare", summary="What differs between two editions")
async def compare_editions(
    service: TheService,
    before: Annotated[str, Query(alias="from", max_length=20, json_schema_extra=_EDITION)],
    after: Annotated[str, Query(alias="to", max_length=20, json_schema_extra=_EDITION)],
) -> EditionsCompared:
    """Each test and direction that the two editions do not grade alike, with both wordings."""
    old, new = (_edition(service, name, text) for name, text in (("from", before), ("to", after)))
    return EditionsCompared(old.name, new.name, [difference_answer(d) for d in compare(old, new)])


def _edition(service: Service, name: str, text: str) -> Edition:
    try:
        return service.graders.criteria.edition(text)
    except CriteriaError as error:
        fault = FieldFault(("query", name), "unknown-edition", str(error))
        raise RequestError("there is no such edition", [fault]) from None


@router.get(
    "/analytes", response_model=AnalyteList, summary="Names, codes, units and plausible bands"
)
async def get_analytes(service: TheService) -> JsonAnswer:
    """How each analyte may be named and in which units it may come."""
    found = service.graders.criteria.analytes.values()
    return JsonAnswer(AnalyteList([analyte_answer(analyte) for analyte in found]))
