"""Reports on a study: the toxicity table and the shift table."""

import csv
import io
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Connection
from starlette.requests import Request

from app.api.fields import Name, StudyName
from app.cohort.read import cohort
from app.cohort.rows import TableRow, paper_rows
from app.cohort.rule import rule
from app.cohort.shift import shift_table
from app.cohort.table import (
    GRADES,
    AnyToxicity,
    Report,
    RowCount,
    ToxicityTable,
    percent,
    toxicity_table,
)
from app.criteria.model import Edition
from app.errors import CriteriaError, FieldFault, RequestError
from app.http.body import JsonRoute
from app.http.service import Service, TheService
from app.records.studies import Study, find_study

router = APIRouter(prefix="/v1/studies/{study}", tags=["reports"], route_class=JsonRoute)


@router.get(
    "/toxicity-table",
    summary="How many patients had which grade",
    responses={200: {"content": {"text/csv": {}}}},
)
async def toxicity(
    request: Request, service: TheService, study: StudyName, phase: Report = "acute"
) -> Response:
    """The table of a paper, every number with its definition; as CSV for `Accept: text/csv`."""

    def query(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        edition, rows = _rows(found, service)
        window = found.rules.window
        table = toxicity_table(cohort(connection, found), rows, phase, window)
        return _table(found, table, rule(edition, window, rows, phase))

    answer = await service.read(query)
    if "text/csv" in request.headers.get("accept", ""):
        return Response(_csv(answer), media_type="text/csv")
    return JSONResponse(answer)


@router.get("/shift-table", summary="Baseline grade by worst grade")
async def shift(
    service: TheService,
    study: StudyName,
    term: Annotated[Name, Query(description="A CTCAE term, or the label of a table's row.")],
    phase: Report = "acute",
) -> dict[str, Any]:
    """Where each patient began and how far it went, with the patients behind each cell."""
    phases = ("acute", "late") if phase == "both" else (phase,)

    def query(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        row = _row(term, found, service)
        table = shift_table(cohort(connection, found), row, phases)
        cells = [
            {"baseline": before, "worst": after, "n": len(names), "patients": names}
            for (before, after), names in sorted(table.cells.items())
        ]
        return {
            "study": found.name,
            "synthetic": found.synthetic,
            "phase": phase,
            "row": row.label,
            "terms": list(row.terms),
            "cells": cells,
            "not_evaluable": table.not_evaluable,
        }

    return await service.read(query)


def _rows(study: Study, service: Service) -> tuple[Edition, tuple[TableRow, ...]]:
    edition = service.graders.under(study.rules).edition
    return edition, paper_rows(edition, study.liver_enzymes)


def _row(name: str, study: Study, service: Service) -> TableRow:
    """The table's row of that label, or a row of the one term.

    Raises:
        RequestError: it is neither.
    """
    edition, rows = _rows(study, service)
    by_label = {row.label.casefold(): row for row in rows}
    if found := by_label.get(name.casefold()):
        return found
    try:
        term = service.vocabularies[edition.name].term(name).name
    except CriteriaError as error:
        labels = ", ".join(row.label for row in rows)
        fault = FieldFault(("query", "term"), "unknown-term", f"{error}, or one of {labels}")
        raise RequestError("there is no such term or row", [fault]) from None
    return TableRow(term, (term,), clinical=term not in {t.name for t in edition.terms})


def _table(study: Study, table: ToxicityTable, definition: str) -> dict[str, Any]:
    n = table.n_patients
    return {
        "study": study.name,
        "synthetic": study.synthetic,
        "phase": table.phase,
        "n_patients": n,
        "definition": definition,
        "rows": [_count(row, n) for row in table.rows],
        "any_toxicity": _any(table.worse_than_baseline, n),
        "any_toxicity_alternative": _any(table.clinical_or_haematological, n),
        "any_grade": _any(table.any_grade, n),
        "window_complete": n - len(table.window_incomplete),
        "window_incomplete": table.window_incomplete,
    }


def _count(count: RowCount, n: int) -> dict[str, Any]:
    return {
        "label": count.row.label,
        "kind": count.kind,
        "terms": list(count.row.terms),
        "counts": {str(grade): count.by_grade[grade] for grade in GRADES},
        "percent": {str(grade): percent(count.by_grade[grade], n) for grade in GRADES},
        "n_evaluable": count.n_evaluable,
        "undecided": len(count.undecided),
        "not_measured": count.not_measured,
        "could_be_higher": len(count.could_be_higher),
        "patients": {
            "undecided": count.undecided,
            "could_be_higher": count.could_be_higher,
            "partial": count.partial,
            "member_worse": count.member_worse,
        },
    }


def _any(toxicity: AnyToxicity, n: int) -> dict[str, Any]:
    return {
        "n": len(toxicity.patients),
        "percent": percent(len(toxicity.patients), n),
        "unknown": toxicity.unknown,
        "definition": toxicity.definition,
        "patients": toxicity.patients,
    }


def _csv(answer: dict[str, Any]) -> str:
    """One line per row and kind: n and percent of each grade, then what is not known."""
    numbers = ("n_evaluable", "undecided", "not_measured", "could_be_higher")
    grades = [str(grade) for grade in GRADES]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    shown = [name for g in grades for name in (f"grade_{g}_n", f"grade_{g}_percent")]
    writer.writerow(["study", "phase", "n_patients", "label", "kind", *shown, *numbers])
    for row in answer["rows"]:
        cells = [part for g in grades for part in (row["counts"][g], row["percent"][g])]
        head = (answer["study"], answer["phase"], answer["n_patients"], row["label"], row["kind"])
        writer.writerow([*head, *cells, *(row[name] for name in numbers)])
    return out.getvalue()
