"""Hy's law, RILD and Child-Pugh of a course from 6 January to 14 February 2020: rule by rule.

Numbers are multiples of the ULN, of albumin g/L. A finding is certain, or it is listed as
incomplete with what is missing, or it is not there.
"""

from collections.abc import Sequence

import pytest

from tests.cohort.liver_patients import safety
from toxgrade.cohort.liver import LiverSafety, peak

_PANEL = ["ALT 3 2020-03-02", "ALP 1 2020-03-02"]


def said(found: LiverSafety, finding: str) -> str:
    """Return ``certain``, what is missing, or ``no``."""
    certain = bool(getattr(found, finding))
    missing = [", ".join(one.missing) for one in found.incomplete if one.finding == finding]
    return "; ".join([*(["certain"] if certain else []), *missing]) or "no"


@pytest.mark.parametrize(
    ("labs", "expected"),
    [
        # Bilirubin above 2 x ULN, strictly; ALT or AST from 3 x ULN on.
        ([*_PANEL, "bilirubin 2.01 2020-03-02"], "certain"),
        ([*_PANEL, "bilirubin 2 2020-03-02"], "no"),
        (["AST 3 2020-03-02", "ALP 1 2020-03-02", "bilirubin 3 2020-03-02"], "certain"),
        (["ALT 2.99 2020-03-02", "ALP 1 2020-03-02", "bilirubin 3 2020-03-02"], "no"),
        # Bilirubin 0 to 30 days after the first day of the rise, never before it.
        ([*_PANEL, "bilirubin 3 2020-04-01"], "certain"),
        ([*_PANEL, "bilirubin 3 2020-04-02"], "bilirubin"),
        ([*_PANEL, "bilirubin 3 2020-03-01"], "bilirubin"),
        ([*_PANEL, "ALT 4 2020-03-20", "bilirubin 3 2020-04-02"], "bilirubin"),
        # The rise ends where it is below 3 x again; then another begins.
        ([*_PANEL, "ALT 2 2020-03-10", "ALT 4 2020-03-20", "ALP 1 2020-03-20",
          "bilirubin 3 2020-04-02"], "certain; bilirubin"),
        # ALP of the first day, else the nearest within 7 days before; later ones do not count.
        (["ALT 3 2020-03-02", "ALP 1 2020-02-24", "bilirubin 3 2020-03-02"], "certain"),
        (["ALT 3 2020-03-02", "ALP 1 2020-02-23", "bilirubin 3 2020-03-02"], "ALP"),
        (["ALT 3 2020-03-02", "ALP 3.5 2020-02-20", "ALP 1 2020-02-28",
          "bilirubin 3 2020-03-02"], "certain"),
        ([*_PANEL, "ALP 3 2020-03-09", "bilirubin 3 2020-03-12"], "certain"),
        (["ALT 3 2020-03-02", "bilirubin 3 2020-03-02"], "ALP"),
        (["ALT 3 2020-03-02", "ALP ?90 2020-03-02", "bilirubin 3 2020-03-02"], "ULN of ALP"),
        # Censored values are bounds: <200 U/L at a ULN of 100 is certainly below 2 x ULN.
        (["ALT >3 2020-03-02", "ALP <2 2020-03-02", "bilirubin 3 2020-03-02"], "certain"),
        (["ALT >2 2020-03-02", "ALP 1 2020-03-02", "bilirubin 3 2020-03-02"], "exact ALT"),
        ([*_PANEL, "bilirubin >1 2020-03-02"], "exact bilirubin"),
        ([*_PANEL, "bilirubin <2 2020-03-02"], "no"),
        # Without a ULN nothing is assumed; a rise is certain even if its first day is not.
        ([*_PANEL, "bilirubin ?3 2020-03-02"], "ULN of bilirubin"),
        (["ALT ?300 2020-03-01", "ALP 1 2020-03-01", *_PANEL, "bilirubin 3 2020-03-02"],
         "certain"),
        # Dates: only what holds on each possible day is certain.
        ([*_PANEL, "bilirubin 3 2020-03"], "full date"),
        (["ALT 3 2020-03-01", "ALP 1 2020-03-01", "bilirubin 3 2020-03"], "certain"),
        (["ALT 3 2020-03", "ALP 1 2020-03", "bilirubin 3 2020-03"], "full date, ALP"),
        ([*_PANEL, "bilirubin 3 -"], "full date"),
        (["ALT 3 2019-12-20", "ALP 1 2019-12-20", "bilirubin 3 2020-01-10"], "no"),  # before
        (["ALT 3 2020-03-02", "ALP 1 2020-03-02"], "bilirubin"),
    ],
)  # fmt: skip
def test_hys_law(labs: list[str], expected: str) -> None:
    assert said(safety(labs), "hys_law") == expected


def test_with_alp_from_twice_the_uln_it_is_cholestatic() -> None:
    found = safety(["ALT 3 2020-03-02", "ALP 2 2020-03-02", "bilirubin 3 2020-03-02"])
    assert (said(found, "hys_law"), said(found, "cholestatic")) == ("no", "certain")


@pytest.mark.parametrize(
    ("courses", "expected", "peak"),
    [
        ("2020-01-06 2020-02-14", "certain", True),
        ("2020-01-06 ?", "certain", True),  # no end: certainly after the start all the same
        ("? 2020-02-14", "certain", True),
        ("? 2020-06-30", "start of radiotherapy", None),
        ("", "start of radiotherapy", None),
        ("2020-03-02 2020-03-20", "no", False),  # the day of the start is before
    ],
)
def test_hys_law_without_all_dates_of_the_course(
    courses: str, expected: str, peak: bool | None
) -> None:
    found = safety([*_PANEL, "bilirubin 3 2020-03-02"], courses=courses)
    assert said(found, "hys_law") == expected
    assert {day.after for day in found.series.days} == {peak}


def test_within_days_shortens_the_time_to_bilirubin() -> None:
    labs = [*_PANEL, "bilirubin 3 2020-03-12"]
    assert said(safety(labs, within_days=10), "hys_law") == "certain"
    assert said(safety(labs, within_days=9), "hys_law") == "bilirubin"


_ASCITES = ["Ascites 1 2020-03-20"]
_ALP = ["ALP 1 2020-01-03", "ALP 2 2020-03-20"]
_CLASSIC = [*_ALP, "bilirubin 1 2020-03-20"]


@pytest.mark.parametrize(
    ("labs", "events", "expected"),
    [
        (_CLASSIC, _ASCITES, "certain"),
        # From 14 days to 4 calendar months after the end, inclusive.
        (["ALP 1 2020-01-03", "ALP 2 2020-02-28", "bilirubin 1 2020-02-28"],
         ["Ascites 1 2020-02-28"], "certain"),
        (["ALP 1 2020-01-03", "ALP 2 2020-02-27", "bilirubin 1 2020-02-27"],
         ["Ascites 1 2020-02-27"], "no"),
        (["ALP 1 2020-01-03", "ALP 2 2020-06-14", "bilirubin 1 2020-06-14"],
         ["Ascites 1 2020-06-10"], "certain"),
        (["ALP 1 2020-01-03", "ALP 2 2020-06-15", "bilirubin 1 2020-06-15"],
         ["Ascites 1 2020-06-10"], "no"),
        # ALP from 2 x ULN on, and from 2 x baseline on where that was abnormal.
        (["ALP 1 2020-01-03", "ALP 1.99 2020-03-20", "bilirubin 1 2020-03-20"], _ASCITES, "no"),
        (["ALP 1.5 2020-01-03", "ALP 3 2020-03-20", "bilirubin 1 2020-03-20"], _ASCITES,
         "certain"),
        (["ALP 1.5 2020-01-03", "ALP 2.9 2020-03-20", "bilirubin 1 2020-03-20"], _ASCITES,
         "ALP from 2 x baseline"),
        (["ALP 2.8 2020-01-03", "ALP 2.7 2020-03-20", "bilirubin 1 2020-03-20"], _ASCITES, "no"),
        (["ALP 2.8 2020-01-03", "ALP 2.8 2020-03-20", "bilirubin 1 2020-03-20"], [], "no"),
        (["ALP ?100 2020-01-03", "ALP 2.1 2020-03-20", "bilirubin 1 2020-03-20"], _ASCITES,
         "certain"),
        (["ALP ?150 2020-01-03", "ALP 2.1 2020-03-20", "bilirubin 1 2020-03-20"], _ASCITES,
         "baseline ALP"),
        (["ALP 2 2020-03-20", "bilirubin 1 2020-03-20"], _ASCITES, "certain; baseline ALP"),
        # Bilirubin below 2 x ULN on the nearest day within 7 days.
        ([*_ALP, "bilirubin 1 2020-03-27"], _ASCITES, "certain"),
        ([*_ALP, "bilirubin 1 2020-03-28"], _ASCITES, "bilirubin"),
        ([*_ALP, "bilirubin 2 2020-03-20", "bilirubin 1 2020-03-22"], _ASCITES, "no"),
        ([*_ALP, "bilirubin ?1 2020-03-20"], _ASCITES, "ULN of bilirubin"),
        # New ascites, present within 14 days on either side; absent only if somebody said so.
        (_CLASSIC, ["Ascites 1 2020-04-03"], "certain"),
        (_CLASSIC, ["Ascites 1 2020-04-04"], "ascites"),
        (_CLASSIC, ["Ascites 2 2020-02-20"], "certain"),
        (_CLASSIC, ["Ascites 2 2020-02-20 2020-03-07"], "certain"),
        (_CLASSIC, ["Ascites 2 2020-02-20 2020-03-06"], "no"),  # resolved that day
        (_CLASSIC, ["Ascites 2 2020-02-20 2020-03-05"], "ascites"),
        (_CLASSIC, ["Ascites 2 2020-01-02"], "no"),  # it was there before
        (_CLASSIC, ["Ascites 2 2020-01-02", "Ascites 0 2020-02-01", "Ascites 2 2020-03-15"],
         "certain"),
        (_CLASSIC, ["Ascites 2 2020-01-02", "Ascites 3 2020-03-15"], "no"),
        (_CLASSIC, ["Ascites 0 2020-03-10"], "no"),
        (_CLASSIC, ["Ascites 0 2020-01-03"], "ascites"),
        (_CLASSIC, [], "ascites"),
        (_CLASSIC, ["Ascites 1 2020-04"], "date of ascites"),
        # A date to the month: every day of it, or only some.
        (["ALP 1 2020-01-03", "ALP 2 2020-03", "bilirubin 1 2020-03-15"], _ASCITES,
         "full date, bilirubin, ascites"),
        (["ALP 1 2020-01-03", "ALP 2 2021", "bilirubin 1 2020-03-15"], _ASCITES, "no"),
    ],
)  # fmt: skip
def test_classic_rild(labs: list[str], events: list[str], expected: str) -> None:
    assert said(safety(labs, events), "classic_rild") == expected


@pytest.mark.parametrize(
    ("labs", "expected"),
    [
        (["ALT 1 2020-01-03", "ALT 5 2020-03-20"], "no"),
        (["ALT 1 2020-01-03", "ALT 5.01 2020-03-20"], "certain"),
        (["AST 5 2020-01-03", "ALT 5.01 2020-03-20"], "certain"),
        (["AST 5.01 2020-01-03", "ALT 20 2020-03-20"], "no"),
        (["AST 5.01 2020-01-03", "ALT 20.01 2020-03-20"], "certain"),
        (["ALT ?300 2020-01-03", "ALT 6 2020-03-20"], "baseline ALT or AST"),
        (["ALT ?300 2020-01-03", "ALT 21 2020-03-20"], "certain"),
        (["ALT 6 2020-03-20"], "certain; baseline ALT or AST"),
        # From the end to 3 calendar months after it.
        (["ALT 1 2020-01-03", "ALT 6 2020-02-13"], "no"),
        (["ALT 1 2020-01-03", "ALT 6 2020-02-14"], "certain"),
        (["ALT 1 2020-01-03", "ALT 6 2020-05-14"], "certain"),
        (["ALT 1 2020-01-03", "ALT 6 2020-05-15"], "no"),
        (["ALT 1 2020-01-03", "ALT 6 2020-03"], "certain"),
        (["ALT 1 2020-01-03", "ALT 6 2020-05"], "full date"),
        (["ALT 1 2020-01-03", "ALT 6 -"], "full date"),
    ],
)
@pytest.mark.parametrize("window", ["paper", "rtog90"])
def test_non_classic_rild_by_enzymes(labs: list[str], expected: str, window: str) -> None:
    assert said(safety(labs, window=window), "non_classic_rild") == expected


def test_without_an_end_no_window_of_rild_is_known() -> None:
    labs = [*_CLASSIC, "ALT 1 2020-01-03", "ALT 6 2020-03-20"]
    found = safety(labs, _ASCITES, courses="2020-01-06 ?")
    assert said(found, "classic_rild") == "end of radiotherapy"
    assert said(found, "non_classic_rild") == "end of radiotherapy"
    early = safety(["ALP 1 2020-01-03", "ALP 2 2020-01-19"], courses="2020-01-06 ?")
    assert said(early, "classic_rild") == "no", "13 days after the start it is too early"


def _score(day: str, albumin: int = 40) -> list[str]:
    return [f"bilirubin 1 {day}", f"albumin {albumin} {day}", f"INR 1 {day}"]


_NONE = ["Ascites 0 2020-01-02", "Encephalopathy 0 2020-01-02"]


@pytest.mark.parametrize(
    ("labs", "events", "expected"),
    [
        (_score("2020-03-20", 27), _NONE, "certain"),  # 5 to 7
        (_score("2020-03-20", 30), _NONE, "no"),  # 5 to 6
        # Scored on the day of a clinician's record, with items of up to 7 days before.
        (_score("2020-03-25"), [*_NONE, "Ascites 3 2020-04-01"], "certain"),
        (_score("2020-03-24"), [*_NONE, "Ascites 3 2020-04-01"], "bilirubin, albumin, INR"),
        (["bilirubin 1 2020-03-20", "albumin 27 2020-03-20", "INR 1 2020-03-21"], _NONE,
         "INR; certain"),
        # Without the score: open only where what is known has risen by 2 points.
        (["albumin 27 2020-03-20"], _NONE, "bilirubin, INR"),
        (["albumin 30 2020-03-20"], _NONE, "no"),
        (_score("2020-03-20", 27), [], "ascites, encephalopathy, baseline ascites,"
         " baseline encephalopathy"),
    ],
)  # fmt: skip
def test_non_classic_rild_by_child_pugh(
    labs: list[str], events: Sequence[str], expected: str
) -> None:
    found = safety([*_score("2020-01-03"), *labs], events)
    assert set(said(found, "non_classic_rild").split("; ")) == set(expected.split("; "))


def test_results_of_another_course_are_counted_and_reported_there() -> None:
    labs = ["ALT 1 2020-01-03", "ALT 4 2020-09-01", "bilirubin 3 2020-09-01", "ALP 1 2020-09-01"]
    courses = "2020-01-06 2020-02-14,2020-07-01 2020-07-10"
    first, second = (safety(labs, courses=courses, index=index) for index in (0, 1))
    assert (said(first, "hys_law"), first.series.elsewhere) == ("no", {1: 3})
    assert (said(second, "hys_law"), second.series.elsewhere) == ("certain", {0: 1})


@pytest.mark.parametrize(
    ("labs", "at_least", "at_most"),
    [
        (["ALT 3 2020-03-02"], 3, 3),
        (["ALT 3 2020-03-02", "ALT 8 -"], 3, 8),  # undated: only possibly after the start
        (["ALT 3 2020-03-02", "ALT 8 2020"], 3, 8),
        (["ALT 3 2020-03-02", "ALT 8 2020-05"], 8, 8),
        (["ALT 3 2020-03-02", "ALT ?900 2020-03-09"], 3, None),
        (["ALT 3 2020-03-02", "ALT >8 2020-03-09"], 8, None),
        (["ALT <3 2020-03-02"], None, 3),
    ],
)
def test_peaks(labs: list[str], at_least: int | None, at_most: int | None) -> None:
    days = safety(labs).series.days
    found = peak((day.after, day.x_uln["ALT"]) for day in days)
    assert (found.at_least, found.at_most) == (at_least, at_most)
    assert found.could_be_higher is (at_least != at_most or at_most is None)
