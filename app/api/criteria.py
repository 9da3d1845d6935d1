"""What is graded, and how: the criteria and the analytes as data."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from app.api.grading import grader_for
from app.criteria.model import Analyte, Band, Term
from app.grading.rules import Rules
from app.http.guard import needs
from app.http.service import TheService

router = APIRouter(prefix="/v1", tags=["criteria"], dependencies=[needs("reader")])


@router.get("/criteria", summary="The terms of an edition, in NCI's wording with the limits used")
async def criteria(
    service: TheService, edition: Annotated[str, Query(max_length=20)] = "4.03"
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
    }


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
                "limits": [
                    {
                        "when": f"{limit.comparison} {limit.text}",
                        "if_baseline": f"{limit.condition.comparison} {limit.condition.limit}"
                        if limit.condition
                        else None,
                    }
                    for limit in criterion.limits
                ],
            }
            for criterion in term.grades
        ],
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
        },
    }


def _band(band: Band) -> list[str]:
    return [f"{band.low:f}", f"{band.high:f}"]
