"""Pages of studies: list, toxicity table, the patients behind each of its numbers, and audit."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from toxgrade.cohort.definition import ReportPhase, Scope
from toxgrade.cohort.table_report import Meeting, StudyTableReport, TableReport
from toxgrade.errors import NotFound
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.audit_entry import ListedEntry
from toxgrade.server.records.audit_log import list_entries
from toxgrade.server.records.studies import (
    STUDY_NAME,
    Study,
    count_patients,
    find_study,
    list_studies,
    page_of_patients,
)
from toxgrade.server.reports.study_reports import study_table
from toxgrade.server.web.page import PageRoute, page

router = APIRouter(
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[require_role("reader", session=True)],
)
audit_router = APIRouter(
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[require_role("manager", session=True)],
)

PER_PAGE = 200
ENTRIES_PER_PAGE = 100
_TITLES = {
    "any_toxicity": "Any toxicity",
    "any_toxicity_alternative": "Any toxicity, other reading",
    "any_grade": "Any grade",
    "grade_3_or_more": "Grade 3 or more",
}
_NOTES = {
    "undecided": "measured, but nothing is decided and nothing is certain above grade 0",
    "could_be_higher": "counted, but an undecided result allows a higher grade",
    "partial": "a member of the composite was not measured or is undecided",
    "member_worse": "a member rose above its own baseline while the composite did not",
}
Reading = Literal["any_toxicity", "any_toxicity_alternative", "any_grade", "grade_3_or_more"]
Note = Literal["undecided", "could_be_higher", "partial", "member_worse"]


@router.get("/")
async def studies(
    service: TheService, after: Annotated[str | None, Query(pattern=STUDY_NAME.pattern)] = None
) -> HTMLResponse:
    """The studies that the reader has a role on; ``after`` ends the page before."""

    def query(connection: Connection) -> list[tuple[Study, int]]:
        may_read = partial(service.may, "reader")
        found = list_studies(connection, may_read, PER_PAGE + 1, after)
        return [(study, count_patients(connection, study)) for study in found]

    found = await service.read(query)
    following = found[PER_PAGE - 1][0].name if len(found) > PER_PAGE else None
    return page("studies.html", studies=found[:PER_PAGE], following=following)


@router.get("/studies/{study}")
async def table(service: TheService, study: str, phase: ReportPhase = "acute") -> HTMLResponse:
    """The toxicity table, each number leading to its patients."""
    found, report = await _table(service, study, phase)
    labels = [row.label for row in report.rows]
    doubled = {label for label in labels if labels.count(label) > 1}
    return page("study.html", study=found, table=report, doubled=doubled, titles=[*_TITLES.items()])


@router.get("/studies/{study}/behind/{phase}/{reading}")
async def behind_reading(
    service: TheService,
    study: str,
    phase: ReportPhase,
    reading: Reading | Literal["window_incomplete"],
    unknown: bool = False,
) -> HTMLResponse:
    """The patients who meet a definition of toxicity, of whom it is unknown, or not followed."""
    found, report = await _table(service, study, phase)
    if reading == "window_incomplete":
        names, meaning = report.window_incomplete, "Not followed to the end of the acute window."
        return _behind(found, report, "Acute window not seen whole", names, meaning)
    toxicity: Meeting = getattr(report, reading)
    meaning = f"{toxicity.definition.capitalize()}."
    if unknown:
        title, meaning = f"{_TITLES[reading]}: cannot be said", f"Undecided: {meaning}"
        return _behind(found, report, title, toxicity.unknown, meaning)
    return _behind(found, report, _TITLES[reading], toxicity.patients, meaning)


@router.get("/studies/{study}/other/{phase}/{term}/{what}")
async def behind_other(
    service: TheService,
    study: str,
    phase: ReportPhase,
    term: str,
    what: Literal["3", "4", "5", "undecided"],
) -> HTMLResponse:
    """The patients with a severe grade of a term that no row of the table names."""
    found, report = await _table(service, study, phase)
    if what == "undecided":
        title, names = (
            f"{term}: undecided",
            {row.term: row.patients for row in report.other_undecided},
        )
    else:
        title = f"{term}: grade {what}"
        names = {row.term: row.patients for row in report.other if str(row.grade) == what}
    if term not in names:
        raise NotFound("no such term is listed beside the study's table")
    meaning = "No row of the table names this term; it is listed from grade 3."
    return _behind(found, report, title, names[term], meaning)


@router.get("/studies/{study}/behind/{phase}/{label}/{kind}/{what}")
async def behind_cell(
    service: TheService,
    study: str,
    phase: ReportPhase,
    label: str,
    kind: Literal["baseline", "worst"],
    what: Literal["1", "2", "3", "4", "5"] | Note,
) -> HTMLResponse:
    """The patients behind one number of the table."""
    found, report = await _table(service, study, phase)
    rows = [row for row in report.rows if (row.label, row.kind) == (label, kind)]
    if not rows:
        raise NotFound("the study's table has no such row")
    patients = rows[0].patients
    title = f"{label}, {'baseline' if kind == 'baseline' else 'worst'}"
    if what in _NOTES:
        text = f"{_NOTES[what].capitalize()}."
        names = getattr(patients, what)
        return _behind(found, report, f"{title}: {what.replace('_', ' ')}", names, text)
    terms = ", ".join(rows[0].terms)
    return _behind(found, report, f"{title} grade {what}", patients.by_grade[what], f"Of {terms}.")


@router.get("/studies/{study}/patients")
async def patients(
    service: TheService, study: str, number: Annotated[int, Query(alias="page", ge=1, le=10**9)] = 1
) -> HTMLResponse:
    """The patients of a study, page by page; by number, for a name has no place in a query."""

    def query(connection: Connection) -> tuple[Study, int, list[str]]:
        found = find_study(connection, study)
        names = page_of_patients(connection, found, PER_PAGE, (number - 1) * PER_PAGE)
        return found, count_patients(connection, found), names

    found, n, names = await service.read(query)
    return page(
        "patients.html", study=found, n=n, names=names, number=number, pages=-(-n // PER_PAGE)
    )


async def _table(
    service: Service, study: str, phase: ReportPhase
) -> tuple[Study, StudyTableReport]:
    def query(connection: Connection) -> tuple[Study, StudyTableReport]:
        found = find_study(connection, study)
        return found, study_table(connection, found, service.graders, Scope(phase))

    return await service.read(query, is_costly=True)


def _behind(
    study: Study, report: TableReport, heading: str, names: list[str], meaning: str
) -> HTMLResponse:
    phase = {"acute": "acute", "late": "late", "both": "acute and late"}[report.phase]
    return page(
        "behind.html",
        study=study,
        heading=f"{heading} ({phase})",
        names=names,
        n=report.n_patients,
        meaning=meaning,
        phase=report.phase,
    )


@audit_router.get("/studies/{study}/audit")
async def audit(
    service: TheService, study: str, after: Annotated[int, Query(ge=0, lt=2**31)] = 0
) -> HTMLResponse:
    """The audit in order; ``after`` is the number of the last entry of the page before."""

    def query(connection: Connection) -> tuple[Study, list[ListedEntry]]:
        found = find_study(connection, study)
        return found, list_entries(connection, found.id, None, ENTRIES_PER_PAGE + 1, after)

    found, entries = await service.read(query)
    following = entries[ENTRIES_PER_PAGE - 1]["seq"] if len(entries) > ENTRIES_PER_PAGE else None
    return page("audit.html", study=found, entries=entries[:ENTRIES_PER_PAGE], following=following)
