"""What was found of each patient of a study after the start of a course, for the times to a grade.

Results and clinicians' events together, each with its possible days and whether it is certainly
after the start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

import msgspec
from sqlalchemy import Connection, and_, or_

from toxgrade.cohort.clinical_events import (
    PlacedEvent,
    by_term,
    clinical_baseline,
    place_events,
)
from toxgrade.cohort.definition import TableRow
from toxgrade.cohort.worst import Bounds, highest
from toxgrade.criteria.model import Edition
from toxgrade.grading.event import ATTRIBUTIONS, Attribution
from toxgrade.grading.phase import belongs
from toxgrade.grading.summary import worse
from toxgrade.server.records.db.tables import grades
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import events_by_patient
from toxgrade.server.reports.placed_results import (
    AFTER_START,
    Courses,
    laboratory_baselines,
    last_results,
    placed_results,
)

Censor = Literal["contact", "last-result"]


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


@dataclass(frozen=True, slots=True)
class Findings:
    """Reads what was found of the patients who started a course, by their row numbers.

    ``courses`` holds these patients alone, each with a start of the course that is reported.
    """

    connection: Connection
    study: Study
    edition: Edition
    endpoint: Endpoint
    courses: Courses
    died: Mapping[int, date]

    def from_grade(self, lowest: int) -> dict[int, Seen]:
        """Return the patients with anything that may be after the start, and grades from lowest."""
        seen: dict[int, Seen] = {}
        last = last_results(self.connection, self.study, self._index, self.endpoint.row.terms)
        for patient_id in last.keys() & self.courses.keys():
            seen[patient_id] = Seen(last=last[patient_id])
        self._add_results(seen, lowest)
        self._add_events(seen)
        return seen

    @property
    def _index(self) -> int:
        return self.endpoint.course - 1

    def _add_results(self, seen: dict[int, Seen], lowest: int) -> None:
        may_reach = and_(grades.c.at_most >= lowest, grades.c.worse_than_baseline.is_not(False))
        after = and_(grades.c.phase.in_(AFTER_START), may_reach)
        wanted = and_(
            grades.c.term.in_(self.endpoint.row.terms), or_(grades.c.phase == "unknown", after)
        )
        counts = "unknown" in self.endpoint.attributions
        for one in placed_results(self.connection, self.study, self.courses, self._index, wanted):
            is_after = belongs(one.places, self._index, AFTER_START)
            if is_after is not False and one.patient_id in self.courses:
                days = self._days(one.patient_id, one.first, one.last)
                certain = bool(is_after and one.is_likely)
                finding = Finding(*days, one.at_least, one.at_most, one.worse, certain)
                seen.setdefault(one.patient_id, Seen()).add(finding, counts=counts)

    def _days(self, patient_id: int, first: date | None, last: date | None) -> tuple[date, date]:
        """Return the possible days of a result or event after the start of the course."""
        start = self.courses[patient_id][self._index].start
        earliest = start + timedelta(days=1) if start else date.min
        return max(first or earliest, earliest), last or date.max

    def _add_events(self, seen: dict[int, Seen]) -> None:
        """Add clinicians' grades, each compared with the baseline of its own term."""
        laboratory = {term.name for term in self.edition.terms}
        baselines = laboratory_baselines(
            self.connection, self.study, self._index,
            [term for term in self.endpoint.row.terms if term in laboratory],
        )  # fmt: skip
        for patient_id, events in events_by_patient(self.connection, self.study).items():
            courses = self.courses.get(patient_id, ())
            wanted = [event for event in events if event.term in self.endpoint.row.terms]
            for term, own in by_term(wanted).items() if courses else ():
                known = (
                    baselines.get((patient_id, term)),
                    clinical_baseline(own, courses[self._index]),
                    None if term in laboratory else Bounds(0, 0, decided=True),
                )
                baseline = highest(bounds for bounds in known if bounds)
                died, window = self.died.get(patient_id), self.study.rules.window
                for placed in place_events(own, courses, self._index, window, died):
                    if placed.counts(AFTER_START) is not False:
                        self._add_event(seen.setdefault(patient_id, Seen()), patient_id, placed,
                                        baseline)  # fmt: skip

    def _add_event(
        self, seen: Seen, patient_id: int, placed: PlacedEvent, baseline: Bounds | None
    ) -> None:
        event, certain = placed.event, bool(placed.counts(AFTER_START) and placed.is_likely)
        days = self._days(patient_id, event.onset.first, event.onset.last)
        is_worse = worse(event.grade, event.grade, baseline) if baseline else None
        finding = Finding(*days, event.grade, event.grade, is_worse, certain)
        seen.add(finding, counts=event.attribution in self.endpoint.attributions)
