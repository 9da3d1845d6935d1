"""The document of a study's late toxicity, with its definition and its counts by attribution."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection

from toxgrade.cohort.table_document import results_of
from toxgrade.criteria.model import Edition
from toxgrade.grading.event import ATTRIBUTIONS, Attribution
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.late_toxicity import LateToxicity, late_toxicity
from toxgrade.server.reports.late_visits import Visit

_DEFINITION = (
    "Late: after the acute window, in the terms where a result or event is certainly worse than the"
    " patient's own baseline. Persistent: a clinician's event that began in the acute window and is"
    " known to have lasted beyond it: the next grade of its term, 1 or more, began late, or it"
    " resolved late, or it is declared ongoing; listed with its acute onset. Undecided: terms that"
    " may have been late and worse (not dated, graded or placed exactly, no baseline, or an acute"
    " event of which nothing later is recorded). Attribution: a clinician's, from the last late"
    " event of the term; laboratory grades have none of their own: unknown. Resolved: the first"
    " visit after the worst one that is not above the baseline."
)


def late_document(
    connection: Connection,
    study: Study,
    edition: Edition,
    course: int,
    attributions: Sequence[Attribution],
) -> dict[str, Any]:
    """Return the late toxicity of those attributions as a document; its counts are of all."""
    found = late_toxicity(connection, study, edition, course)
    return {
        "study": study.name,
        "synthetic": study.synthetic,
        "course": course,
        "attribution": list(attributions),
        "definition": _DEFINITION,
        "late": [_late(one) for one in found.late if one.attribution in attributions],
        "by_attribution": {each: _count(found.late, each) for each in ATTRIBUTIONS},
        "undecided": [
            {
                "patient": one.patient,
                "term": one.term,
                "at_most": one.at_most,
                "attribution": one.attribution,
            }
            for one in found.undecided
            if one.attribution in attributions
        ],
        "without_course": {
            "n": len(found.without_course),
            "patients": found.without_course,
        },
        "other_courses": results_of(found.other_courses),
        "after_death": results_of(found.after_death),
    }


def _count(late: Sequence[LateToxicity], attribution: Attribution) -> dict[str, Any]:
    own = [one.patient for one in late if one.attribution == attribution]
    return {"n": len(own), "patients": sorted(set(own))}


def _late(one: LateToxicity) -> dict[str, Any]:
    end = one.radiotherapy_end
    return {
        "patient": one.patient,
        "term": one.term,
        "baseline_grade": one.baseline_grade,
        "worst_grade": one.worst.at_least,
        "attribution": one.attribution,
        "persistent": one.persistent,
        "first": _visit(one.first, end),
        "worst": _visit(one.worst, end),
        "resolved": _visit(one.resolved, end) if one.resolved else None,
        "visits": [_visit(each, end) for each in one.visits],
    }


def _visit(visit: Visit, end: date | None) -> dict[str, Any]:
    return {
        "date": visit.day.isoformat() if visit.day else None,
        "days_from_end": (visit.day - end).days if visit.day and end else None,
        "phase": visit.phase,
        "at_least": visit.at_least,
        "at_most": visit.at_most,
        "value": visit.value,
        "persistent": visit.persistent,
    }
