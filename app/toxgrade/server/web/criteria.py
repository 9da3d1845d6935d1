"""The criteria browser: NCI's wording beside the limit used, editions side by side."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from toxgrade.criteria.model import Criteria, Edition, Term
from toxgrade.errors import CriteriaError, NotFound
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.service import TheService
from toxgrade.server.web.page import PageRoute, page

router = APIRouter(
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[require_role("reader", session=True)],
)


@router.get("/criteria")
async def newest_first(service: TheService) -> HTMLResponse:
    """The first edition that is read."""
    criteria = service.graders.criteria
    return _criteria(criteria, next(iter(criteria.editions.values())), None)


@router.get("/criteria/{name}")
async def one_edition(service: TheService, name: str) -> HTMLResponse:
    """One edition, by any of its names."""
    criteria = service.graders.criteria
    return _criteria(criteria, _edition(criteria, name), None)


@router.get("/criteria/{name}/{beside}")
async def two_editions(service: TheService, name: str, beside: str) -> HTMLResponse:
    """Two editions side by side, every term of either."""
    criteria = service.graders.criteria
    return _criteria(criteria, _edition(criteria, name), _edition(criteria, beside))


def _edition(criteria: Criteria, name: str) -> Edition:
    try:
        return criteria.edition(name)
    except CriteriaError as error:
        raise NotFound(f"there is no such edition: {error}") from None


def _criteria(criteria: Criteria, edition: Edition, other: Edition | None) -> HTMLResponse:
    sides = [edition, other] if other else [edition]
    by_name: dict[str, list[Term | None]] = {}
    for side, one in enumerate(sides):
        for term in one.terms:
            by_name.setdefault(term.name, [None] * len(sides))[side] = term
    analytes = criteria.analytes
    codes = {
        term.name: (*analytes[term.analyte].names, *analytes[term.analyte].loinc)
        for one in sides
        for term in one.terms
    }
    return page(
        "criteria.html",
        edition=edition,
        other=other,
        sides=sides,
        editions=list(criteria.editions),
        terms=sorted(by_name.items()),
        analytes=analytes,
        codes=codes,
    )
