"""The entries of a liver safety report: days, candidates and scores, with their multiples."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

from toxgrade.cohort.child_pugh import ChildPugh
from toxgrade.cohort.criterion import Multiple
from toxgrade.cohort.described import answer, described
from toxgrade.cohort.hys_law import Jaundice
from toxgrade.cohort.liver_course import LiverCourse
from toxgrade.cohort.liver_day import ENZYMES, Day, albi_grade, r_ratio
from toxgrade.cohort.rild import Rild
from toxgrade.grading.result import Phase

Verdict = Literal["confirmed", "rejected", "undetermined"]
Cause = Literal[
    "radiation", "tumour-progression", "biliary-obstruction", "viral-hepatitis", "other-drug",
    "other", "unknown",
]  # fmt: skip
"""What a reviewer holds to be the cause: a list, as a comment could name a person."""


@answer
class Review:
    """A reviewer's verdict on a finding."""

    id: int = described("The number of the verdict.", 3)
    verdict: Verdict = described("Whether the finding is one.", "rejected")
    cause: Cause | None = described("As the reviewer sees it; null: not said.", "viral-hepatitis")
    recorded_at: str = described("When it was recorded, in UTC.", "2026-11-30T09:15:00+00:00")


Reviews = Mapping[tuple[str, str | None], Review]
"""The newest review of each finding, by its name and date."""


@answer
class Albi:
    """The ALBI score of a day."""

    date: str | None = described("ISO 8601.", "2011-04-23")
    phase: Phase = described("Where the day lies.", "acute")
    score: float = described("To 4 decimals; the lower the better.", -2.5861)
    grade: int = described("1 (the best) to 3.", 2)


@answer
class LiverDay:
    """The liver values of a finding, as multiples."""

    date: str | None = described("ISO 8601, as exact as it is known; null: undated.", "2011-04-23")
    phase: Phase = described("Where the day lies.", "acute")
    x_uln: dict[str, float] = described(
        "Multiples of ULN by analyte, the lowest possible.", {"ALT": 4.5, "bilirubin": 2.2}
    )
    censored: dict[str, str] = described("Those of them that are not exact.", {"ALT": ">4.5"})
    x_baseline: dict[str, float] = described("Multiples of an abnormal baseline.", {"ALT": 3.1})
    r_ratio: float | None = described("ALT x ULN / ALP x ULN; null: no exact ALP.", 5.2)
    nr_ratio: float | None = described("With the higher of ALT and AST; null: no exact ALP.", 5.2)


@answer
class JaundiceEntry(LiverDay):
    """A candidate: the enzymes of the raised day, bilirubin of its own day."""

    bilirubin_date: str | None = described("Of the bilirubin above 2 x ULN.", "2011-04-30")
    first_date: str | None = described("The first day of the rise.", "2011-04-16")
    alp_x_uln: float | str | None = described(
        "At the start of the rise, as text where not exact; null: not measured.", 0.9
    )


@answer
class ReviewedJaundice(JaundiceEntry):
    """A candidate, and what a reviewer said of it."""

    review: Review | None = described("The newest verdict; null: not reviewed.")


@answer
class RildEntry(LiverDay):
    """A day that meets a definition of radiation-induced liver disease."""

    ascites: int | None = described("Highest grade near that day, 0 to 5; null: none recorded.", 1)
    child_pugh: int | None = described("The score, 5 to 15; null: an item is missing.", 7)
    review: Review | None = described("The newest verdict; null: not reviewed.")


@answer
class ChildPughScore:
    """The Child-Pugh score of a day."""

    date: str | None = described("ISO 8601, as exact as it is known.", "2011-04-23")
    phase: Phase = described("Where the day lies.", "acute")
    score: int | None = described("5 to 15.", 6)
    group: Literal["A", "B", "C"] | None = described("The class.", "A", name="class")
    points: dict[str, int] = described(
        "1 to 3 by item.",
        {"bilirubin": 1, "albumin": 2, "INR": 1, "ascites": 1, "encephalopathy": 1},
    )


@answer
class ChildPughReport:
    """The Child-Pugh scores of a patient."""

    scores: list[ChildPughScore] = described("Every day with a score.")
    incomplete: str | None = described(
        "Without any score, what the most complete day lacks; null: there is one.", None
    )


def albi(day: Day | None) -> Albi | None:
    """Return the ALBI score of a day that has one."""
    if day is None or day.albi is None:
        return None
    return Albi(day.written, day.phase, round(day.albi, 4), albi_grade(day.albi))


def jaundice(series: LiverCourse, one: Jaundice) -> JaundiceEntry:
    """Return a candidate: the enzymes of the raised day, bilirubin of its own day."""
    bilirubin = {"bilirubin": one.bilirubin.x_uln["bilirubin"]}
    multiples = dict(one.raised.x_uln) | bilirubin
    based = dict(one.raised.x_baseline)
    if "bilirubin" in one.bilirubin.x_baseline:
        based["bilirubin"] = one.bilirubin.x_baseline["bilirubin"]
    return JaundiceEntry(
        **vars(_day(series, one.raised, multiples, based)),
        bilirubin_date=one.bilirubin.written,
        first_date=one.first.written,
        alp_x_uln=_text_or_number(one.alp),
    )


def rild(series: LiverCourse, one: Rild, review: Review | None) -> RildEntry:
    day = _day(series, one.day, one.day.x_uln, one.day.x_baseline)
    return RildEntry(**vars(day), ascites=one.ascites, child_pugh=one.score, review=review)


def _day(
    series: LiverCourse, day: Day, x_uln: Mapping[str, Multiple], based: Mapping[str, Multiple]
) -> LiverDay:
    abnormal = (n for n in sorted(based) if series.bases[n].x_uln.above(1).holds is not False)
    return LiverDay(
        date=day.written,
        phase=day.phase,
        x_uln={n: rounded(one.low) for n, one in sorted(x_uln.items()) if one.low},
        censored={n: text for n, one in sorted(x_uln.items()) if (text := _censored(one))},
        x_baseline={n: rounded(based[n].low) for n in abnormal if based[n].low},
        r_ratio=_ratio(r_ratio(x_uln)),
        nr_ratio=_ratio(r_ratio(x_uln, ENZYMES)),
    )


def child_pugh(scores: Sequence[tuple[Day, ChildPugh]]) -> ChildPughReport:
    """Return every day with a score, or if there is none what the most complete day lacks."""
    complete = [
        ChildPughScore(day.written, day.phase, points.score, points.group, dict(points.points))
        for day, points in scores
        if points.score is not None
    ]
    missing = min((points.needs for _, points in scores), key=len, default=ChildPugh({}).needs)
    return ChildPughReport(
        complete, None if complete else f"incomplete, needs {', '.join(missing)}"
    )


def _censored(one: Multiple) -> str | None:
    """Return a multiple that is not exactly known, such as ``<2.0``; None: known, or nothing is."""
    if one.exact is not None or (not one.low and one.high is None):
        return None
    if one.high is None:
        return f"{'>' if one.low_open else '>='}{rounded(one.low)}"
    if not one.low:
        return f"{'<' if one.high_open else '<='}{rounded(one.high)}"
    return f"{rounded(one.low)} to {rounded(one.high)}"


def _text_or_number(one: Multiple | None) -> float | str | None:
    if one is None:
        return None
    return rounded(one.exact) if one.exact is not None else _censored(one)


def _ratio(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 2)


def rounded(multiple: Fraction) -> float:
    return round(float(multiple), 3)
