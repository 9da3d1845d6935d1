"""Liver safety over HTTP: each figure with its formula, unit and source."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from app.api.fields import PatientName, StudyName
from app.cohort.liver import Day, LiverSafety, albi_grade, liver_safety
from app.http.body import JsonRoute
from app.http.guard import needs
from app.http.service import Service, TheService
from app.records.history import current_courses, current_results, stored_result
from app.records.patients import find_patient
from app.records.ranges import with_study_ranges
from app.records.studies import find_study, list_patients

router = APIRouter(
    prefix="/v1/studies/{study}",
    tags=["reports"],
    route_class=JsonRoute,
    dependencies=[needs("reader")],
)

DEFINITIONS = {
    "use": "candidates and flags for review, never diagnoses",
    "albi": "0.66 x log10(bilirubin umol/L) - 0.085 x albumin g/L of one day (1 mg/dL as 17.1"
    " umol/L); grade 1 <= -2.60, 2 <= -1.39, else 3 (Johnson, J Clin Oncol 2015;33:550);"
    " change: worst acute - baseline, grade 1 > 0.25, grade 2 > 0.5",
    "hys_law": "ALT or AST >= 3 x ULN, bilirubin >= 2 x ULN and ALP < 2 x ULN on one day after the"
    " start (FDA guidance, July 2009); other causes are to be excluded",
    "cholestatic": "the same with ALP >= 2 x ULN",
    "without_alp": "the same where ALP has no usable value or ULN: incomplete",
    "r_ratio": "ALT x ULN / ALP x ULN (Benichou, J Hepatol 1990;11:272)",
    "non_classic_rild": "ALT or AST > 5 x ULN in the acute window, > 20 x ULN where the baseline"
    " was above 5 x ULN (Pan, IJROBP 2010;76:S94); Child-Pugh +2 is not computed",
    "classic_rild": "ALP >= 2 x ULN with bilirubin < 2 x ULN in the acute window; needs"
    " non-malignant ascites, which is not recorded",
    "child_pugh": "incomplete: needs INR, ascites and encephalopathy",
    "peak_x_uln": "the highest multiple of ULN after the start (eDISH); >1000 counts as 1000",
}


@router.get("/liver-safety", summary="ALBI, Hy's law candidates, eDISH, RILD laboratory criteria")
async def study_liver_safety(
    service: TheService,
    study: StudyName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: PatientName | None = None,
) -> dict[str, Any]:
    """Per patient, by name, page by page. Candidates and flags for review, never diagnoses."""

    def query(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        names = list_patients(connection, found, limit + 1, cursor)
        return {
            "study": found.name,
            "synthetic": found.synthetic,
            "definitions": DEFINITIONS,
            "patients": [
                {"patient": name} | patient(connection, study, name, service)
                for name in names[:limit]
            ],
            "next": names[limit - 1] if len(names) > limit else None,
        }

    return await service.read(query)


def patient(connection: Connection, study: str, name: str, service: Service) -> dict[str, Any]:
    """One patient's liver safety; null where a figure cannot be computed.

    Raises:
        NotFound: no such study or patient.
    """
    found = find_study(connection, study)
    patient_id = find_patient(connection, found, name)
    grader = service.graders.under(found.rules)
    labs = [stored_result(row) for row in current_results(connection, patient_id)]
    safety = liver_safety(
        with_study_ranges(connection, found, patient_id, labs, grader.names),
        current_courses(connection, patient_id),
        grader,
        found.rules.window,
    )
    return _answer(safety)


def _answer(safety: LiverSafety) -> dict[str, Any]:
    before, worst = _albi(safety.albi_baseline), _albi(safety.albi_worst_acute)
    change = worst["exact"] - before["exact"] if before and worst else None
    return {
        "albi_baseline": _shown(before),
        "albi_worst_acute": _shown(worst),
        "albi_change": None if change is None else round(change, 4),
        "albi_change_grade": None if change is None else (change > 0.25) + (change > 0.5),
        "peak_x_uln": {n: _rounded(safety.peak(n)) for n in ("ALT", "AST", "ALP", "bilirubin")},
        "hys_law": _dates(safety.hys_law),
        "cholestatic": _dates(safety.cholestatic),
        "without_alp": _dates(safety.without_alp),
        "non_classic_rild": _dates(safety.non_classic_rild),
        "classic_rild": _dates(safety.classic_rild),
    }


def _albi(day: Day | None) -> dict[str, Any] | None:
    if day is None or day.albi is None:
        return None
    return {"date": day.day.isoformat(), "exact": day.albi, "grade": albi_grade(day.albi)}


def _shown(albi: dict[str, Any] | None) -> dict[str, Any] | None:
    if albi is None:
        return None
    return {"date": albi["date"], "score": round(albi["exact"], 4), "grade": albi["grade"]}


def _dates(days: Sequence[Day]) -> list[dict[str, Any]]:
    return [
        {
            "date": day.day.isoformat(),
            "phase": day.phase,
            "x_uln": {name: _rounded(multiple) for name, multiple in sorted(day.x_uln.items())},
            "r_ratio": None if day.r_ratio is None else round(day.r_ratio, 2),
        }
        for day in days
    ]


def _rounded(multiple: Fraction | None) -> float | None:
    return None if multiple is None else round(float(multiple), 3)
