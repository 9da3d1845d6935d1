"""Ascites as clinicians recorded it: whether it is new, and present near a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from toxgrade.cohort.child_pugh import CLINICAL
from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.cohort.criterion import Criterion, all_of, any_of, wanting
from toxgrade.grading.result import Collected, Course

NEAR_DAYS = 14
"""Ascites counts that is present within so many days on either side."""

_REACH = timedelta(days=NEAR_DAYS)
_DATE = "date of ascites"


@dataclass(frozen=True, slots=True)
class _Spell:
    """A record of ascites: the grade from its onset to ``end`` (None: still), and when it began.

    ``began`` is the onset of the first of several records that follow each other without a gap.
    """

    grade: int
    onset: Collected
    began: Collected
    end: date | None


class Ascites:
    """The ascites of a patient before and after the start of a course."""

    def __init__(self, course: Course | None, recorded: Sequence[ClinicalEvent]) -> None:
        self.course = course
        self.spells: list[_Spell] = []
        own = [one for one in recorded if one.term == CLINICAL["ascites"]]
        own.sort(key=lambda one: (one.onset.last, one.grade))
        for i, one in enumerate(own):
            following = own[i + 1].onset.first if i + 1 < len(own) else None
            ends = [day for day in (one.resolved, following) if day is not None]
            before = self.spells[-1] if self.spells else None
            goes_on = before and before.grade and one.grade and before.end == one.onset.first
            began = before.began if before and goes_on else one.onset
            self.spells.append(_Spell(one.grade, one.onset, began, min(ends, default=None)))
        self._ended = [one.resolved for one in own if one.resolved]

    def is_new(self, day: date) -> Criterion:
        """Return whether ascites that began after the baseline is present near a day.

        Absent it is only if somebody said so near that day.
        """
        present = [
            one for one in self.spells if one.grade and self._near(one, day).holds is not False
        ]
        judged = any_of(all_of([self._near(one, day), self._is_later(one)]) for one in present)
        if judged.holds is not False:
            return judged
        said = [one.onset for one in self.spells if not one.grade]
        is_absent = any(day - _REACH <= one.first and one.last <= day + _REACH for one in said)
        has_ended = any(abs(ended - day) <= _REACH for ended in self._ended)
        return Criterion(False) if present or is_absent or has_ended else wanting("ascites")

    def grade(self, day: date) -> int | None:
        """Return the highest grade that may be present near a day; None: none is recorded."""
        grades = (one.grade for one in self.spells if self._near(one, day).holds is not False)
        return max(grades, default=None)

    def _near(self, one: _Spell, day: date) -> Criterion:
        """Return whether a record holds on a day within reach."""
        if one.onset.first > day + _REACH or (one.end and one.end <= day - _REACH):
            return Criterion(False)
        return Criterion(True) if one.onset.last <= day + _REACH else wanting(_DATE)

    def _is_later(self, one: _Spell) -> Criterion:
        """Return whether ascites began after the start of radiotherapy."""
        start = self.course.start if self.course else None
        end = self.course.end if self.course else None
        if start is None:
            return (
                Criterion(True)
                if end and one.began.first > end
                else wanting("start of radiotherapy")
            )
        if one.began.first > start:
            return Criterion(True)
        return Criterion(False) if one.began.last <= start else wanting(_DATE)
