"""One patient's results: the choice of the baseline, acute and late, worse than baseline."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toxgrade.criteria.reader import load
from toxgrade.errors import RequestError
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.patient import grade_patient, refuse_late_baseline
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.result import Course, LabResult, PatientGrade
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.summary import Graded, summarise

_GRADER = Graders(load()).for_rules(Rules())
_COURSE = (Course(date(2012, 1, 31), date(2012, 2, 29)),)


def alt(collected: str | None, value: str, **more: object) -> LabResult:
    """ALT in U/L with ULN 40: 50 is grade 1, 150 grade 2, 250 grade 3."""
    return LabResult(
        analyte="ALT",
        value=read_value(value) if value else None,
        unit="U/L",
        uln=Decimal(40),
        collected=read_collected(collected) if collected else None,
        **more,  # type: ignore[arg-type]
    )


def entries(
    *results: LabResult, courses: tuple[Course, ...] = _COURSE, window: str = "paper"
) -> list[PatientGrade]:
    return grade_patient(results, courses, _GRADER, PRESETS[window])


def phases(*results: LabResult, courses: tuple[Course, ...] = _COURSE) -> list[str]:
    return [entry.phase for entry in entries(*results, courses=courses)]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        # the last valid result dated on or before the start
        ([alt("2012-01-10", "50"), alt("2012-01-20", "30")], ["pre_treatment", "baseline"]),
        ([alt("2012-01-31", "50"), alt("2012-02-01", "30")], ["baseline", "acute"]),
        ([alt("2012-02-01", "50")], ["acute"]),
        # not valid: without a value, or cancelled
        ([alt("2012-01-20", "30"), alt("2012-01-30", "")], ["baseline", "pre_treatment"]),
        (
            [alt("2012-01-20", "30"), alt("2012-01-30", "50", status="cancelled")],
            ["baseline", "pre_treatment"],
        ),
        # valid though undecided
        ([alt("2012-01-20", "30"), alt("2012-01-30", "<150")], ["pre_treatment", "baseline"]),
        # same day: the later time if all are timed, else the worse
        ([alt("2012-01-30T08:00", "150"), alt("2012-01-30T09:00", "30")],
         ["pre_treatment", "baseline"]),
        ([alt("2012-01-30T08:00", "150"), alt("2012-01-30", "30")], ["baseline", "pre_treatment"]),
        ([alt("2012-01-30", "30"), alt("2012-01-30", "150")], ["pre_treatment", "baseline"]),
        # declared by the sender: before the date rule, even undated
        ([alt("2012-01-10", "50", is_baseline=True), alt("2012-01-20", "30")],
         ["baseline", "pre_treatment"]),
        ([alt(None, "50", is_baseline=True), alt("2012-01-20", "30")],
         ["baseline", "pre_treatment"]),
        ([alt("2012-01-05", "50", is_baseline=True), alt("2012-01-10", "30", is_baseline=True)],
         ["pre_treatment", "baseline"]),
    ],
)  # fmt: skip
def test_the_baseline_is(results: list[LabResult], expected: list[str]) -> None:
    assert phases(*results) == expected
    assert phases(*reversed(results)) == list(reversed(expected)), "in any order"


def test_acute_ends_three_calendar_months_after_the_end() -> None:
    days = ["2012-05-29", "2012-05-30", "2012-02-29", "2012-03-01"]
    found = entries(*(alt(day, "50") for day in days))
    assert [(e.phase, e.on_treatment, e.days_from_end) for e in found] == [
        ("acute", False, 90),
        ("late", False, 91),
        ("acute", True, 0),
        ("acute", False, 1),
    ]


def test_a_second_course_opens_its_own_baseline_and_windows() -> None:
    courses = (*_COURSE, Course(date(2012, 4, 1), date(2012, 4, 20)))
    found = entries(
        alt("2012-01-20", "30"), alt("2012-03-01", "150"), alt("2012-04-01", "50"),
        alt("2012-04-10", "150"), courses=courses,
    )  # fmt: skip
    assert [(e.course, e.phase, e.baseline_grade) for e in found] == [
        (0, "baseline", 0), (0, "acute", 0), (1, "baseline", 1), (1, "acute", 1),
    ]  # fmt: skip


@given(st.lists(st.dates(date(2011, 6, 1), date(2013, 6, 1)), max_size=20))
def test_acute_and_late_divide_what_follows_the_start(days: list[date]) -> None:
    found = phases(*(alt(day.isoformat(), "50") for day in days))
    after = [phase for day, phase in zip(days, found, strict=True) if day > date(2012, 1, 31)]
    acute = [day for day in days if date(2012, 1, 31) < day <= date(2012, 5, 29)]
    assert after.count("acute") == len(acute)
    assert after.count("late") == len(after) - len(acute)
    assert set(found) <= {"pre_treatment", "baseline", "acute", "late"}


@pytest.mark.parametrize(
    ("before", "grade_at_start", "worse"),
    [
        ([alt("2012-03-20", "50")], 1, True),  # of the first course's window, and still the last
        ([alt("2012-03-20", "50"), alt("2012-03-25", "150")], 2, False),
        ([alt("2012-01-20", "30", is_baseline=True), alt("2012-03-20", "150")], 2, False),
        ([alt("2012-01-20", "30"), alt("2012-03-20", "")], 0, True),  # the last valid one
        ([alt("2012-04-02", "30")], None, None),
    ],
)
def test_a_later_course_begins_where_the_one_before_had_led(
    before: list[LabResult], grade_at_start: int | None, worse: bool | None
) -> None:
    courses = (*_COURSE, Course(date(2012, 4, 1), date(2012, 4, 20)))
    *_, last = entries(*before, alt("2012-04-10", "150"), courses=courses)
    assert (last.course, last.phase) == (1, "acute")
    assert (last.baseline_grade, last.worse_than_baseline) == (grade_at_start, worse)


def test_an_old_baseline_is_flagged_and_kept() -> None:
    old, fresh = entries(alt("2012-01-02", "30"))[0], entries(alt("2012-01-03", "30"))[0]
    assert (old.phase, old.grade.flags) == ("baseline", (Flag.OLD_BASELINE,))
    assert (fresh.phase, fresh.grade.flags) == ("baseline", ())


def test_without_courses_only_a_declared_baseline_is_one() -> None:
    results = (alt("2012-01-10", "50", is_baseline=True), alt("2012-03-01", "150"))
    first, second = entries(*results, courses=())
    assert (first.phase, second.phase, second.worse_than_baseline) == ("baseline", "unknown", True)


@pytest.mark.parametrize(
    ("baseline", "later", "worse"),
    [
        ("30", "50", True),
        ("50", "50", False),
        ("150", "50", False),
        ("30", ">50", True),  # at least 1 against 0
        ("50", ">50", None),  # 1 or more against 1
        ("<150", "30", False),  # 0 against 0 to 2
        ("<150", "150", None),  # 2 against 0 to 2
        ("<150", "250", True),
    ],
)
def test_worse_than_baseline_compares_intervals(
    baseline: str, later: str, worse: bool | None
) -> None:
    found = entries(alt("2012-01-20", baseline), alt("2012-03-01", later))
    assert found[1].worse_than_baseline is worse


def test_without_a_baseline_worse_cannot_be_said() -> None:
    assert entries(alt("2012-03-01", "150"))[0].worse_than_baseline is None


@pytest.mark.parametrize(
    ("values", "worst", "at_most", "worse"),
    [
        (["30", "150", "50"], 2, 2, True),
        (["30"], 0, 0, False),
        (["30", "<150"], 0, 2, None),  # decided at 0, could be higher
        (["<150"], None, 2, None),  # nothing decided and the bound is 0
        ([">50"], 1, 4, True),  # a sound lower bound counts
        ([], None, None, None),
    ],
)
def test_the_worst_grade_is_a_sound_lower_bound(
    values: list[str], worst: int | None, at_most: int | None, worse: bool | None
) -> None:
    results = [
        alt("2012-01-20", "30"),
        *(alt(f"2012-03-{i:02}", v) for i, v in enumerate(values, 1)),
    ]
    (summary,) = summarise(Graded.of(entry) for entry in entries(*results))
    assert (summary.worst_acute, summary.worst_acute_at_most, summary.worse_acute) == (
        worst, at_most, worse,
    )  # fmt: skip
    assert (summary.baseline_grade, summary.worst_late) == (0, None)


def test_a_declared_baseline_after_the_start_is_refused() -> None:
    late = alt("2012-02-01", "30", is_baseline=True)
    with pytest.raises(RequestError) as refused:
        refuse_late_baseline([(("baseline", 0), late)], _COURSE)
    assert [(f.loc, f.code) for f in refused.value.faults] == [
        (("baseline", 0, "collected"), "baseline-after-start")
    ]
