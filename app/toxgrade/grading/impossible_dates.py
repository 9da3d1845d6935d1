"""Dates that cannot be: after the patient's death, in the future, decades from radiotherapy.

A partial date counts only if every day that it may mean does.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from toxgrade.grading.result import WITHDRAWN, Collected, Course, LabResult

DECADES = timedelta(days=7305)
"""Twenty years: a date further from radiotherapy than this is unlikely."""
_GRACE = timedelta(days=1)
"""The day of storing is that of UTC; a laboratory's own may be the next."""


def is_after_death(result: LabResult, died: date | None) -> bool:
    """Return whether a result was certainly taken after the day of death (None: not known).

    A withdrawal never is: it says that there is no such result.
    """
    is_later = died is not None and result.collected is not None and result.collected.first > died
    return is_later and result.status not in WITHDRAWN


def is_far_from_treatment(collected: Collected | None, courses: Sequence[Course]) -> bool:
    """Return whether a date is more than 20 years from every course; False where none is dated."""
    spans = [days for c in courses if (days := [day for day in (c.start, c.end) if day])]
    if collected is None or not spans:
        return False
    first, last = collected.first, collected.last
    return all(first > max(days) + DECADES or last < min(days) - DECADES for days in spans)


def is_future(collected: Collected | None, stored_on: date, courses: Sequence[Course]) -> bool:
    """Return whether a date was in the future when it was stored (``stored_on``, in UTC).

    De-identified data are shifted as a whole: where all courses lie in the future too, no date is.
    """
    latest = stored_on + _GRACE
    treated = [day for course in courses for day in (course.start, course.end) if day]
    is_shifted = bool(treated) and min(treated) > latest
    return collected is not None and collected.first > latest and not is_shifted
