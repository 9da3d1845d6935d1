"""Grading what a Bundle holds, each person's Observations together."""

from collections.abc import Sequence
from dataclasses import dataclass

from toxgrade.ehr.graded import Graded
from toxgrade.errors import FieldFault, RequestError
from toxgrade.fhir.bundle import Contents, Treatment
from toxgrade.fhir.reference_range import UNKNOWN_PERSON
from toxgrade.fhir.results import Accepted, Observed, read_source
from toxgrade.grading.grader import Grader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.phase import Window
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.identity import Loc, refuse_contradictions

Answers = list[list[Graded]]
"""The grades of each value that was observed, in the same order."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """One person's values, by their places among all, and their treatment."""

    places: tuple[int, ...]
    treatment: Treatment


def observe(contents: Contents, names: Names, accepted: Accepted) -> list[Observed]:
    """Every value of every Observation, in order."""
    return [
        observed
        for source in contents.observations
        for observed in read_source(
            source, names, contents.persons.get(source.subject, UNKNOWN_PERSON), accepted
        )
    ]


def persons(
    contents: Contents, observed: Sequence[Observed], *, of_one: bool, course: Course | None = None
) -> list[Grouped]:
    """Whose values are whose; ``of_one``: the caller said that all are one patient's.

    ``course`` is what the caller said of the treatment; it goes before any Procedure.

    Raises:
        RequestError: all should be one patient's, and are not.
    """
    by_subject: dict[str | None, list[int]] = {}
    for place, one in enumerate(observed):
        by_subject.setdefault(one.source.subject, []).append(place)
    if not of_one:
        treatments = contents.treatments
        return [
            Grouped(tuple(places), treatments.get(subject, Treatment()))
            for subject, places in by_subject.items()
        ]
    named = [subject for subject in by_subject or contents.treatments if subject is not None]
    if len(named) > 1:
        places = by_subject.get(named[1])
        where = observed[places[0]].source.where if places else "Bundle.entry"
        text = "expected the subject of the Observations before it: dates or patient were given"
        fault = FieldFault((where, "subject"), "several-patients", text)
        raise RequestError("the Bundle holds more than one patient", [fault])
    subject = named[0] if named else None
    treatment = Treatment((course,)) if course else contents.treatments.get(subject, Treatment())
    return [Grouped(tuple(range(len(observed))), treatment)]


def grade(
    observed: Sequence[Observed], people: Sequence[Grouped], grader: Grader, window: Window
) -> Answers:
    """Grade without storing.

    Raises:
        RequestError: one Observation is there twice with different content.
    """
    answers: Answers = [[] for _ in observed]
    for person in people:
        found = [(p, lab) for p in person.places if (lab := observed[p].lab) is not None]
        labs = [lab for _, lab in found]
        _refuse_two_contents([((observed[p].where,), lab) for p, lab in found], grader.names)
        for entry in grade_patient(labs, person.treatment.courses, grader, window):
            answers[found[entry.index][0]].append(Graded.fresh(entry, labs[entry.index]))
    return answers


def _refuse_two_contents(found: Sequence[tuple[Loc, LabResult]], names: Names) -> None:
    refuse_contradictions([(loc, lab) for loc, lab in found if names.analyte(lab.analyte)], names)
