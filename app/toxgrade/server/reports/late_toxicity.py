"""Late toxicity of a stored study: by patient and term, with onset, attribution and recovery."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from toxgrade.criteria.model import Edition
from toxgrade.grading.event import Attribution
from toxgrade.grading.result import Course
from toxgrade.server.records.db.tables import patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.after_death import after_death
from toxgrade.server.reports.cohort_queries import courses_by_patient
from toxgrade.server.reports.late_visits import Visit, read_visits
from toxgrade.server.reports.placed_results import other_courses


@dataclass(frozen=True, slots=True)
class LateToxicity:
    """One term of one patient that was worse than its own baseline after the acute window.

    ``baseline_grade``: the lowest possible. ``first`` and ``worst``: the first late visit above
    baseline and the first at the worst grade. ``attribution``: a clinician's, from the last such
    event; ``unknown`` without one. ``resolved``: the first visit after ``worst`` that is certainly
    not above the baseline; None: there is none. ``visits``: all dated acute and late visits, and
    those that may be, by day.
    """

    patient: str
    term: str
    baseline_grade: int | None
    radiotherapy_end: date | None
    first: Visit
    worst: Visit
    resolved: Visit | None
    attribution: Attribution
    visits: tuple[Visit, ...]

    @property
    def persistent(self) -> bool:
        """Return whether it is late because an event of the acute phase lasted."""
        return any(visit.persistent for visit in self.visits if _certain(visit))


@dataclass(frozen=True, slots=True)
class PossiblyLate:
    """A term that may have been late and worse than baseline, up to ``at_most``; not certainly."""

    patient: str
    term: str
    at_most: int
    attribution: Attribution


@dataclass(frozen=True, slots=True)
class LateReport:
    """Late toxicity of a study, by patient and term.

    ``without_course``: patients with grades but no course at all. ``other_courses`` and
    ``after_death``: the number of results left out, by patient.
    """

    late: list[LateToxicity]
    undecided: list[PossiblyLate]
    without_course: list[str]
    other_courses: dict[str, int]
    after_death: dict[str, int]


def late_toxicity(
    connection: Connection, study: Study, edition: Edition, course: int
) -> LateReport:
    """Return the late toxicity by patient and term, from results and clinicians' events together.

    A laboratory term needs a baseline; a clinical term without one began at grade 0.
    """
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    names = {row.id: row.name for row in connection.execute(named)}
    courses, index = courses_by_patient(connection, study), course - 1
    read = read_visits(connection, study, edition, courses, index)
    elsewhere = other_courses(connection, study, courses, index)
    in_course = {names[n] for n, own in courses.items() if len(own) >= course}
    by_name = {names[n]: results for n, results in elsewhere.items() if names[n] in in_course}
    report = LateReport([], [], [], by_name, after_death(connection, study))
    for key, visits in sorted(
        read.visits.items(), key=lambda item: (names[item[0][0]], item[0][1])
    ):
        name, own = names[key[0]], courses.get(key[0], ())
        if course <= len(own):
            baseline = read.baselines.get(key)
            least = baseline.at_least if baseline else None
            if late := _late(name, key[1], visits, least, own[index]):
                report.late.append(late)
            elif may_be := _possibly_late(name, key[1], visits):
                report.undecided.append(may_be)
        elif not own and name not in report.without_course[-1:]:
            report.without_course.append(name)
    return report


def _certain(visit: Visit) -> bool:
    return bool(visit.late and visit.worse)


def _late(
    name: str, term: str, visits: Sequence[Visit], baseline_grade: int | None, course: Course
) -> LateToxicity | None:
    """Return the late toxicity of a term; None unless a late grade is certainly above baseline."""
    after = sorted((visit for visit in visits if visit.day), key=_by_day)
    above = [visit for visit in after if _certain(visit)]
    if not above:
        return None
    worst = max(above, key=lambda visit: visit.at_least)  # max takes the first of equals.
    attributed = [visit.attribution for visit in above if visit.attribution]
    following = after[after.index(worst) + 1 :]
    return LateToxicity(
        patient=name,
        term=term,
        baseline_grade=baseline_grade,
        radiotherapy_end=course.end,
        first=above[0],
        worst=worst,
        resolved=next((visit for visit in following if visit.worse is False), None),
        attribution=attributed[-1] if attributed else "unknown",
        visits=tuple(after),
    )


def _by_day(visit: Visit) -> tuple[date, int, int, str, str]:
    """Return the key of an order by day, and on one day by content, never by arrival."""
    content = (visit.at_least, visit.at_most, visit.value or "", visit.attribution or "")
    return (visit.day or date.min, *content)


def _possibly_late(name: str, term: str, visits: Sequence[Visit]) -> PossiblyLate | None:
    """Return what a term may have reached late; None if nothing may be late and worse."""
    possible = [
        visit
        for visit in sorted(visits, key=_by_day)
        if visit.late is not False and visit.worse is not False and visit.at_most
    ]
    if not possible:
        return None
    attributed = [visit.attribution for visit in possible if visit.attribution]
    at_most = max(visit.at_most for visit in possible)
    return PossiblyLate(name, term, at_most, attributed[-1] if attributed else "unknown")
