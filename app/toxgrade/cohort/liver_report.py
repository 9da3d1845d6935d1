"""The liver safety report of a patient over one course."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

from toxgrade.cohort import liver_entries as entries
from toxgrade.cohort.described import StudyReport, answer, described
from toxgrade.cohort.hys_law import Jaundice
from toxgrade.cohort.liver import FindingName, Incomplete, LiverSafety, Peak, peak
from toxgrade.cohort.liver_course import LiverCourse
from toxgrade.cohort.liver_entries import Review, Reviews, rounded
from toxgrade.cohort.rild import CLASSIC, NON_CLASSIC, Rild

_PEAKS = ("ALT", "AST", "ALP", "bilirubin")
ByAnalyte = dict[str, float | None]


@answer
class IncompleteEntry:
    """What may be a finding, and what is missing to know it."""

    finding: FindingName = described("What it may be.", "classic_rild")
    date: str | None = described("ISO 8601, as exact as it is known; null: undated.", "2011-05-10")
    bilirubin_date: str | None = described("Of a finding of two days; null: of one.", None)
    missing: list[str] = described("What is missing to know it.", ["ascites"])
    review: Review | None = described("The newest verdict; null: not reviewed.")


@answer
class OtherCourse:
    """Results that belong to another course, and what that course has for certain."""

    course: int | None = described("1 is the first; null: of one of several.", 2)
    results: int = described("The number of results.", 12)
    findings: list[FindingName] = described("What is certain in that course.", [])


@answer
class OtherCourses:
    """Results that certainly belong to other courses than the reported one."""

    results: int = described("The number of results.", 12)
    courses: list[OtherCourse] = described("By course.")


@answer
class LiverReport:
    """Candidates and flags for review over one course, never diagnoses."""

    course: int = described("The course of radiotherapy, 1 is the first.", 1)
    albi: list[entries.Albi] = described("Every full date with bilirubin and albumin.")
    albi_baseline: entries.Albi | None = described("The last up to the start; null: none.")
    albi_worst_acute: entries.Albi | None = described("The highest acute score; null: none.")
    albi_change: float | None = described("Worst acute minus baseline; null: one is missing.", 0.31)
    albi_change_grade: int | None = described("0 to 2; null: one is missing.", 1)
    peak_x_uln: ByAnalyte = described(
        "Highest multiple of ULN certainly after the start; null: none.", {"ALT": 4.5}
    )
    peak_at_most: ByAnalyte = described("That is possible; null: no bound.", {"ALT": 4.5})
    peak_could_be_higher: list[str] = described("Analytes whose peak may be higher.", [])
    peak_x_baseline: ByAnalyte = described("Multiple of the baseline; null: none.", {"ALT": 3.1})
    windows: dict[str, list[str] | None] = described(
        "First and last day in which each RILD counts; null: no end of radiotherapy.",
        {"classic_rild": ["2011-03-23", "2011-07-09"],
         "non_classic_rild": ["2011-03-09", "2011-06-09"]},
    )  # fmt: skip
    hys_law: list[entries.ReviewedJaundice] = described("Hy's law candidates.")
    cholestatic: list[entries.ReviewedJaundice] = described("The same with ALP from 2 x ULN.")
    without_alp: list[entries.JaundiceEntry] = described("The same, no ALP decides it.")
    non_classic_rild: list[entries.RildEntry] = described("Days of non-classic RILD.")
    classic_rild: list[entries.RildEntry] = described("Days of classic RILD.")
    incomplete: list[IncompleteEntry] = described("What may be a finding.")
    child_pugh: entries.ChildPughReport = described("The Child-Pugh scores.")
    other_courses: OtherCourses = described("What belongs to other courses: not counted.")
    after_death: int = described("Results dated after death: not counted.", 0)


@answer
class NamedPatient:
    """Whose report it is."""

    patient: str = described("The patient's name in the study.", "SYN-004")


@answer
class PatientLiverReport(LiverReport, NamedPatient):
    """The liver safety of one patient of a study."""


@answer
class StudyLiverReport(StudyReport):
    """The liver safety of a page of a study's patients, by name."""

    within_days: int = described("Days from the first of a rise to bilirubin: Hy's law.", 30)
    course: int = described("The course of radiotherapy, 1 is the first.", 1)
    definitions: dict[str, str] = described(
        "How each figure is defined, with its source.",
        {"use": "candidates and flags for review, never diagnoses"},
    )
    patients: list[PatientLiverReport] = described("By name.")
    next: str | None = described("The cursor of the next page; null on the last.", None)


def liver_report(
    found: Mapping[int, LiverSafety], course: int, reviews: Reviews, after_death: int
) -> LiverReport:
    """Return one course (from 1) of the findings by course (from 0).

    ``after_death``: the number of results that are dated after the death and are not in them.
    """
    safety = found[course - 1]
    series = safety.series
    before, worst = safety.albi_baseline, safety.albi_worst_acute
    change = None
    if before and worst and before.albi is not None and worst.albi is not None:
        change = worst.albi - before.albi
    by_uln, by_baseline = _peaks(series, "x_uln"), _peaks(series, "x_baseline")
    other, classic = safety.non_classic_rild, safety.classic_rild
    return LiverReport(
        course=course,
        albi=[one for day in series.dated if (one := entries.albi(day))],
        albi_baseline=entries.albi(before),
        albi_worst_acute=entries.albi(worst),
        albi_change=None if change is None else round(change, 4),
        albi_change_grade=None if change is None else (change > 0.25) + (change > 0.5),
        peak_x_uln={n: _rounded(one.at_least) for n, one in by_uln.items()},
        peak_at_most={n: _rounded(one.at_most) for n, one in by_uln.items()},
        peak_could_be_higher=[n for n, one in by_uln.items() if one.could_be_higher],
        peak_x_baseline={n: _rounded(one.at_least) for n, one in by_baseline.items()},
        windows={
            "classic_rild": _window(series, *CLASSIC),
            "non_classic_rild": _window(series, *NON_CLASSIC),
        },
        hys_law=[_reviewed(series, "hys_law", one, reviews) for one in safety.hys_law],
        cholestatic=[_reviewed(series, "cholestatic", one, reviews) for one in safety.cholestatic],
        without_alp=[entries.jaundice(series, one) for one in safety.without_alp],
        non_classic_rild=[_rild(series, "non_classic_rild", one, reviews) for one in other],
        classic_rild=[_rild(series, "classic_rild", one, reviews) for one in classic],
        incomplete=[_incomplete(one, reviews) for one in safety.incomplete],
        child_pugh=entries.child_pugh(safety.child_pugh),
        other_courses=_other_courses(safety, found),
        after_death=after_death,
    )


def _reviewed(
    series: LiverCourse, name: FindingName, one: Jaundice, reviews: Reviews
) -> entries.ReviewedJaundice:
    entry = entries.jaundice(series, one)
    return entries.ReviewedJaundice(**vars(entry), review=reviews.get((name, entry.date)))


def _rild(series: LiverCourse, name: FindingName, one: Rild, reviews: Reviews) -> entries.RildEntry:
    return entries.rild(series, one, reviews.get((name, one.day.written)))


def _incomplete(one: Incomplete, reviews: Reviews) -> IncompleteEntry:
    review = reviews.get((one.finding, one.date))
    return IncompleteEntry(one.finding, one.date, one.bilirubin_date, list(one.missing), review)


def _peaks(series: LiverCourse, multiples: Literal["x_uln", "x_baseline"]) -> dict[str, Peak]:
    """Return the peak of each analyte, of the multiples by ULN or by baseline."""
    return {
        analyte: peak(
            (day.after, getattr(day, multiples)[analyte])
            for day in series.days
            if analyte in getattr(day, multiples)
        )
        for analyte in _PEAKS
    }


def _rounded(multiple: Fraction | None) -> float | None:
    return None if multiple is None else rounded(multiple)


def _other_courses(safety: LiverSafety, found: Mapping[int, LiverSafety]) -> OtherCourses:
    """Return how many results belong to other courses, and what each of these has for certain."""
    elsewhere = safety.series.elsewhere
    return OtherCourses(
        sum(elsewhere.values()),
        [
            OtherCourse(
                None if index is None else index + 1,
                n,
                [] if index is None else found[index].findings,
            )
            for index, n in sorted(elsewhere.items(), key=lambda item: (item[0] is None, item[0]))
        ],
    )


def _window(series: LiverCourse, from_day: int, months: int) -> list[str] | None:
    found = series.window_after_end(from_day, months)
    return [day.isoformat() for day in found] if found else None
