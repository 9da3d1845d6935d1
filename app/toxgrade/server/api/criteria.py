"""Routes of the criteria and the analytes, as data: what is graded and by which limits."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from toxgrade.criteria.describe import compare
from toxgrade.criteria.model import Analyte, Band, Edition, GradeCriterion, Limit, Term
from toxgrade.errors import CriteriaError, FieldFault, RequestError
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.rules import Rules
from toxgrade.server.api.grading import grader_for
from toxgrade.server.api.requests import EDITIONS
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.service import Service, TheService

router = APIRouter(
    prefix="/v1",
    tags=["criteria"],
    route_class=JsonRoute,
    dependencies=[require_role("reader")],
)

_EDITION: dict[str, Any] = {"json_schema_extra": {"enum": list(EDITIONS)}}


@router.get("/criteria", summary="The terms of an edition, in NCI's wording with the limits used")
async def criteria(
    service: TheService, edition: Annotated[str, Query(max_length=20, **_EDITION)] = "4.03"
) -> dict[str, Any]:
    """Every laboratory term that is graded. The wording is the US National Cancer Institute's."""
    chosen = grader_for(Rules(edition), service).edition
    return {
        "edition": chosen.name,
        "label": chosen.label,
        "released": chosen.released,
        "source": chosen.source,
        "criteria_sha256": chosen.sha256,
        "editions": list(service.graders.criteria.editions),
        "terms": [_term(term) for term in chosen.terms],
        "interpretations": [
            {
                "interpretation": i.name,
                "terms": list(i.terms),
                "question": i.question,
                "default": i.choices[0].name,
                "readings": [{"reading": r.name, "says": r.says} for r in i.choices],
            }
            for i in chosen.interpretations
        ],
    }


@router.get("/criteria/compare", summary="What differs between two editions")
async def compare_editions(
    service: TheService,
    before: Annotated[str, Query(alias="from", max_length=20, **_EDITION)],
    after: Annotated[str, Query(alias="to", max_length=20, **_EDITION)],
) -> dict[str, Any]:
    """Each test and direction that the two editions do not grade alike, with both wordings."""
    editions = [_edition(service, name, text) for name, text in (("from", before), ("to", after))]
    return {
        "from": editions[0].name,
        "to": editions[1].name,
        "differences": [
            {
                "analyte": difference.analyte,
                "direction": difference.direction,
                "from_term": difference.before.name if difference.before else None,
                "to_term": difference.after.name if difference.after else None,
                "grades": [
                    {"grade": grade, "from": _criterion(old), "to": _criterion(new)}
                    for grade, old, new in difference.grades
                ],
            }
            for difference in compare(*editions)
        ],
    }


def _edition(service: Service, name: str, text: str) -> Edition:
    try:
        return service.graders.criteria.edition(text)
    except CriteriaError as error:
        fault = FieldFault(("query", name), "unknown-edition", str(error))
        raise RequestError("there is no such edition", [fault]) from None


def _criterion(criterion: GradeCriterion | None) -> dict[str, Any] | None:
    if criterion is None:
        return None
    return {"says": criterion.says, "limits": [limit.when for limit in criterion.limits]}


@router.get("/analytes", summary="Names, codes, units and plausible bands")
async def analytes(service: TheService) -> dict[str, Any]:
    """How each analyte may be named and in which units it may come."""
    return {"analytes": [_analyte(a) for a in service.graders.criteria.analytes.values()]}


def _term(term: Term) -> dict[str, Any]:
    return {
        "term": term.name,
        "meddra": term.meddra,
        "soc": term.soc,
        "analyte": term.analyte,
        "direction": term.direction,
        "grades": [
            {
                "grade": criterion.grade,
                "says": criterion.says,
                "clinical": criterion.clinical,
                "limits": [_limit(limit) for limit in criterion.limits],
            }
            for criterion in term.grades
        ],
    }


def _limit(limit: Limit) -> dict[str, Any]:
    condition = limit.condition
    text = f"{condition.comparison} {condition.limit}" if condition else None
    return {
        "when": f"{limit.comparison} {limit.text}",
        "if_baseline": text if condition and condition.subject == "baseline" else None,
        "if_value": text if condition and condition.subject == "value" else None,
    }


def _analyte(analyte: Analyte) -> dict[str, Any]:
    return {
        "analyte": analyte.name,
        "full_name": analyte.full_name,
        "aliases": list(analyte.aliases),
        "loinc": list(analyte.loinc),
        "refused_loinc": dict(analyte.refused_loinc),
        "canonical_unit": analyte.canonical_unit,
        "units": [
            {"unit": u.name, "factor": str(u.factor), "spellings": list(u.spellings)}
            for u in analyte.units
        ],
        "plausible": {
            "value": _band(analyte.plausible_value),
            "lln": _band(analyte.plausible_lln),
            "uln": _band(analyte.plausible_uln),
            "value_in": {unit: _band(band) for unit, band in analyte.plausible_in.items()},
        },
    }


def _band(band: Band) -> list[str]:
    return [to_plain_text(band.low), to_plain_text(band.high)]
