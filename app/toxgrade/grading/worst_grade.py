"""The worst of several grades, as an interval, and whether it is worse than the baseline.

This is the one rule; it has two twins that must say the same: ``exports.worst_cells`` for millions
of rows, and the maxima of SQL in ``server.reports.cohort_bounds``.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

import msgspec

from toxgrade.grading.flags import Flag
from toxgrade.grading.result import Phase


class _Interval(Protocol):
    @property
    def at_least(self) -> int | None: ...
    @property
    def at_most(self) -> int | None: ...


class Bounds(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The highest certain and possible grade of some results, and whether one of them is decided.

    ``at_least`` None: no result certainly lies in the window and could be graded; ``at_most`` None:
    none possibly does. ``worse``: one is certainly worse than its own baseline; False: none can be;
    None: not known. ``relative``: one is graded by multiples of its own abnormal baseline.
    """

    at_least: int | None
    at_most: int | None
    decided: bool
    worse: bool | None = None
    relative: bool = False

    @property
    def shown(self) -> int | None:
        """Return the lower bound, the grade to count; None if unknown, or 0 and nothing decided."""
        return self.at_least if self.at_least or self.decided else None

    @property
    def is_worse(self) -> bool | None:
        """Return ``worse``; None also where no result certainly lies in the window.

        Then it may be that none was measured in it.
        """
        return None if self.at_least is None else self.worse

    @property
    def possible(self) -> "Bounds":
        """Return the bounds of results that possibly, not certainly, lie in the window."""
        worse = False if self.worse is False else None
        return Bounds(None, self.at_most, decided=False, worse=worse, relative=self.relative)


NOT_MEASURED = Bounds(None, None, decided=False)
ABSENT = Bounds(0, 0, decided=True, worse=False)
"""Of a clinical term without an event: it counts as absent."""


def highest(several: Iterable[Bounds]) -> Bounds | None:
    """Return the highest bounds of several, None if there are none."""
    bounds = list(several)
    if len(bounds) < 2:  # The usual case; copying would take a third of a table's time.
        return bounds[0] if bounds else None
    return Bounds(
        max((b.at_least for b in bounds if b.at_least is not None), default=None),
        max((b.at_most for b in bounds if b.at_most is not None), default=None),
        any(b.decided for b in bounds),
        any_of(b.worse for b in bounds),
        any(b.relative for b in bounds),
    )


def any_of(verdicts: Iterable[bool | None]) -> bool | None:
    """Return True if one verdict is True, else None if one is None (undecided), else False."""
    all_ = list(verdicts)
    return True if True in all_ else None if None in all_ else False


def worse(at_least: int | None, at_most: int | None, baseline: _Interval) -> bool | None:
    """Return whether a grade is worse than the baseline's; None if their bounds do not decide."""
    if at_least is None or at_most is None or baseline.at_least is None or baseline.at_most is None:
        return None
    if at_least > baseline.at_most:
        return True
    return False if at_most <= baseline.at_least else None


def is_ambiguous(phase: Phase, flags: Collection[str], baseline_grade: int | None) -> bool:
    """Return whether a result may be the baseline, whose own grade is ambiguous.

    Its grade then counts as a baseline's of which nothing is certain above 0.
    """
    before = phase in ("baseline", "pre_treatment")
    return before and baseline_grade is None and Flag.BASELINE_AMBIGUOUS in flags
