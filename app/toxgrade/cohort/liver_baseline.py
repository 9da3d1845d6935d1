"""The baselines of liver values, which multiples of baseline are of."""

from collections.abc import Sequence

from toxgrade.cohort.criterion import Multiple, highest
from toxgrade.cohort.liver_day import Measured
from toxgrade.grading.result import LabResult

Placed = tuple[LabResult, Measured]


def baselines(before: Sequence[Placed]) -> dict[str, Measured]:
    """Return each analyte's baseline: of the last day, declared ones first, then the last time.

    Several of one day without times are one of unknown value, between the lowest and the highest.
    """
    by_analyte: dict[str, list[Placed]] = {}
    for one in before:
        by_analyte.setdefault(one[1].analyte, []).append(one)
    found = {}
    for analyte, candidates in by_analyte.items():
        chosen = [c for c in candidates if c[0].is_baseline] or candidates
        last = max(c[0].collected.last for c in chosen if c[0].collected)
        chosen = [c for c in chosen if c[0].collected and c[0].collected.last == last]
        times = [c[0].collected.time for c in chosen if c[0].collected and c[0].collected.time]
        if len(times) == len(chosen):
            chosen = [c for c in chosen if c[0].collected and c[0].collected.time == max(times)]
        found[analyte] = _either([c[1] for c in chosen])
    return found


def _either(several: Sequence[Measured]) -> Measured:
    """Return one of several values of one day of which it is not known which one it is."""
    first = several[0]
    if len(several) == 1:
        return first
    value, x_uln = (
        _hull([getattr(one, name) for one in several], f"time of {first.analyte}")
        for name in ("value", "x_uln")
    )
    return Measured(first.analyte, value, x_uln, None, None)


def _hull(several: Sequence[Multiple], needs: str) -> Multiple:
    top, low = highest(several), min(one.low for one in several)
    opens = all(one.low_open for one in several if one.low == low)
    return Multiple(low, top.high, opens, top.high_open, needs if low != top.high else "")
