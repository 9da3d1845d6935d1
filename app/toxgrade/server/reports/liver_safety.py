"""The liver safety document of a patient."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from toxgrade.cohort.child_pugh import Recorded
from toxgrade.cohort.hys_law import WITHIN_DAYS
from toxgrade.cohort.liver import LiverSafety, Peak, liver_safety, peak
from toxgrade.cohort.liver_course import LiverCourse, liver_course
from toxgrade.cohort.liver_day import measured
from toxgrade.cohort.rild import CLASSIC, NON_CLASSIC
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.parse import read_collected
from toxgrade.server.records.current_state import (
    current_courses,
    current_follow_up,
    current_results,
)
from toxgrade.server.records.liver_reviews import Verdicts, current_verdicts
from toxgrade.server.records.patient_record import events_of_patient
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import with_study_ranges
from toxgrade.server.reports.liver_entries import (
    albi_entry,
    child_pugh_document,
    jaundice_entry,
    rild_entry,
    rounded,
)

_PEAKS = ("ALT", "AST", "ALP", "bilirubin")


def liver_document(
    connection: Connection, study: Study, patient: str, grader: TermGrader,
    within_days: int = WITHIN_DAYS, course: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """Return one patient's liver safety as a document; None where a figure cannot be computed.

    Raises:
        NotFound: no such patient.
    """
    patient_id = find_patient(connection, study, patient)
    found, after_death = _all_courses(connection, study, patient_id, grader, within_days, course)
    verdicts = current_verdicts(connection, patient_id)
    return {
        "course": course,
        **_document(found[course - 1], verdicts),
        "other_courses": _other_courses(found[course - 1], found),
        "after_death": after_death,
    }


def possible_findings(
    connection: Connection, study: Study, patient_id: int, grader: TermGrader
) -> set[tuple[str, str | None]]:
    """Return name and date of what a patient has for certain or possibly, over all courses."""
    found, _ = _all_courses(connection, study, patient_id, grader, WITHIN_DAYS, 1)
    return {
        (name, day)
        for safety in found.values()
        for name, days in (
            ("hys_law", [one.raised.written for one in safety.hys_law]),
            ("classic_rild", [one.day.written for one in safety.classic_rild]),
            ("non_classic_rild", [one.day.written for one in safety.non_classic_rild]),
            *((one.finding, [one.date]) for one in safety.incomplete),
        )
        for day in days
    }


def _all_courses(
    connection: Connection, study: Study, patient_id: int, grader: TermGrader,
    within_days: int, course: int,
) -> tuple[dict[int, LiverSafety], int]:  # fmt: skip
    """Return the findings by course, from 0, and how many results are dated after death."""
    died = current_follow_up(connection, patient_id).died
    stored = [version.result for version in current_results(connection, patient_id)]
    labs = with_study_ranges(connection, study, patient_id, stored, grader.names)
    late = [result for result in labs if is_after_death(result, died)]
    alive = [result for result in labs if not is_after_death(result, died)]
    events = [
        Recorded(row.term, row.grade, read_collected(row.onset), row.resolved)
        for row in connection.execute(events_of_patient(patient_id))
    ]
    recorded = [one for one in events if died is None or one.onset.first <= died]
    courses = current_courses(connection, patient_id)
    found = {
        index: liver_safety(
            liver_course(alive, courses, index, grader, study.rules.window, recorded), within_days
        )
        for index in {*range(max(1, len(courses))), course - 1}
    }
    return found, sum(measured(result, grader) is not None for result in late)


def _document(safety: LiverSafety, verdicts: Verdicts) -> dict[str, Any]:
    def reviewed(name: str, entry: dict[str, Any]) -> dict[str, Any]:
        return entry | {"review": verdicts.get((name, entry["date"]))}

    series = safety.series
    before, worst = safety.albi_baseline, safety.albi_worst_acute
    change = None
    if before and worst and before.albi is not None and worst.albi is not None:
        change = worst.albi - before.albi
    jaundice = {"hys_law": safety.hys_law, "cholestatic": safety.cholestatic}
    rild = {"non_classic_rild": safety.non_classic_rild, "classic_rild": safety.classic_rild}
    windows = {"classic_rild": CLASSIC, "non_classic_rild": NON_CLASSIC}
    return {
        "albi": [albi_entry(day) for day in series.dated if day.albi is not None],
        "albi_baseline": albi_entry(before),
        "albi_worst_acute": albi_entry(worst),
        "albi_change": None if change is None else round(change, 4),
        "albi_change_grade": None if change is None else (change > 0.25) + (change > 0.5),
        **_peaks(series),
        "windows": {name: _window(series, *days) for name, days in windows.items()},
        **{n: [reviewed(n, jaundice_entry(series, one)) for one in f] for n, f in jaundice.items()},
        "without_alp": [jaundice_entry(series, one) for one in safety.without_alp],
        **{n: [reviewed(n, rild_entry(series, one)) for one in f] for n, f in rild.items()},
        "incomplete": [
            reviewed(
                one.finding,
                {
                    "finding": one.finding,
                    "date": one.date,
                    "bilirubin_date": one.bilirubin_date,
                    "missing": list(one.missing),
                },
            )
            for one in safety.incomplete
        ],
        "child_pugh": child_pugh_document(safety.child_pugh),
    }


def _window(series: LiverCourse, from_day: int, months: int) -> list[str] | None:
    found = series.window_after_end(from_day, months)
    return [day.isoformat() for day in found] if found else None


def _peaks(series: LiverCourse) -> dict[str, Any]:
    """Return the peaks by ULN and by baseline, and which of them could be higher."""

    def by(name: str) -> dict[str, Peak]:
        return {
            analyte: peak(
                (day.after, getattr(day, name)[analyte])
                for day in series.days
                if analyte in getattr(day, name)
            )
            for analyte in _PEAKS
        }

    uln, baseline = by("x_uln"), by("x_baseline")
    return {
        "peak_x_uln": {n: rounded(one.at_least) for n, one in uln.items()},
        "peak_at_most": {n: rounded(one.at_most) for n, one in uln.items()},
        "peak_could_be_higher": [n for n, one in uln.items() if one.could_be_higher],
        "peak_x_baseline": {n: rounded(one.at_least) for n, one in baseline.items()},
    }


def _other_courses(safety: LiverSafety, found: Mapping[int, LiverSafety]) -> dict[str, Any]:
    """Return how many results belong to other courses, and what each of these has for certain."""
    elsewhere = safety.series.elsewhere
    return {
        "results": sum(elsewhere.values()),
        "courses": [
            {
                "course": None if index is None else index + 1,
                "results": n,
                "findings": [] if index is None else found[index].findings,
            }
            for index, n in sorted(elsewhere.items(), key=lambda item: (item[0] is None, item[0]))
        ],
    }
