"""Liver safety of one patient: ALBI, Hy's law candidates, eDISH peaks, RILD, Child-Pugh.

The results are candidates and flags for review, never diagnoses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from toxgrade.cohort.liver_day import CLINICAL, ChildPugh, Day, Recorded, clinical_points, grade_on


@dataclass(frozen=True, slots=True)
class Jaundice:
    """ALT or AST from 3 x ULN on ``day``, with bilirubin from 2 x ULN on ``bilirubin_day``.

    ``alp``: the highest ALP as a multiple of its ULN between the two days, both included; None: not
    measured, or without a usable ULN.
    """

    day: Day
    bilirubin_day: Day
    alp: Fraction | None


@dataclass(frozen=True, slots=True)
class Rild:
    """A day that meets the laboratory criterion of classic radiation-induced liver disease.

    ``ascites``: the CTCAE grade last recorded by that day; None: not recorded.
    """

    day: Day
    ascites: int | None


@dataclass(frozen=True, slots=True)
class LiverSafety:
    """The liver safety findings of one patient over the first course, in the order of days.

    ``days`` and ``child_pugh`` include days before radiotherapy. ``hys_law``: candidates after the
    start with ALP below 2 x ULN (FDA guidance on drug-induced liver injury, July 2009);
    ``cholestatic``: the same with ALP from 2 x ULN; ``without_alp``: the same with ALP unknown.

    ``non_classic_rild``: ALT or AST above 5 x ULN in the acute window, above 20 x ULN where the
    baseline was above 5, or a Child-Pugh score at least 2 above the baseline's. ``classic_rild``:
    ALP from 2 x ULN with bilirubin below 2 x ULN in the acute window, unless ascites was recorded
    as absent (Pan et al., Int J Radiat Oncol Biol Phys 2010;76:S94-S100).
    """

    days: tuple[Day, ...]
    child_pugh: tuple[tuple[Day, ChildPugh], ...]
    hys_law: tuple[Jaundice, ...]
    cholestatic: tuple[Jaundice, ...]
    without_alp: tuple[Jaundice, ...]
    non_classic_rild: tuple[Day, ...]
    classic_rild: tuple[Rild, ...]

    @property
    def albi_baseline(self) -> Day | None:
        """Return the last day up to the start of radiotherapy that has an ALBI score."""
        before = [d for d in self.days if d.phase == "pre_treatment" and d.albi is not None]
        return before[-1] if before else None

    @property
    def albi_worst_acute(self) -> Day | None:
        acute = [d for d in self.days if d.phase == "acute" and d.albi is not None]
        return max(acute, key=lambda d: d.albi or 0, default=None)

    def peak(self, analyte: str) -> Fraction | None:
        """Return the analyte's highest multiple of ULN after the start: a point of eDISH."""
        after = [d for d in self.days if d.phase in ("acute", "late")]
        return max((d.x_uln[analyte] for d in after if analyte in d.x_uln), default=None)


def liver_safety(
    days: Sequence[Day], recorded: Sequence[Recorded] = (), within_days: int = 0
) -> LiverSafety:
    """Return the liver safety findings of one patient from the days, which are in order.

    ``recorded``: clinicians' grades of ascites and encephalopathy. ``within_days``: how many days
    the bilirubin of a Hy's law candidate may lie from the transaminase; 0: the same day.
    """
    jaundice = _jaundice(days, within_days)
    acute = [d for d in days if d.phase == "acute"]
    scores = [(d, ChildPugh({**d.points, **clinical_points(recorded, d.day)})) for d in days]
    return LiverSafety(
        days=tuple(days),
        child_pugh=tuple((d, score) for d, score in scores if d.points),
        hys_law=tuple(j for j in jaundice if j.alp is not None and j.alp < 2),
        cholestatic=tuple(j for j in jaundice if j.alp is not None and j.alp >= 2),
        without_alp=tuple(j for j in jaundice if j.alp is None),
        non_classic_rild=_non_classic(days, scores),
        classic_rild=tuple(
            Rild(d, ascites)
            for d in acute
            if _anicteric_alp(d)
            and (ascites := grade_on(recorded, CLINICAL["ascites"], d.day)) != 0
        ),
    )


def _jaundice(days: Sequence[Day], within_days: int) -> list[Jaundice]:
    """Pair each day of raised transaminases with the nearest day of raised bilirubin in reach."""
    after = [d for d in days if d.phase in ("acute", "late")]
    found = []
    for day in after:
        if (day.transaminase or 0) < 3:
            continue
        reach = timedelta(days=within_days)
        near = [d for d in after if abs(d.day - day.day) <= reach and _icteric(d)]
        if near:
            icteric = min(near, key=lambda d: (abs(d.day - day.day), d.day))
            first, last = sorted((day.day, icteric.day))
            between = [d.x_uln.get("ALP") for d in after if first <= d.day <= last]
            alp = max((x for x in between if x is not None), default=None)
            found.append(Jaundice(day, icteric, alp))
    return found


def _icteric(day: Day) -> bool:
    return day.x_uln.get("bilirubin", Fraction(0)) >= 2


def _non_classic(days: Sequence[Day], scores: Sequence[tuple[Day, ChildPugh]]) -> tuple[Day, ...]:
    """Return the acute days that meet a criterion of non-classic RILD, by the last baseline."""
    before = [d.transaminase for d in days if d.phase == "pre_treatment" and d.transaminase]
    limit = 20 if before and before[-1] > 5 else 5
    earlier = [s.score for d, s in scores if d.phase == "pre_treatment" and s.score is not None]
    return tuple(
        day
        for day, score in scores
        if day.phase == "acute"
        and (
            (day.transaminase or 0) > limit
            or (earlier and score.score is not None and score.score >= earlier[-1] + 2)
        )
    )


def _anicteric_alp(day: Day) -> bool:
    alp, bilirubin = day.x_uln.get("ALP", Fraction(0)), day.x_uln.get("bilirubin")
    return alp >= 2 and bilirubin is not None and bilirubin < 2
