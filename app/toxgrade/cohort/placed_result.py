"""A graded result as it counts in one course, also where its phase is unknown."""

from datetime import date

import msgspec

from toxgrade.grading.result import Phase, Place


class PlacedResult(msgspec.Struct, frozen=True, gc=False):
    """The current grade of a final result, for one term, with every place it may have.

    ``patient_id`` and ``result_id`` tell patients and results apart. ``first`` and ``last``: its
    possible days, None where undated. ``worse``: than its baseline. ``is_likely`` False: its date
    is in the future or decades away. ``value``: with its unit, as reported.
    """

    patient_id: int
    result_id: int
    term: str
    phase: Phase
    places: tuple[Place, ...]
    first: date | None
    last: date | None
    at_least: int
    at_most: int
    worse: bool | None
    is_likely: bool
    value: str
