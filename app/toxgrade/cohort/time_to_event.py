"""Days from radiotherapy to a first grade or to death, for every patient of a study.

Results and clinicians' events count together, each with its possible days and whether it is
certainly after the start.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import msgspec

from toxgrade.cohort.clinical_events import ClinicalEvent, events_over_course
from toxgrade.cohort.definition import TableRow
from toxgrade.cohort.placed_result import PlacedResult
from toxgrade.cohort.survival import Observation
from toxgrade.grading.event import ATTRIBUTIONS, Attribution
from toxgrade.grading.phase import Window, belongs
from toxgrade.grading.result import AFTER_START, Course
from toxgrade.grading.worst_grade import Bounds

Censor = Literal["contact", "last-result"]
NotEvaluable = Literal["no-radiotherapy-start", "not-followed", "not-measured"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is waited for after the start of a course: grades of a row's terms.

    ``attributions``: those that count; laboratory grades have none of their own, so ``unknown``.
    ``censor``: alive without the grade, a patient is seen up to the last contact, or up to the last
    result or event of the row.
    """

    row: TableRow
    course: int = 1
    attributions: Sequence[Attribution] = ATTRIBUTIONS
    censor: Censor = "contact"

    @property
    def index(self) -> int:
        return self.course - 1


@dataclass(frozen=True, slots=True)
class Followed:
    """The follow-up of a patient; ``start`` is the course's, ``end`` None: no follow-up known."""

    id: int
    name: str
    start: date | None
    end: date | None
    died: date | None
    courses: tuple[Course, ...]


class Finding(msgspec.Struct, frozen=True, gc=False):
    """A grade with its possible days after the start; ``certain`` False: it may be before."""

    first: date
    last: date
    at_least: int
    at_most: int
    worse: bool | None
    certain: bool


@dataclass(slots=True)
class Seen:
    """What is known of a patient after the start.

    ``findings`` lack grades that are certainly not worse than the baseline. ``last``: the day of
    the last result or event that is certainly after the start; None: there is none.
    """

    findings: list[Finding] = field(default_factory=list)
    last: date | None = None

    def add(self, finding: Finding, *, counts: bool) -> None:
        """Add a grade, which counts if its attribution was asked for."""
        if finding.certain:
            self.last = max(self.last or finding.first, finding.first)
        if counts:
            self.findings.append(finding)


def add_results(
    seen: dict[int, Seen], results: Iterable[PlacedResult], started: Mapping[int, Followed],
    endpoint: Endpoint,
) -> None:  # fmt: skip
    """Add the results that are or may be after the start, of patients who started, by number."""
    counts = "unknown" in endpoint.attributions
    for one in results:
        after = belongs(one.places, endpoint.index, AFTER_START)
        if after is not False and (patient := started.get(one.patient_id)):
            days = _days(patient, one.first, one.last)
            certain = bool(after and one.is_likely)
            finding = Finding(*days, one.at_least, one.at_most, one.worse, certain)
            seen.setdefault(patient.id, Seen()).add(finding, counts=counts)


def add_events(
    seen: dict[int, Seen], patient: Followed, events: Iterable[ClinicalEvent],
    measured: Mapping[str, Bounds], laboratory: Collection[str], window: Window, endpoint: Endpoint,
) -> None:  # fmt: skip
    """Add the events of one patient, compared as ``events_over_course`` does."""
    wanted = [event for event in events if event.term in endpoint.row.terms]
    for of_term in events_over_course(
        wanted, patient.courses, endpoint.index, window, patient.died, measured, laboratory
    ):
        for placed in of_term.placed:
            after, event = placed.counts(AFTER_START), placed.event
            if after is not False:
                days = _days(patient, event.onset.first, event.onset.last)
                certain = bool(after and placed.is_likely)
                finding = Finding(*days, event.grade, event.grade, placed.worse, certain)
                counts = event.attribution in endpoint.attributions
                seen.setdefault(patient.id, Seen()).add(finding, counts=counts)


def _days(patient: Followed, first: date | None, last: date | None) -> tuple[date, date]:
    """Return the possible days of a result or event after the start of the course."""
    earliest = patient.start + timedelta(days=1) if patient.start else date.min
    return max(first or earliest, earliest), last or date.max


@dataclass(slots=True)
class TimesToEvent:
    """The patients of a study with their days from the start of the course to an outcome.

    ``observed``: by name. ``undecided``: without a certain event, though what is undecided or not
    placed in time may be one. ``inexact``: with an event on a day that is not exact; the first
    possible day of the first certain event counts. ``not_evaluable``: patients who cannot be
    observed, by reason. ``other_courses`` and ``after_death``: results left out, by patient.
    """

    observed: dict[str, Observation] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    inexact: list[str] = field(default_factory=list)
    not_evaluable: dict[NotEvaluable, list[str]] = field(default_factory=dict)
    other_courses: dict[str, int] = field(default_factory=dict)
    after_death: dict[str, int] = field(default_factory=dict)

    def add_not_evaluable(self, patient: str, reason: NotEvaluable) -> None:
        self.not_evaluable.setdefault(reason, []).append(patient)


def times_to_grade(
    grade: int, followed: Iterable[Followed], seen: Mapping[int, Seen], endpoint: Endpoint
) -> TimesToEvent:
    """Return each patient's days to the first grade of at least ``grade``, worse than baseline.

    A result counts from the day it was taken, an event from its onset, of a partial date the first
    possible day; but only if it is certainly after the start. Death is the competing event. The
    grade may have been reached on any day since the visit before.
    """
    found = TimesToEvent()
    for patient in followed:
        own = seen.get(patient.id, Seen() if endpoint.row.clinical else None)
        if patient.start is None:
            found.add_not_evaluable(patient.name, "no-radiotherapy-start")
        elif own is None:
            found.add_not_evaluable(patient.name, "not-measured")
        else:
            _add(found, grade, patient, patient.start, own, endpoint.censor)
    return found


def _add(
    found: TimesToEvent, grade: int, patient: Followed, start: date, seen: Seen, censor: Censor
) -> None:
    possible = [f for f in seen.findings if f.at_most >= grade and f.worse is not False]
    certain = [f for f in possible if f.certain and f.at_least >= grade and f.worse]
    first = min((f.first for f in certain), default=None)
    if first is None and possible:
        found.undecided.append(patient.name)
    if first is not None and (patient.died is None or first <= patient.died):
        found.observed[patient.name] = Observation((first - start).days, "event")
        if min(f.first for f in possible) < first or min(f.last for f in certain) > first:
            found.inexact.append(patient.name)
    elif patient.end is None or patient.end < start:
        found.add_not_evaluable(patient.name, "not-followed")
    elif patient.died == patient.end:
        found.observed[patient.name] = Observation((patient.end - start).days, "competing")
    else:
        end = patient.end if censor == "contact" else max(start, seen.last or start)
        found.observed[patient.name] = Observation((end - start).days, "censored")


def times_to_death(followed: Iterable[Followed]) -> TimesToEvent:
    """Return the days from the first course's start to death, or to the end of follow-up."""
    found = TimesToEvent()
    for patient in followed:
        if patient.start is None:
            found.add_not_evaluable(patient.name, "no-radiotherapy-start")
        elif patient.end is None or patient.end < patient.start:
            found.add_not_evaluable(patient.name, "not-followed")
        else:
            days = (patient.end - patient.start).days
            died = patient.died is not None
            found.observed[patient.name] = Observation(days, "event" if died else "censored")
    return found
