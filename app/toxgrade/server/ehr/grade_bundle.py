"""Grading the values of a Bundle by person; new and stored grades are rows of one shape."""

from collections.abc import Sequence
from dataclasses import dataclass

from toxgrade.errors import FieldFault, RequestError, TooLarge
from toxgrade.fhir.bundle import Contents, Treatment
from toxgrade.fhir.elements import Note
from toxgrade.fhir.reference_range import UNKNOWN_PERSON
from toxgrade.fhir.results import Accepted, Observed, read_source
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.phase import Window
from toxgrade.grading.result import Course
from toxgrade.grading.units import Names
from toxgrade.server.records.doubts import flag_request

Answers = list[list[GradeRow]]
"""The grades of each observed value; the outer list is in the order of the values."""


@dataclass(frozen=True, slots=True)
class PersonValues:
    """One person's values, as indices into the list of all values, and the person's treatment."""

    indices: tuple[int, ...]
    treatment: Treatment


def refuse_too_many(contents: Contents, most: int) -> None:
    """Raise ``TooLarge`` if the Observations have more than ``most`` components together."""
    components = (source.resource.get("component") for source in contents.observations)
    if sum(len(each) for each in components if isinstance(each, list)) > most:
        raise TooLarge(f"more than {most} components of Observations; send a batch")


def observe(contents: Contents, names: Names, accepted: Accepted) -> list[Observed]:
    """Return every value of every Observation, in order."""
    return [
        observed
        for source in contents.observations
        for observed in read_source(
            source, names, contents.persons.get(source.subject, UNKNOWN_PERSON), accepted
        )
    ]


def persons(
    contents: Contents, observed: Sequence[Observed], *, of_one: bool, course: Course | None = None
) -> list[PersonValues]:
    """Group the values by person; ``of_one``: the caller says that all are one patient's.

    With ``of_one``, the caller's own ``course`` takes precedence over any Procedure.

    Raises:
        RequestError: all should be one patient's, but Observations or courses are of several.
    """
    by_subject: dict[str | None, list[int]] = {}
    for index, one in enumerate(observed):
        by_subject.setdefault(one.source.subject, []).append(index)
    if not of_one:
        treatments = contents.treatments
        return [
            PersonValues(tuple(indices), treatments.get(subject, Treatment()))
            for subject, indices in by_subject.items()
        ]
    named = [who for who in (*by_subject, *contents.treatments) if who is not None]
    if other := next((who for who in named if who != named[0]), None):
        indices, courses = by_subject.get(other), contents.treatments.get(other, Treatment())
        places = [observed[indices[0]].source.where] if indices else courses.places
        where = places[0] if places else "Bundle.entry"
        text = "expected the subject of the resources before it: dates or patient were given"
        fault = FieldFault((where, "subject"), "several-patients", text)
        raise RequestError("the Bundle holds more than one patient", [fault])
    subject = named[0] if named else None
    treatment = Treatment((course,)) if course else contents.treatments.get(subject, Treatment())
    return [PersonValues(tuple(range(len(observed))), treatment)]


def unplaced(contents: Contents, people: Sequence[PersonValues]) -> list[Note]:
    """Return notes on courses that are of nobody whose results are graded, and on such results."""
    used = {place for person in people for place in person.treatment.places}
    given = {where for found in contents.treatments.values() for where in found.places}
    text = "no Observation in the Bundle is of this subject: this course is not used"
    notes = [Note(f"{where}.subject", "no-results", text) for where in sorted(given - used)]
    unnamed = [one.where for one in contents.observations if one.subject is None]
    if not notes and not (given and unnamed):
        return []
    text = "no course of radiotherapy in the Bundle is of this subject: the phase is not known"
    first: dict[str | None, str] = {}
    for one in contents.observations:
        if one.subject not in contents.treatments:
            first.setdefault(one.subject, one.where)
    return notes + [Note(f"{where}.subject", "no-course", text) for where in first.values()]


def grade(
    observed: Sequence[Observed], people: Sequence[PersonValues], grader: TermGrader, window: Window
) -> Answers:
    """Grade every value without storing it; doubtful ones have the flags that storing gives."""
    answers: Answers = [[] for _ in observed]
    for person in people:
        found = [(i, lab) for i in person.indices if (lab := observed[i].lab) is not None]
        labs = flag_request([lab for _, lab in found], grader.names)
        for entry in grade_patient(labs, person.treatment.courses, grader, window):
            answers[found[entry.index][0]].append(GradeRow.of(entry, labs[entry.index], grader))
    return answers
