"""Liver safety is what every possible placement has in common, and lists what any of them has.

Random patients have results without a day or a date, or without a ULN, and courses without a start
or an end. The oracle knows everything: it judges one placement of all of that, by the words of the
definitions. Baselines and the values beside a finding are dated results, as the module says.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product

import pytest

from tests.cohort.liver_patients import safety
from toxgrade.cohort.liver import LiverSafety, peak
from toxgrade.grading.phase import add_months

_DAY = timedelta(days=1)
_START, _END = date(2020, 3, 2), date(2020, 3, 12)
_MULTIPLES = (0.5, 1.5, 2, 2.5, 3, 4, 6, 25)
_ANY_MULTIPLE = (0, 1.5, 2, 2.1, 2.5, 3, 5.1, 30)
"""What a value without a ULN may be: below and above every limit."""


@dataclass(frozen=True)
class Lab:
    """A result; ``written`` is its date as sent. ``multiple`` None: its ULN is not known."""

    analyte: str
    written: str
    multiple: float | None
    value: float
    day: date | None = None

    @property
    def is_dated(self) -> bool:
        return len(self.written) == len("2020-03-02")

    @property
    def text(self) -> str:
        number = f"?{self.value}" if self.multiple is None else self.multiple
        return f"{self.analyte} {number} {self.written}"


@dataclass(frozen=True)
class Case:
    labs: tuple[Lab, ...]
    start: date | None
    end: date | None
    ascites: date | None


def _case(seed: int) -> Case:
    """Return a patient with at most two results without a full date and one without a ULN."""
    chosen = random.Random(seed)
    labs: dict[tuple[str, str], Lab] = {}
    for _ in range(chosen.randint(4, 9)):
        analyte = chosen.choice(("ALT", "ALT", "bilirubin", "ALP"))
        written = (_START + chosen.randint(-10, 70) * _DAY).isoformat()
        multiple = chosen.choice(_MULTIPLES)
        value = multiple if analyte == "bilirubin" else 100 * multiple
        labs[analyte, written] = Lab(analyte, written, multiple, value)
    own = list(labs.values())
    known = chosen.choice(("both", "both", "start", "end"))
    for _ in range(chosen.randint(0, 2 if known == "both" else 1)):
        i, coarse = chosen.randrange(len(own)), chosen.choice(("2020-03", "2020-04", "2020", "-"))
        if all((lab.analyte, lab.written) != (own[i].analyte, coarse) for lab in own):
            own[i] = replace(own[i], written=coarse)
    far = any(lab.written in ("2020", "-") for lab in own)
    if far and sum(not lab.is_dated for lab in own) > 1:
        return _case(seed + 100_000)
    if chosen.random() < 0.4:
        i = chosen.randrange(len(own))
        own[i] = replace(own[i], multiple=None)
    ascites = _START + chosen.randint(-5, 60) * _DAY if chosen.random() < 0.6 else None
    return Case(
        tuple(own),
        None if known == "end" else _START,
        None if known == "start" else _END,
        ascites,
    )


def _placements(case: Case) -> Iterator[tuple[list[Lab], date, date]]:
    """Yield every placement: a day and a multiple of each result, a start and an end."""
    starts = [case.start] if case.start else [_END - n * _DAY for n in range(0, 40, 3)]
    ends = [case.end] if case.end else [_START + n * _DAY for n in range(0, 120, 3)]
    options = [
        [replace(lab, day=day, multiple=m) for day, m in product(_days(lab), _multiples(lab))]
        for lab in case.labs
    ]
    for start, end, placed in product(starts, ends, product(*options)):
        yield list(placed), start, end


def _days(lab: Lab) -> list[date]:
    if lab.is_dated:
        return [date.fromisoformat(lab.written)]
    if lab.written == "-":
        return [_START + n * _DAY for n in range(-45, 110)]
    if lab.written == "2020":
        return [date(2020, 1, 1) + n * _DAY for n in range(366)]
    first = date.fromisoformat(f"{lab.written}-01")
    return [first + n * _DAY for n in range((add_months(first, 1) - first).days)]


def _multiples(lab: Lab) -> tuple[float, ...]:
    return _ANY_MULTIPLE if lab.multiple is None else (lab.multiple,)


def _m(lab: Lab) -> float:
    assert lab.multiple is not None
    return lab.multiple


def _on(lab: Lab) -> date:
    assert lab.day is not None
    return lab.day


Judged = dict[tuple[str, str], str]
"""By finding and date as written: ``certain`` or ``incomplete`` in one placement."""


def _judge(case: Case, labs: list[Lab], start: date, end: date) -> Judged:
    found: Judged = {}
    after = [lab for lab in labs if _on(lab) > start]
    for lab in after:
        if lab.analyte == "bilirubin" and _m(lab) > 2:
            for name, how in _jaundice(labs, after, _on(lab)).items():
                found[name, lab.written] = how
        if lab.analyte == "ALP" and (classic := _classic(case, labs, lab, start, end)):
            found["classic_rild", lab.written] = classic
        if lab.analyte == "ALT" and (other := _non_classic(case, labs, lab, end)):
            found["non_classic_rild", lab.written] = other
    return found


def _jaundice(labs: list[Lab], after: list[Lab], day: date) -> dict[str, str]:
    """Judge by the last rise of dated results up to the day, and by each result without a date."""
    alt = sorted((lab for lab in after if lab.analyte == "ALT"), key=_on)
    starts: list[date] = []
    raised = False
    for lab in alt:
        if lab.is_dated and _on(lab) <= day:
            if _m(lab) >= 3 and not raised:
                starts = [_on(lab)]
            raised = _m(lab) >= 3
    starts += [_on(lab) for lab in alt if not lab.is_dated and _m(lab) >= 3]
    found: dict[str, str] = {}
    for first in starts:
        if 0 <= (day - first).days <= 30:
            near = [
                lab for lab in labs
                if lab.analyte == "ALP" and lab.is_dated and 0 <= (first - _on(lab)).days <= 7
            ]  # fmt: skip
            if not near:
                found.setdefault("hys_law", "incomplete")
                continue
            name = "hys_law" if _m(max(near, key=_on)) < 2 else "cholestatic"
            found[name] = "certain"
    return found


def _baseline(case: Case, labs: list[Lab], analyte: str) -> Lab | None:
    """Return the last dated result up to a start that is known."""
    before = [
        lab for lab in labs
        if case.start and lab.analyte == analyte and lab.is_dated and _on(lab) <= case.start
    ]  # fmt: skip
    return max(before, key=_on, default=None)


def _classic(case: Case, labs: list[Lab], alp: Lab, start: date, end: date) -> str | None:
    day = _on(alp)
    if not end + 14 * _DAY <= day <= add_months(end, 4) or _m(alp) < 2:
        return None
    open_still = False
    base = _baseline(case, labs, "ALP")
    if base and alp.value <= base.value:
        return None
    if base and _m(base) > 1 and alp.value < 2 * base.value:
        open_still = True
    near = [
        lab for lab in labs
        if lab.analyte == "bilirubin" and lab.is_dated and abs((_on(lab) - day).days) <= 7
    ]  # fmt: skip
    closest = min((abs((_on(lab) - day).days) for lab in near), default=0)
    if any(_m(lab) >= 2 for lab in near if abs((_on(lab) - day).days) == closest):
        return None
    open_still |= not near
    if case.ascites is None or case.ascites > day + 14 * _DAY:
        open_still = True
    elif case.ascites <= start:
        return None
    return "incomplete" if open_still else "certain"


def _non_classic(case: Case, labs: list[Lab], alt: Lab, end: date) -> str | None:
    base = _baseline(case, labs, "ALT")
    limit = 20 if base and _m(base) > 5 else 5
    in_window = end <= _on(alt) <= add_months(end, 3)
    return "certain" if in_window and _m(alt) > limit else None


def _expected(case: Case) -> tuple[Judged, list[float]]:
    """Return what is certain in every placement or possible in any, and the peaks of ALT."""
    seen: dict[tuple[str, str], list[str]] = {}
    n, peaks = 0, []
    for labs, start, end in _placements(case):
        n += 1
        peaks.append(max((_m(x) for x in labs if x.analyte == "ALT" and _on(x) > start), default=0))
        for key, how in _judge(case, labs, start, end).items():
            seen.setdefault(key, []).append(how)
    found = {
        key: "certain" if all(h == "certain" for h in hows) and len(hows) == n else "incomplete"
        for key, hows in seen.items()
    }
    for finding, written in list(found):
        is_open = finding == "cholestatic" and found[finding, written] == "incomplete"
        if is_open and ("hys_law", written) in found:  # One entry says that something is open.
            del found[finding, written]
    return found, peaks


def _reported(found: LiverSafety, expected: Judged) -> Judged:
    """Return what is reported, without what is open for want of a bilirubin or a Child-Pugh item.

    The oracle knows neither: the tables of ``test_liver_findings.py`` do.
    """
    said: Judged = {}
    for one in found.incomplete:
        of_two = one.finding in ("hys_law", "cholestatic")
        key = one.finding, (one.bilirubin_date if of_two else one.date) or "-"
        unjudged = (one.missing == ("bilirubin",) and of_two) or "encephalopathy" in one.missing
        if key in expected or not unjudged:
            said[key] = "incomplete"
    jaundice = {"hys_law": found.hys_law, "cholestatic": found.cholestatic}
    for name, each in jaundice.items():
        said |= {(name, one.bilirubin.written or "-"): "certain" for one in each}
    rild = {"classic_rild": found.classic_rild, "non_classic_rild": found.non_classic_rild}
    for name, days in rild.items():
        said |= {(name, one.day.written or "-"): "certain" for one in days}
    return said


@pytest.mark.parametrize("seed", range(150))
def test_findings_and_peaks_are_the_hull_over_every_placement(seed: int) -> None:
    case = _case(seed)
    courses = f"{case.start or '?'} {case.end or '?'}"
    events = [f"Ascites 2 {case.ascites}"] if case.ascites else []
    found = safety([lab.text for lab in case.labs], events, courses)
    expected, peaks = _expected(case)
    assert _reported(found, expected) == expected
    alt = peak((d.after, d.x_uln["ALT"]) for d in found.series.days if "ALT" in d.x_uln)
    assert float(alt.at_least or 0) == min(peaks)
    assert (alt.at_most is None and max(peaks) >= 30) or float(alt.at_most or 0) == max(peaks)
