"""Why the phase of a result is not known."""

from collections.abc import Collection
from enum import StrEnum

from toxgrade.grading.flags import Flag
from toxgrade.grading.result import Collected


class Unplaced(StrEnum):
    """Why a result has the phase ``unknown``. When several apply, the first is reported."""

    NO_TREATMENT_DATES = "no_treatment_dates"
    NO_DATE = "no_date"
    NO_END_OF_TREATMENT = "no_end_of_treatment"
    NO_START_OF_TREATMENT = "no_start_of_treatment"
    DATE_TOO_COARSE = "date_too_coarse"
    """A date to the month or the year of which some days are of one phase, some of another."""


def why_unplaced(collected: Collected | None, flags: Collection[str], *, treated: bool) -> Unplaced:
    """Return why a result, whose phase is ``unknown``, has no phase.

    ``flags``: those of its grade; ``treated``: the patient has a course, with at least one date.
    """
    if not treated:
        return Unplaced.NO_TREATMENT_DATES
    if collected is None:
        return Unplaced.NO_DATE
    if Flag.NO_RADIOTHERAPY_END in flags:
        return Unplaced.NO_END_OF_TREATMENT
    if collected.first == collected.last:
        return Unplaced.NO_START_OF_TREATMENT
    return Unplaced.DATE_TOO_COARSE
