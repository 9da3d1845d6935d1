"""The worst grade of a patient in a window, as an interval, and whether it is worse than baseline.

Undecided results bound it: ``at_least`` is certain, ``at_most`` is what the numbers allow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.cohort.rows import TableRow
from app.grading.summary import worse

_ANY = 5  # a baseline that was never measured could have been any grade


@dataclass(frozen=True, slots=True)
class Bounds:
    """The highest grade of one or more results: certain, possible, and whether one was decided.

    ``at_least`` and ``at_most`` are None where none of the results could be read.
    """

    at_least: int | None
    at_most: int | None
    decided: bool

    @property
    def shown(self) -> int | None:
        """The grade that is counted: a sound lower bound; None where nothing is certain."""
        return self.at_least if self.at_least or self.decided else None


def highest(found: Iterable[Bounds]) -> Bounds | None:
    """The highest of several, None of none."""
    all_ = list(found)
    if not all_:
        return None
    return Bounds(
        max((b.at_least for b in all_ if b.at_least is not None), default=None),
        max((b.at_most for b in all_ if b.at_most is not None), default=None),
        any(b.decided for b in all_),
    )


Windows = Mapping[str, Mapping[str, Bounds]]
"""A patient's bounds by phase (``baseline``, ``acute``, ``late``), then by term."""


@dataclass(frozen=True, slots=True)
class PatientRow:
    """One patient in one row of the table; None: not measured, or (``worse``) cannot be said.

    ``partial``: a member of the composite was not measured or is undecided. ``member_worse``: a
    member rose above its own baseline while the composite did not.
    """

    baseline: Bounds | None
    worst: Bounds | None
    worse: bool | None
    partial: bool
    member_worse: bool


def patient_row(row: TableRow, windows: Windows, phases: Sequence[str]) -> PatientRow:
    """The patient's baseline and worst grade over ``phases`` for a row."""
    before = _members(row, windows, ("baseline",))
    after = _members(row, windows, phases)
    is_worse = _worse(after, before)
    shown = [after[term].shown if term in after else None for term in row.terms]
    return PatientRow(
        baseline=highest(before.values()),
        worst=highest(after.values()),
        worse=is_worse,
        partial=None in shown and any(grade is not None for grade in shown),
        member_worse=is_worse is not True and True in _own(after, before),
    )


def _members(row: TableRow, windows: Windows, phases: Sequence[str]) -> dict[str, Bounds]:
    found = {}
    for term in row.terms:
        bounds = highest(windows[phase][term] for phase in phases if term in windows[phase])
        if bounds is None and row.clinical:
            bounds = Bounds(0, 0, decided=True)
        if bounds is not None:
            found[term] = bounds
    return found


def _own(after: Mapping[str, Bounds], before: Mapping[str, Bounds]) -> list[bool | None]:
    """Each member against its own baseline."""
    return [_worse({term: after[term]}, {term: before[term]}) for term in after if term in before]


def _worse(after: Mapping[str, Bounds], before: Mapping[str, Bounds]) -> bool | None:
    """The highest after against the highest before; a member without baseline may have been any."""
    worst, baseline = highest(after.values()), highest(before.values())
    if worst is None or baseline is None:
        return None
    if any(term not in before or before[term].at_most is None for term in after):
        baseline = Bounds(baseline.at_least, _ANY, baseline.decided)
    return worse(worst.at_least, worst.at_most, baseline)
