"""Storing what a Bundle holds, as any results are stored, and answering from what is stored."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from toxgrade.errors import FieldFault, RequestError, TooLarge
from toxgrade.fhir.bundle import Treatment
from toxgrade.fhir.results import Observed
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.result import Course, LabResult, Reason
from toxgrade.grading.rules import Rules
from toxgrade.grading.units import Names
from toxgrade.server.ehr.fhir_http import FHIR_JSON
from toxgrade.server.ehr.grade_bundle import Answers, Graded, Grouped, grade
from toxgrade.server.ehr.operation_parameters import OperationParameters
from toxgrade.server.http.service import Service
from toxgrade.server.records.identity import Loc, identity
from toxgrade.server.records.patient_state import GradeRow
from toxgrade.server.records.store import Submission, store
from toxgrade.server.records.studies import find_study

DEFAULT_STUDY = "default"


async def persist(
    asked: OperationParameters,
    observed: Sequence[Observed],
    people: Sequence[Grouped],
    service: Service,
    told: Callable[[Answers, TermGrader], Any],
) -> Response:
    """Store one patient's results in the group writer, and answer what ``told`` makes of them.

    Durable before it is answered. What is no laboratory's and no analyte of ours (a body weight)
    is answered and not stored.

    Raises:
        RequestError: a result that cannot be stored as it is; names the place.
        TooLarge: more results than ``TOXGRADE_MAX_RESULTS``.
        NotFound: no such study, or not one of the caller's.
        Forbidden: the caller may not store there.
    """
    study, patient = asked.study or DEFAULT_STUDY, asked.patient
    assert patient is not None, "read_asked requires it"
    service.require("writer", study)
    names = service.graders.for_rules(Rules()).names
    sent = storable(observed, names)
    _refuse_too_many(sent, service.settings.max_results)
    _refuse_undated(sent)
    submission = Submission(study, patient, tuple(sent), _courses(people))
    stored_as = {loc: identity(lab, names) for loc, lab in sent}

    def save(connection: Connection) -> Any:
        rows = store(connection, submission, service.graders).grades
        rules = find_study(connection, study).rules
        grader = service.graders.for_rules(rules)
        kept: dict[str, dict[int, GradeRow]] = defaultdict(dict)
        for row in rows:  # a result that was sent twice has its rows twice
            kept[row["identity"]][row["id"]] = row
        aside = tuple(i for i, one in enumerate(observed) if (one.where,) not in stored_as)
        answers = grade(observed, [Grouped(aside, Treatment())], grader, rules.window)
        for place, one in enumerate(observed):
            if key := stored_as.get((one.where,)):
                answers[place] = [Graded.stored(row, grader) for row in kept[key].values()]
        return told(answers, grader)

    return await service.store(
        save, 200, study=study, patient=patient, is_panel=True, media_type=FHIR_JSON
    )


def storable(observed: Iterable[Observed], names: Names) -> list[tuple[Loc, LabResult]]:
    """What is a laboratory's or an analyte of ours, by its place."""
    return [
        ((one.where,), one.lab)
        for one in observed
        if one.lab and (one.is_laboratory or names.analyte(one.lab.analyte))
    ]


def is_undated(lab: LabResult) -> bool:
    """Whether nothing says when it was taken: not even a date that cannot be read."""
    return lab.collected is None and lab.unreadable is not Reason.UNREADABLE_DATE


def _refuse_too_many(sent: Sequence[tuple[Loc, LabResult]], most: int) -> None:
    if len(sent) > most:
        fault = FieldFault(("Bundle", "entry"), "too-many", f"at most {most} results to store")
        text = "send NDJSON to POST /v1/studies/{study}/batches"
        raise TooLarge(f"more than {most} results to store: {text}", [fault])


def _refuse_undated(sent: Sequence[tuple[Loc, LabResult]]) -> None:
    faults = [
        FieldFault((*loc, "effective"), "missing", "required to store a result")
        for loc, lab in sent
        if is_undated(lab)
    ]
    if faults:
        raise RequestError("a stored result needs the date it was taken", faults)


def _courses(people: Sequence[Grouped]) -> tuple[Course, ...] | None:
    """The course to record; None leaves what is recorded as it is."""
    courses = people[0].treatment.courses
    if len(courses) > 1:
        text = "record several by PUT /v1/studies/{study}/patients/{patient}, then send one or none"
        fault = FieldFault(("Bundle", "entry"), "several-courses", text)
        raise RequestError("the Bundle holds several courses of radiotherapy", [fault])
    return courses or None
