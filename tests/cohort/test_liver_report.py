"""The liver report of one patient, and the peaks of eDISH, as they are answered."""

import pytest

from tests.cohort.liver_patients import GRADER, lab, safety
from toxgrade.cohort.definition import By
from toxgrade.cohort.edish import PlacedValue, patient_peaks
from toxgrade.cohort.liver_day import measured
from toxgrade.cohort.liver_entries import Review, Reviews
from toxgrade.cohort.liver_report import liver_report

# ALT 4 x ULN, eight days later bilirubin 3 x ULN with ALP below 2 x ULN: a Hy's law candidate.
_CANDIDATE = (
    "ALT 0.5 2020-01-02", "ALP 0.8 2020-01-02", "bilirubin 0.5 2020-01-02",
    "ALT 4 2020-03-02", "ALP 1 2020-03-02", "bilirubin 3 2020-03-10",
)  # fmt: skip
_REVIEW = Review(7, "rejected", "viral-hepatitis", "2026-11-30T09:15:00+00:00")


def test_a_candidate_is_answered_with_its_multiples_and_its_review() -> None:
    reviews: Reviews = {("hys_law", "2020-03-02"): _REVIEW}
    report = liver_report({0: safety(_CANDIDATE)}, 1, reviews, after_death=2)
    (found,) = report.hys_law
    assert (found.date, found.first_date, found.bilirubin_date) == (
        "2020-03-02", "2020-03-02", "2020-03-10",
    )  # fmt: skip
    assert (found.x_uln["ALT"], found.x_uln["bilirubin"], found.alp_x_uln) == (4.0, 3.0, 1.0)
    assert (found.r_ratio, found.review) == (4.0, _REVIEW)
    assert (report.peak_x_uln["ALT"], report.peak_x_uln["AST"]) == (4.0, None)
    assert (report.after_death, report.cholestatic, report.other_courses.results) == (2, [], 0)
    assert report.windows["classic_rild"] == ["2020-02-28", "2020-06-14"]


def test_what_is_only_possible_names_what_is_missing() -> None:
    without_alp = [one for one in _CANDIDATE if not one.startswith("ALP")]
    report = liver_report({0: safety(without_alp)}, 1, {}, after_death=0)
    assert (len(report.hys_law), len(report.without_alp)) == (0, 1)
    assert [(one.finding, one.missing, one.review) for one in report.incomplete] == [
        ("hys_law", ["ALP"], None)
    ]
    assert report.child_pugh.scores == []
    assert report.child_pugh.incomplete is not None


@pytest.mark.parametrize(
    ("results", "by_uln", "by_baseline"),
    [
        # "-": before the start; "+": after it; "?": one or the other
        ("- 0.5 2020-01-02, + 4 2020-03-02", "4 to 4", "8 to 8"),
        ("+ 4 2020-03-02, + 2 2020-04-02", "4 to 4", ""),  # without a baseline none of it
        ("- 1 2020-01-02, + 2 2020-03-02, ? 6 2020-01", "2 to 6", "2 to 6"),
        ("- 1 2020-01-02, + >5 2020-03-02", "5 to no bound", "5 to no bound"),
    ],
)
def test_the_peaks_of_a_patient(results: str, by_uln: str, by_baseline: str) -> None:
    after = {"-": False, "+": True, "?": None}
    placed = []
    for part in results.split(", "):
        where, multiple, day = part.split()
        result = lab(f"ALT {multiple} {day}")
        value = measured(result, GRADER)
        assert value is not None
        placed.append(PlacedValue(result, value, after[where]))
    multiples: tuple[By, By] = ("uln", "baseline")
    found = [patient_peaks(placed, by).get("ALT") for by in multiples]
    said = [
        "" if one is None or one.at_least is None
        else f"{one.at_least} to {'no bound' if one.at_most is None else one.at_most}"
        for one in found
    ]  # fmt: skip
    assert said == [by_uln, by_baseline]
