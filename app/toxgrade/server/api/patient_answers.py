"""A patient as callers see one: courses, follow-up, worst grades, erasure."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

from toxgrade.cohort.described import answer, described
from toxgrade.cohort.liver_report import LiverReport
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.reference_ranges import Sex
from toxgrade.grading.result import Course
from toxgrade.server.api.responses import SummaryAnswer
from toxgrade.server.records.current_state import FollowUp, VitalStatus
from toxgrade.server.records.patient_record import PatientRecord


@answer
class OfPatient:
    """Whose it is."""

    study: str = described("The study's name.", "demo")
    patient: str = described("The study's pseudonym.", "P01")


@answer
class CourseAnswer:
    """A course of radiotherapy."""

    start: str | None = described("The first day, with its time where known.", "2011-01-24")
    end: date | None = described("The last day; null: not known.", "2011-03-09")
    status: Literal["in-progress", "completed"] | None = described(
        "`in-progress`: declared to go on; null: neither that nor an end is known.", "completed"
    )
    dose_gy: str | None = described("The total dose in Gy; null: not known.", "21")
    fractions: int | None = described("The number of fractions; null: not known.", 7)
    bed10_gy: str | None = described(
        "Biologically effective dose in Gy, alpha/beta 10 Gy; null: dose or fractions not known.",
        "27.30",
    )


@answer
class PatientAnswer(OfPatient):
    """What is recorded of a patient beside results and events."""

    courses: Sequence[CourseAnswer] = described("Of radiotherapy, by start.")
    last_contact: date | None = described(
        "The day last seen alive, or of death; null: not known.", "2012-05-02"
    )
    vital_status: VitalStatus | None = described("On that day; null: not known.", "alive")
    cause: str | None = described("Of death; null: not known.", None)
    sex: Sex | None = described("null: not known.", "female")
    birth_year: int | None = described("null: not known.", 1950)


@answer
class ErasureAnswer(OfPatient):
    """What was erased."""

    rows_erased: int = described("The number of rows that held the patient's values.", 12)


@answer
class ToxicityAnswer:
    """A patient's worst grades per term over the first course, and the liver's values.

    Results of unknown phase count as possible; those of other courses and after death do not count.
    """

    patient: str = described("The study's pseudonym.", "P01")
    radiotherapy: CourseAnswer | None = described("The first course; null: none is known.")
    summary: Sequence[SummaryAnswer] = described("By term.")
    phase_unknown: Mapping[str, int] = described(
        "Graded results of unknown phase: `n` of all, then the number by reason.",
        {"n": 2, "no_date": 2},
    )
    other_courses: int = described("Results that belong to later courses.", 0)
    after_death: int = described("Results that are dated after the death.", 0)
    liver_safety: LiverReport = described("The liver's values over the first course.")


def course_answer(course: Course) -> CourseAnswer:
    """Return a course of radiotherapy as it is answered."""
    return CourseAnswer(
        start=course.start_text,
        end=course.end,
        status="in-progress" if course.ongoing else "completed" if course.end else None,
        dose_gy=to_plain_text(course.dose_gy),
        fractions=course.fractions,
        bed10_gy=None if course.bed10_gy is None else f"{course.bed10_gy:.2f}",
    )


def patient_answer(study: str, patient: str, now: PatientRecord) -> PatientAnswer:
    """Return what is recorded of a patient as it is answered."""
    follow_up = now.follow_up or FollowUp()
    return PatientAnswer(
        study=study,
        patient=patient,
        courses=[course_answer(course) for course in now.courses or ()],
        last_contact=follow_up.last_contact,
        vital_status=follow_up.vital_status,
        cause=follow_up.cause,
        sex=now.person.get("sex"),
        birth_year=now.person.get("birth_year"),
    )
