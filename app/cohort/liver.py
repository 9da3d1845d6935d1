"""Liver safety of one patient: ALBI, Hy's law candidates, eDISH peaks, laboratory RILD criteria.

Candidates and flags for review, never diagnoses. Numbers count that the grader could read, from
results dated to the day; of several on one day the worst. As a multiple of ULN ``>1000`` counts as
1000, the least it can be, and ``<5`` does not count; a score takes plain numbers only.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import localcontext
from fractions import Fraction

from app.grading.limits import EXACT
from app.grading.measured import Measured, measure
from app.grading.one import Grader
from app.grading.phase import Window, place
from app.grading.result import GRADED_STATUSES, Course, LabResult, Phase

_ALBI_FACTOR = Fraction("17.1") / (Fraction(10000) / Fraction("584.66"))
"""ALBI takes 1 mg/dL as the rounded 17.1 umol/L; the exact 17.104 moves its 4th decimal."""

_ANALYTES = ("bilirubin", "albumin", "ALT", "AST", "ALP")


@dataclass(frozen=True, slots=True)
class Day:
    """The liver values of one day, in canonical units and as multiples of their own ULN.

    ``values``: bilirubin in umol/L (1 mg/dL as 17.1), albumin in g/L, enzymes in U/L. ``x_uln``
    lacks an analyte whose ULN is missing or not trusted.
    """

    day: date
    phase: Phase
    values: Mapping[str, Fraction]
    x_uln: Mapping[str, Fraction]

    @property
    def albi(self) -> float | None:
        """ALBI score, 0.66 x log10(bilirubin umol/L) - 0.085 x albumin g/L; None without both.

        Johnson et al., J Clin Oncol 2015;33:550-558. None also for bilirubin 0, which has no log.
        """
        bilirubin, albumin = self.values.get("bilirubin"), self.values.get("albumin")
        if not bilirubin or albumin is None:
            return None
        return 0.66 * math.log10(bilirubin) - 0.085 * float(albumin)

    @property
    def transaminase(self) -> Fraction | None:
        """The higher of ALT and AST as a multiple of its ULN."""
        return max((self.x_uln[n] for n in ("ALT", "AST") if n in self.x_uln), default=None)

    @property
    def r_ratio(self) -> float | None:
        """R, ALT x ULN over ALP x ULN: 5 and more hepatocellular, 2 and less cholestatic.

        Benichou, J Hepatol 1990;11:272-276.
        """
        alt, alp = self.x_uln.get("ALT"), self.x_uln.get("ALP")
        return float(alt / alp) if alt is not None and alp else None

    @property
    def hepatocellular_jaundice(self) -> bool:
        """ALT or AST from 3 x ULN and bilirubin from 2 x ULN on one day, whatever ALP says."""
        transaminase, bilirubin = self.transaminase, self.x_uln.get("bilirubin")
        return transaminase is not None and transaminase >= 3 and (bilirubin or 0) >= 2


@dataclass(frozen=True, slots=True)
class LiverSafety:
    """What a safety team reads of one patient; lists hold days after the start of radiotherapy.

    ``hys_law``: candidates, ALP below 2 x ULN (FDA guidance on drug-induced liver injury, July
    2009). ``cholestatic``: the same with ALP from 2 x ULN. ``without_alp``: ALP was not measured.
    ``non_classic_rild``: ALT or AST above 5 x ULN in the acute window, above 20 x ULN where the
    baseline was above 5 (Pan et al., Int J Radiat Oncol Biol Phys 2010;76:S94-S100; laboratory
    part). ``classic_rild``: ALP from 2 x ULN, bilirubin below 2 x ULN, acute; ascites is asked for.
    """

    days: tuple[Day, ...]
    hys_law: tuple[Day, ...]
    cholestatic: tuple[Day, ...]
    without_alp: tuple[Day, ...]
    non_classic_rild: tuple[Day, ...]
    classic_rild: tuple[Day, ...]

    @property
    def albi_baseline(self) -> Day | None:
        """The last day up to the start that has an ALBI score."""
        before = [d for d in self.days if d.phase == "pre_treatment" and d.albi is not None]
        return before[-1] if before else None

    @property
    def albi_worst_acute(self) -> Day | None:
        acute = [d for d in self.days if d.phase == "acute" and d.albi is not None]
        return max(acute, key=lambda d: d.albi or 0, default=None)

    def peak(self, analyte: str) -> Fraction | None:
        """The highest multiple of ULN after the start: a point of the eDISH plot."""
        return max((d.x_uln[analyte] for d in self._after if analyte in d.x_uln), default=None)

    @property
    def _after(self) -> list[Day]:
        return [d for d in self.days if d.phase in ("acute", "late")]


def albi_grade(score: float) -> int:
    """1 up to -2.60, 2 up to -1.39, else 3 (Johnson et al. 2015)."""
    return 1 if score <= -2.60 else 2 if score <= -1.39 else 3


def liver_safety(
    results: Sequence[LabResult], courses: Sequence[Course], grader: Grader, window: Window
) -> LiverSafety:
    """Read the first course of one patient; results in any order."""
    days = _days(results, courses, grader, window)
    after = [d for d in days if d.phase in ("acute", "late")]
    acute = [d for d in after if d.phase == "acute"]
    jaundice = [d for d in after if d.hepatocellular_jaundice]
    before = [d.transaminase for d in days if d.phase == "pre_treatment" and d.transaminase]
    limit = 20 if before and before[-1] > 5 else 5
    return LiverSafety(
        days=tuple(days),
        hys_law=tuple(d for d in jaundice if "ALP" in d.x_uln and d.x_uln["ALP"] < 2),
        cholestatic=tuple(d for d in jaundice if "ALP" in d.x_uln and d.x_uln["ALP"] >= 2),
        without_alp=tuple(d for d in jaundice if "ALP" not in d.x_uln),
        non_classic_rild=tuple(d for d in acute if (d.transaminase or 0) > limit),
        classic_rild=tuple(d for d in acute if _anicteric_alp(d)),
    )


def _anicteric_alp(day: Day) -> bool:
    alp, bilirubin = day.x_uln.get("ALP", Fraction(0)), day.x_uln.get("bilirubin")
    return alp >= 2 and bilirubin is not None and bilirubin < 2


def _days(
    results: Sequence[LabResult], courses: Sequence[Course], grader: Grader, window: Window
) -> list[Day]:
    """The days of the first course on which a liver value was measured, in order."""
    found: dict[tuple[date, Phase], list[Measured]] = {}
    for result in results:
        collected = result.collected
        if collected is None or collected.first != collected.last:
            continue
        placement = place(collected, courses, window)
        measured = _measured(result, grader)
        if measured is not None and not placement.course:
            found.setdefault((collected.first, placement.phase), []).append(measured)
    return [
        Day(day, phase, _worst(found[day, phase], _value), _worst(found[day, phase], _x_uln))
        for day, phase in sorted(found)
    ]


def _measured(result: LabResult, grader: Grader) -> Measured | None:
    analyte = grader.names.analyte(result.analyte)
    bounded = result.value is not None and result.value.comparator not in ("<", "<=")
    usable = result.status in GRADED_STATUSES and bounded
    if analyte is None or analyte.name not in _ANALYTES or not usable:
        return None
    with localcontext(EXACT):
        measured = measure(result, grader.names, grader.implausible)
    return measured if isinstance(measured, Measured) else None


def _value(measured: Measured) -> Fraction | None:
    if measured.reported.comparator:
        return None
    number = Fraction(measured.reported.number) * measured.unit.factor
    if measured.analyte.name == "bilirubin" and measured.unit.kind == "mass":
        return number * _ALBI_FACTOR
    return number


def _x_uln(measured: Measured) -> Fraction | None:
    if measured.uln is None or measured.implausible_limit:
        return None
    limit = Fraction(measured.uln.low) * measured.limit_unit.factor
    return Fraction(measured.reported.number) * measured.unit.factor / limit


def _worst(
    found: Sequence[Measured], read: Callable[[Measured], Fraction | None]
) -> dict[str, Fraction]:
    """Per analyte the worst number of a day: the lowest albumin, the highest of the others."""
    worst: dict[str, Fraction] = {}
    for measured in found:
        name, number = measured.analyte.name, read(measured)
        if number is not None:
            choose = min if name == "albumin" else max
            worst[name] = choose(worst.get(name, number), number)
    return worst
