"""The peaks of an eDISH plot: multiples of ULN or of the baseline after the start of treatment."""

from collections.abc import Sequence
from dataclasses import dataclass

from toxgrade.cohort.definition import By
from toxgrade.cohort.liver import Peak, peak
from toxgrade.cohort.liver_baseline import baselines
from toxgrade.cohort.liver_day import Measured
from toxgrade.grading.result import LabResult

Peaks = dict[str, dict[str, Peak]]
"""Peaks by patient, then by analyte, without analytes of which nothing is known after the start."""


@dataclass(frozen=True, slots=True)
class PlacedValue:
    """A result of a patient, and whether it was taken after the start; None: possibly."""

    result: LabResult
    value: Measured
    after: bool | None


def patient_peaks(placed: Sequence[PlacedValue], by: By) -> dict[str, Peak]:
    """Return a patient's peaks by analyte."""
    before = [
        (one.result, one.value) for one in placed
        if one.after is False and (on := one.result.collected) and on.first == on.last
    ]  # fmt: skip
    bases = baselines(before)
    found = {}
    for name in dict.fromkeys(one.value.analyte for one in placed):
        own = [one for one in placed if one.value.analyte == name and one.after is not False]
        if by == "uln":
            members = [(one.after, one.value.x_uln) for one in own]
        else:
            base = bases.get(name)
            members = [(one.after, one.value.value.over(base.value)) for one in own if base]
        if members:
            found[name] = peak(members)
    return found
