"""Slots: the comparisons that tests make, each in whole numbers."""

from dataclasses import dataclass, field
from math import gcd
from typing import Literal, NamedTuple

import polars as pl

from toxgrade.criteria.model import Condition
from toxgrade.grading.columns.parse import SCALE
from toxgrade.grading.indicators import reaches
from toxgrade.grading.limits import ResolvedLimit

_IF_BEYOND, _IF_WITHIN = 1, 2
"""Bits of ``s``: a flag that says that the value is beyond an unknown ULN or LLN reaches the slot;
one that says that it is within cannot reach it."""


class Slot(NamedTuple):
    """One comparison that all tests of a group make, and the grade of a value that passes it.

    ``against`` is ``limit`` for the ULN of a high term, the LLN of a low one, and for absolute
    limits, whose ``b`` is 0. ``or_equal``: the limit itself reaches the grade. ``one_uln``: a
    baseline that was never measured is above the value's own ULN, or its condition fails.
    """

    grade: int
    against: Literal["limit", "baseline"]
    condition: Condition | None
    or_equal: bool = False
    one_uln: bool = False


SIMPLE = tuple(Slot(grade, "limit", None) for grade in (1, 2, 3, 4))
"""One strict limit per grade and no baseline, as in nearly every term: one pass grades them all."""


@dataclass(frozen=True, slots=True)
class Group:
    """Tests with the same slots; ``rows`` has one row per test: a, b, c, s of each slot in turn."""

    slots: tuple[Slot, ...]
    rows: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def asked(self) -> str | None:
        """Return the column of what the slots' conditions ask of the baseline; None: nothing."""
        asked = (slot.condition for slot in self.slots)
        return next((column_of(c) for c in asked if c and c.subject == "baseline"), None)

    def frame(self) -> pl.DataFrame:
        names = [f"{letter}{place}" for place in range(len(self.slots)) for letter in "abcs"]
        return pl.DataFrame(self.rows, schema=dict.fromkeys(names, pl.Int64), orient="row")


def column_of(condition: Condition) -> str:
    """Return the column that says whether the value or the baseline is beyond a limit."""
    beyond = "above_uln" if condition.limit == "ULN" else "below_lln"
    return beyond if condition.subject == "value" else f"baseline_{beyond}"


def numbers_of(resolved: ResolvedLimit) -> tuple[int, int, int, int]:
    """Return a, b and c of ``a x value > b x reference + c`` for one limit; and ``s``.

    ``s`` is what a normal or abnormal flag decides where the reference is unknown: see the bits.
    """
    limit = resolved.limit
    sign = 1 if ">" in limit.comparison else -1
    of_range = limit.reference in ("ULN", "LLN")
    said = _IF_BEYOND * (of_range and reaches(limit, beyond=True) is True)
    said += _IF_WITHIN * (of_range and reaches(limit, beyond=False) is False)
    a, b, c = resolved.value_times, resolved.reference_times, resolved.plus * SCALE
    common = sign * gcd(a, b, c)
    return a // common, b // common, c // common, said


def said_of(place: int) -> pl.Expr:
    """Return ``indicators.reaches`` for a slot: whether a flag says that it is reached; or null.

    It reads ``said_beyond`` Boolean, null where there is no flag or a limit makes it needless.
    """
    beyond, said = pl.col("said_beyond"), pl.col(f"s{place}")
    reached = pl.when(beyond & (said & _IF_BEYOND != 0)).then(True)
    return reached.when(~beyond & (said & _IF_WITHIN != 0)).then(False)
