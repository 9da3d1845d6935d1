"""Storing the results of a Bundle as any others are stored, and answering from the stored rows."""

from collections.abc import Callable, Iterable, Sequence

from starlette.responses import Response

from toxgrade.errors import FieldFault, RequestError, TooLarge
from toxgrade.fhir.bundle import Treatment
from toxgrade.fhir.elements import Element, Note
from toxgrade.fhir.results import Observed
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.result import WITHDRAWN, Course, LabResult
from toxgrade.grading.units import Names
from toxgrade.server.ehr.fhir_http import FHIR_JSON
from toxgrade.server.ehr.grade_bundle import Answers, PersonValues, grade
from toxgrade.server.ehr.operation_parameters import OperationParameters
from toxgrade.server.http.service import Service
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import lock_study
from toxgrade.server.records.study_ranges import with_own_range

DEFAULT_STUDY = "default"


async def persist(
    parameters: OperationParameters,
    observed: Sequence[Observed],
    found: Sequence[tuple[Loc, LabResult]],
    people: Sequence[PersonValues],
    service: Service,
    build_answer: Callable[[Answers, TermGrader, Sequence[Note]], Element],
) -> Response:
    """Store the results ``found`` of one patient, and return what ``build_answer`` makes of all.

    The answer is sent once they are durable; it has a note on each result that is dated after the
    patient's death and therefore not stored. A value that is filed under another category than
    laboratory and has no known analyte (a body weight) is answered but not stored, nor is one
    without a date.

    Raises:
        RequestError: a result cannot be stored as it is; the error names its place.
        TooLarge: there are more results than ``TOXGRADE_MAX_RESULTS``.
        NotFound: there is no such study, or the caller has no role on it.
        Forbidden: the caller may not store there.
    """
    study, patient = parameters.study or DEFAULT_STUDY, parameters.patient
    assert patient is not None, "parse_parameters requires it"
    service.require("writer", study)
    sent = _dated(found)
    _refuse_too_many(sent, service.settings.max_results)
    submission = Submission(
        study, patient, tuple(sent), _courses(people), is_message=True,
        passes_over_after_death=True,
    )  # fmt: skip
    places = [loc for loc, _ in sent]

    def save(transaction: Transaction) -> Element:
        kept = store(transaction, submission, service.graders)
        rules = lock_study(transaction, study).rules
        grader = service.graders.for_rules(rules)
        by_place = zip(places, kept.of_results, strict=True)
        stored = {place: rows for place, rows in by_place if place not in kept.after_death}
        not_stored = tuple(i for i, one in enumerate(observed) if (one.where,) not in stored)
        answers = grade(observed, [PersonValues(not_stored, Treatment())], grader, rules.window)
        for index, one in enumerate(observed):
            if found := stored.get((one.where,)):
                answers[index] = [with_own_range(row) for row in found]
        text = "dated after the patient's death as it is recorded, this result is not stored"
        notes = [Note(f"{loc[0]}.effective", "not-stored", text) for loc in kept.after_death]
        return build_answer(answers, grader, notes)

    return await service.store(
        save, 200, study=study, patient=patient, is_panel=True, media_type=FHIR_JSON
    )


def storable(observed: Iterable[Observed], names: Names) -> list[tuple[Loc, LabResult]]:
    """Return the results to store, each with its place: a laboratory's, or of a known analyte."""
    return [
        ((one.where,), one.lab)
        for one in observed
        if one.lab and (one.is_laboratory or names.analyte(one.lab.analyte))
    ]


def is_undated(lab: LabResult) -> bool:
    """Return whether a result cannot be stored for want of a date, even an unreadable one.

    A withdrawal needs none: it is known by its number.
    """
    undated = lab.collected is None and lab.unreadable is not Reason.UNREADABLE_DATE
    return undated and lab.status not in WITHDRAWN


def _refuse_too_many(sent: Sequence[tuple[Loc, LabResult]], most: int) -> None:
    if len(sent) > most:
        fault = FieldFault(("Bundle", "entry"), "too-many", f"at most {most} results to store")
        text = "send NDJSON to POST /v1/studies/{study}/batches"
        raise TooLarge(f"more than {most} results to store: {text}", [fault])


def _dated(sent: Sequence[tuple[Loc, LabResult]]) -> list[tuple[Loc, LabResult]]:
    """Return the results that have a date.

    Raises:
        RequestError: none has.
    """
    undated = [loc for loc, lab in sent if is_undated(lab)]
    if undated and len(undated) == len(sent):
        text = "required to store a result"
        faults = [FieldFault((*loc, "effective"), "missing", text) for loc in undated]
        raise RequestError("a stored result needs the date it was taken", faults)
    return [(loc, lab) for loc, lab in sent if not is_undated(lab)]


def undated_notes(observed: Iterable[Observed], names: Names) -> list[Note]:
    """Return a note for each result that is not stored, because it has no date."""
    text = "without the date on which it was taken, this result is not stored"
    return [
        Note(f"{loc[0]}.effective", "not-stored", text)
        for loc, lab in storable(observed, names)
        if is_undated(lab)
    ]


def _courses(people: Sequence[PersonValues]) -> tuple[Course, ...] | None:
    """Return the course to record; None leaves the recorded courses as they are."""
    courses = people[0].treatment.courses
    if len(courses) > 1:
        text = "record several by PUT /v1/studies/{study}/patients/{patient}, then send one or none"
        fault = FieldFault(("Bundle", "entry"), "several-courses", text)
        raise RequestError("the Bundle holds several courses of radiotherapy", [fault])
    return courses or None
