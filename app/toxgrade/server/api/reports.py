"""Routes of a study's reports: tables, late toxicity, time to a grade, survival, liver safety."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import AliasChoices
from sqlalchemy import Connection
from starlette.requests import Request

from toxgrade.cohort.curves import IncidenceReport, SurvivalReport
from toxgrade.cohort.definition import ReportPhase, Scope, TableRow
from toxgrade.cohort.hys_law import WITHIN_DAYS
from toxgrade.cohort.late_report import LateReport
from toxgrade.cohort.liver_definitions import DEFINITIONS
from toxgrade.cohort.liver_report import PatientLiverReport, StudyLiverReport
from toxgrade.cohort.shift_table import ShiftReport
from toxgrade.cohort.table_files import table_csv, table_html
from toxgrade.cohort.table_report import StudyTableReport
from toxgrade.cohort.time_to_event import Censor, Endpoint
from toxgrade.criteria.model import Edition
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.event import ATTRIBUTIONS, Attribution
from toxgrade.server.api.fields import Name, PatientName, StudyName
from toxgrade.server.http.as_of import as_of
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.studies import Study, find_study, list_patients
from toxgrade.server.reports.cohort_queries import head
from toxgrade.server.reports.late_toxicity import study_late_toxicity
from toxgrade.server.reports.liver_safety import patient_liver_safety
from toxgrade.server.reports.study_reports import find_row, study_shifts, study_table
from toxgrade.server.reports.time_to_event import study_incidence, study_survival

router = APIRouter(
    prefix="/v1/studies/{study}",
    tags=["reports"],
    route_class=JsonRoute,
    dependencies=[require_role("reader"), as_of()],
    default_response_class=JSONResponse,  # FastAPI's own way would write 2e-05 as 2e-5.
)


_TEXT = {"schema": {"type": "string"}}
CourseQuery = Annotated[int, Query(ge=1, le=20)]
Term = Annotated[Name, Query(description="A CTCAE term, or the label of a table's row.")]


def _attributions(
    attribution: Annotated[
        list[Attribution] | None,
        Query(description="Only these; may be repeated. Laboratory grades are unknown."),
    ] = None,
) -> Sequence[Attribution]:
    return [one for one in ATTRIBUTIONS if attribution is None or one in attribution]


AttributionQuery = Annotated[Sequence[Attribution], Depends(_attributions)]


async def _scope(
    phase: ReportPhase = "acute",
    course: Annotated[int, Query(ge=1, le=20, description="1: the first.")] = 1,
    on_treatment: Annotated[bool, Query(description="false: only after the end.")] = True,
    include_baseline: Annotated[bool, Query(description="In the worst grade.")] = False,
    attributions: AttributionQuery = ATTRIBUTIONS,
) -> Scope:
    return Scope(phase, course, on_treatment, include_baseline, attributions)


ScopeQuery = Annotated[Scope, Depends(_scope)]


@router.get(
    "/toxicity-table",
    summary="How many patients had which grade",
    response_model=StudyTableReport,
    responses={200: {"content": {"text/csv": _TEXT, "text/html": _TEXT}}},
)
async def get_toxicity_table(
    request: Request, service: TheService, study: StudyName, scope: ScopeQuery
) -> StudyTableReport | Response:
    """The table of a paper, every number with its definition; as `Accept` says JSON, CSV, HTML."""

    def query(connection: Connection) -> StudyTableReport:
        return study_table(connection, find_study(connection, study), service.graders, scope)

    report = await service.read(query, is_costly=True)
    accepted = request.headers.get("accept", "")
    if "text/html" in accepted:
        return HTMLResponse(table_html(report))
    if "text/csv" in accepted:
        return Response(table_csv(report), media_type="text/csv")
    return report


@router.get("/shift-table", summary="Baseline grade by worst grade")
async def get_shift_table(
    service: TheService, study: StudyName, term: Term, scope: ScopeQuery
) -> ShiftReport:
    """Where each patient began and how far it went, with the patients behind each cell."""

    def query(connection: Connection) -> ShiftReport:
        found = find_study(connection, study)
        row = _row(term, found, service)
        return study_shifts(connection, found, _edition(found, service), row, scope)

    return await service.read(query, is_costly=True)


def _edition(study: Study, service: Service) -> Edition:
    return service.graders.for_rules(study.rules).edition


def _row(name: str, study: Study, service: Service) -> TableRow:
    edition = _edition(study, service)
    return find_row(name, study, edition, service.vocabularies[edition.name])


@router.get("/late-toxicity", summary="What was worse than baseline after the acute window")
async def get_late_toxicity(
    service: TheService, study: StudyName, attribution: AttributionQuery, course: CourseQuery = 1
) -> LateReport:
    """Per patient and term: worst grade, attribution, days since treatment, the way back.

    What began in the acute window and lasted is `persistent`; what may be late is `undecided`.
    """

    def query(connection: Connection) -> LateReport:
        found = find_study(connection, study)
        edition = _edition(found, service)
        return study_late_toxicity(connection, found, edition, course, attribution)

    return await service.read(query, is_costly=True)


@router.get("/time-to-grade", summary="Cumulative incidence of a grade, death competing")
async def get_time_to_grade(
    service: TheService,
    study: StudyName,
    term: Term,
    attribution: AttributionQuery,
    min_grade: Annotated[
        int, Query(ge=1, le=5, validation_alias=AliasChoices("min_grade", "grade"))
    ],
    course: CourseQuery = 1,
    censor: Annotated[
        Censor, Query(description="Alive without the grade: at the last contact, or result.")
    ] = "contact",
) -> IncidenceReport:
    """Aalen-Johansen estimate by day with confidence limits and the number at risk."""

    def query(connection: Connection) -> IncidenceReport:
        found = find_study(connection, study)
        row = _row(term, found, service)
        if row.clinical and censor == "last-result":
            fault = FieldFault(("query", "censor"), "no-results", "expected contact for this term")
            raise RequestError("clinicians grade this term: it has no results", [fault])
        endpoint = Endpoint(row, course, attribution, censor)
        return study_incidence(connection, found, _edition(found, service), endpoint, min_grade)

    return await service.read(query, is_costly=True)


@router.get("/survival", summary="Overall survival from the follow-up")
async def get_survival(service: TheService, study: StudyName) -> SurvivalReport:
    """Kaplan-Meier estimate by day with confidence limits and the number at risk."""
    return await service.read(lambda c: study_survival(c, find_study(c, study)), is_costly=True)


@router.get("/liver-safety", summary="ALBI, Hy's law candidates, eDISH, RILD, Child-Pugh")
async def get_liver_safety(
    service: TheService,
    study: StudyName,
    within_days: Annotated[
        int,
        Query(ge=0, le=30, description="From the first day of a rise to bilirubin: Hy's law."),
    ] = WITHIN_DAYS,
    course: Annotated[int, Query(ge=1, le=20, description="1: the first.")] = 1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: PatientName | None = None,
) -> StudyLiverReport:
    """Per patient, by name, page by page. Candidates and flags for review, never diagnoses."""

    def query(connection: Connection) -> StudyLiverReport:
        found = find_study(connection, study)
        grader = service.graders.for_rules(found.rules)
        names = list_patients(connection, found, limit + 1, cursor)
        shown = [
            (name, patient_liver_safety(connection, found, name, grader, within_days, course))
            for name in names[:limit]
        ]
        return StudyLiverReport(
            **vars(head(found)),
            within_days=within_days,
            course=course,
            definitions=DEFINITIONS,
            patients=[PatientLiverReport(patient=name, **vars(own)) for name, own in shown],
            next=names[limit - 1] if len(names) > limit else None,
        )

    return await service.read(query, is_costly=True)
