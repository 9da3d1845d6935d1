"""A patient's toxicity as callers see it: courses of radiotherapy, worst grades, the liver."""

from typing import Any

from pydantic import BaseModel

from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.result import Course
from toxgrade.server.api.responses import SummaryAnswer


class CourseAnswer(BaseModel):
    """A course of radiotherapy; ``bed10_gy``: biologically effective dose, alpha/beta 10 Gy."""

    start: str | None
    end: str | None
    status: str | None
    dose_gy: str | None
    fractions: int | None
    bed10_gy: str | None


class ToxicityAnswer(BaseModel):
    """A patient's worst grades per term over the first course, and the liver's values.

    Results of unknown phase count as possible; those of other courses and after death do not count.
    """

    patient: str
    radiotherapy: CourseAnswer | None
    summary: list[SummaryAnswer]
    phase_unknown: dict[str, int]
    other_courses: int
    after_death: int
    liver_safety: dict[str, Any]


def course_answer(course: Course) -> dict[str, Any]:
    """Return a course of radiotherapy with the fields of ``CourseAnswer``."""
    status = "in-progress" if course.ongoing else "completed" if course.end else None
    return {
        "start": course.start_text,
        "end": course.end.isoformat() if course.end else None,
        "status": status,
        "dose_gy": to_plain_text(course.dose_gy),
        "fractions": course.fractions,
        "bed10_gy": None if course.bed10_gy is None else f"{course.bed10_gy:.2f}",
    }
