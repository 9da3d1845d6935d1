"""The page that grades a panel as it is typed, storing nothing, and the pages of criteria."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import TypeVar

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from toxgrade.criteria.model import Criteria, Edition, Term
from toxgrade.errors import CriteriaError, FieldFault, NotFound, ParseError, RequestError
from toxgrade.grading.fields import GradedResult
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected, read_limit, read_start, read_value
from toxgrade.grading.patient import grade_patient, refuse_late_baseline
from toxgrade.grading.phase import PRESETS, Window, course_faults, read_window
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Rules
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.web.page import PageRoute, page, read_form

router = APIRouter(
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[require_role("reader", session=True)],
)

T = TypeVar("T")

USUAL = (
    ("bilirubin", "mg/dL"), ("ALT", "U/L"), ("AST", "U/L"), ("ALP", "U/L"), ("GGT", "U/L"),
    ("albumin", "g/dL"), ("WBC", "10*9/L"), ("platelets", "10*9/L"), ("", ""), ("", ""),
)  # fmt: skip
"""The rows of the empty form: the analytes of a liver panel, then two free rows."""


@router.get("/grade")
async def empty(service: TheService) -> HTMLResponse:
    """The form with the usual analytes."""
    usual = {f"analyte-{i}": analyte for i, (analyte, _) in enumerate(USUAL)}
    return _form_page(usual | {f"unit-{i}": unit for i, (_, unit) in enumerate(USUAL)}, service)


@router.post("/grade")
async def graded(request: Request, service: TheService) -> HTMLResponse:
    """The form as it was sent, with the grades of what it holds."""
    return _form_page(await read_form(request), service)


def _form_page(sent: Mapping[str, str], service: Service) -> HTMLResponse:
    form = _ParsedForm(sent)
    found: list[GradedResult] = []
    try:
        grader = service.graders.for_rules(Rules(sent.get("edition") or "4.03"))
        found = _grade(form, grader)
    except CriteriaError as error:
        form.faults.append(FieldFault(("edition",), "unknown-edition", str(error)))
    except RequestError as error:
        form.faults += error.faults
    criteria = service.graders.criteria
    return page(
        "grade.html",
        sent=sent,
        rows=range(len(USUAL)),
        editions=list(criteria.editions),
        windows=PRESETS,
        analytes=criteria.analytes.values(),
        faults={str(fault.loc[0]): fault.message for fault in form.faults},
        graded=found,
    )


def _grade(form: "_ParsedForm", grader: TermGrader) -> list[GradedResult]:
    courses, labs = form.courses(), form.labs()
    window = form.window()
    if window is None:
        return []
    refuse_late_baseline([(("before",), lab) for lab in labs], courses)
    entries = grade_patient(labs, courses, grader, window)
    pairs = [(entry, labs[entry.index]) for entry in entries]
    return [GradedResult.of(entry, lab, grader) for entry, lab in pairs if not lab.is_baseline]


class _ParsedForm:
    """The fields of the form, parsed; those that cannot be parsed are in ``faults``."""

    def __init__(self, sent: Mapping[str, str]) -> None:
        self.sent = sent
        self.faults: list[FieldFault] = []

    def courses(self) -> tuple[Course, ...]:
        start, at = self._parse("start", read_start) or (None, None)
        end = self._day("end")
        courses = (Course(start, end, start_time=at),) if start or end else ()
        for fault in course_faults(courses):
            self.faults.append(FieldFault((fault.loc[-1],), fault.code, fault.message))
            return ()
        return courses

    def window(self) -> Window | None:
        """Return the acute window, the paper's if none is sent; None if it cannot be parsed."""
        return self._parse("window", read_window) if self.sent.get("window") else PRESETS["paper"]

    def labs(self) -> list[LabResult]:
        """Return the baseline and the value of each row, where it has them."""
        before, taken = (self._parse(name, read_collected) for name in ("before", "taken"))
        labs = []
        for i in range(len(USUAL)):
            analyte, unit = self.sent.get(f"analyte-{i}", ""), self.sent.get(f"unit-{i}") or None
            lln, uln = self._limit(f"lln-{i}"), self._limit(f"uln-{i}")
            for name, collected, is_baseline in (("base", before, True), ("value", taken, False)):
                value = self._parse(f"{name}-{i}", read_value)
                if value is not None and analyte:
                    labs.append(
                        LabResult(analyte, value, unit, lln, uln, None, collected,
                                  is_baseline=is_baseline)
                    )  # fmt: skip
        return labs

    def _limit(self, name: str) -> Decimal | None:
        read = self._parse(name, read_limit)
        return read.number if read else None

    def _day(self, name: str) -> date | None:
        read = self._parse(name, read_collected)
        if read is not None and read.first != read.last:
            text = "expected a calendar date such as 2011-01-24"
            self.faults.append(FieldFault((name,), "partial-date", text))
            return None
        return read.first if read else None

    def _parse(self, name: str, parse: Callable[[str], T]) -> T | None:
        text = self.sent.get(name, "")
        try:
            return parse(text) if text else None
        except ParseError as error:
            self.faults.append(FieldFault((name,), error.code, error.message))
            return None


@router.get("/criteria")
async def newest_first(service: TheService) -> HTMLResponse:
    """The first edition that is read."""
    criteria = service.graders.criteria
    return _criteria_page(criteria, next(iter(criteria.editions.values())), None)


@router.get("/criteria/{name}")
async def one_edition(service: TheService, name: str) -> HTMLResponse:
    """One edition, by any of its names."""
    criteria = service.graders.criteria
    return _criteria_page(criteria, _edition(criteria, name), None)


@router.get("/criteria/{name}/{beside}")
async def two_editions(service: TheService, name: str, beside: str) -> HTMLResponse:
    """Two editions side by side, every term of either."""
    criteria = service.graders.criteria
    return _criteria_page(criteria, _edition(criteria, name), _edition(criteria, beside))


def _edition(criteria: Criteria, name: str) -> Edition:
    try:
        return criteria.edition(name)
    except CriteriaError as error:
        raise NotFound(f"there is no such edition: {error}") from None


def _criteria_page(criteria: Criteria, edition: Edition, other: Edition | None) -> HTMLResponse:
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
