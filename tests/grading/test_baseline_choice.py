"""Baselines that are chosen visibly: several results of one day, results without a full date, and a
start of radiotherapy with its time of day. Each case is held for both graders.
"""

from collections.abc import Sequence
from datetime import date, time
from itertools import permutations

import polars as pl
import pytest

from toxgrade.criteria.reader import load
from toxgrade.errors import RequestError
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.parse import COLUMNS, lab_result, read_collected
from toxgrade.grading.patient import grade_patient, refuse_late_baseline
from toxgrade.grading.phase import PRESETS, possible_places
from toxgrade.grading.result import Course, Place
from toxgrade.grading.rules import Graders, Rules

_GRADERS = Graders(load())
_START, _END = date(2012, 1, 31), date(2012, 2, 29)
_ULN = {"creatinine": ("mg/dL", "1.2"), "ALT": ("U/L", "40"), "platelets": ("10*9/L", "400")}

Told = tuple[str, int | None, int | None, int | None, int | None, bool | None, str]
"""Phase, grade, its bounds, baseline grade, worse, and the flags about the baseline."""


def _row(given: str, index: int = 0) -> dict[str, str | None]:
    """A result written as ``2012-01-30 creatinine 0.7``; ``- `` has no date, ``Y`` is declared."""
    day, analyte, value, *declared = given.split()
    unit, uln = _ULN[analyte]
    row = {"patient": "P1", "collected": None if day == "-" else day, "analyte": analyte}
    row |= {"value": value, "unit": unit, "baseline": declared[0] if declared else None}
    lln = "150" if analyte == "platelets" else None
    return dict.fromkeys(COLUMNS) | row | {"uln": uln, "lln": lln}


def graded(given: Sequence[str], at: time | None = None, edition: str = "4.03") -> list[Told]:
    """Grade results by both graders, which must say the same of each."""
    rules = Rules(edition=edition)
    rows, grader = [_row(one) for one in given], _GRADERS.for_rules(rules)
    course = Course(_START, _END, start_time=at)
    entries = grade_patient([lab_result(row) for row in rows], [course], grader, rules.window)
    told: list[Told] = []
    for entry in entries:
        grade = entry.grade
        flags = " ".join(flag for flag in grade.flags if flag.startswith("baseline"))
        bounds = grade.grade, grade.at_least, grade.at_most
        told.append((entry.phase, *bounds, entry.baseline_grade, entry.worse_than_baseline, flags))
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
        rt_start=pl.lit(_START), rt_end=pl.lit(_END), rt_start_time=pl.lit(at, dtype=pl.Time)
    )
    names = ("phase", "grade", "at_least", "at_most", "baseline_grade", "worse_than_baseline")
    columns = grade_rows(frame, grader, rules.window)
    assert columns.select(names).rows() == [one[:-1] for one in told], "as the plain grader"
    texts = [
        [f for f in (text or "").split() if f.startswith("baseline")] for text in columns["flags"]
    ]
    assert texts == [one[-1].split() for one in told]
    assert columns["reason"].to_list() == [entry.grade.reason for entry in entries]
    return told


_AMBIGUOUS, _MAY_DIFFER = "baseline-ambiguous", "baseline-may-differ"


@pytest.mark.parametrize(
    ("before", "later", "expected"),
    [
        # creatinine 0.9: grade 1 against 0.7 ("> 1 x baseline"), grade 0 against 1.0
        (["2012-01-30 creatinine 0.7", "2012-01-30 creatinine 1.0"],
         "2012-03-01 creatinine 0.9", (None, 0, 1, 0, None, _AMBIGUOUS)),
        # two that the sender declared, of one day, or both without a date
        (["2012-01-30 creatinine 0.7 Y", "2012-01-30 creatinine 1.0 Y"],
         "2012-03-01 creatinine 0.9", (None, 0, 1, 0, None, _AMBIGUOUS)),
        (["- creatinine 0.7 Y", "- creatinine 1.0 Y"],
         "2012-03-01 creatinine 0.9", (None, 0, 1, 0, None, f"{_AMBIGUOUS} {_MAY_DIFFER}")),
        # one declared among two: no choice is left
        (["2012-01-30 creatinine 0.7 Y", "2012-01-30 creatinine 1.0"],
         "2012-03-01 creatinine 0.9", (1, 1, 1, 0, True, "")),
        # equal times tell no more than none; one without a time may be the last, too
        (["2012-01-30T08:00 creatinine 0.7", "2012-01-30T08:00 creatinine 1.0"],
         "2012-03-01 creatinine 0.9", (None, 0, 1, 0, None, _AMBIGUOUS)),
        (["2012-01-30T08:00 creatinine 0.7", "2012-01-30 creatinine 1.0"],
         "2012-03-01 creatinine 0.9", (None, 0, 1, 0, None, _AMBIGUOUS)),
        # times tell
        (["2012-01-30T08:00 creatinine 0.7", "2012-01-30T09:00 creatinine 1.0"],
         "2012-03-01 creatinine 0.9", (0, 0, 0, 0, False, "")),
        # a choice that changes nothing is no doubt
        (["2012-01-30 creatinine 0.7", "2012-01-30 creatinine 0.8"],
         "2012-03-01 creatinine 0.6", (0, 0, 0, 0, False, "")),
        (["2012-01-30 creatinine 0.7", "2012-01-30 creatinine 0.7"],
         "2012-03-01 creatinine 0.9", (1, 1, 1, 0, True, "")),
        (["2012-01-30 ALT 30", "2012-01-30 ALT 35"],
         "2012-03-01 ALT 90", (1, 1, 1, 0, True, "")),
        # the grade is the same, but the baseline's is not: 0 or 2
        (["2012-01-30 ALT 30", "2012-01-30 ALT 150"],
         "2012-03-01 ALT 150", (2, 2, 2, None, None, _AMBIGUOUS)),
        # worse than either
        (["2012-01-30 ALT 30", "2012-01-30 ALT 150"],
         "2012-03-01 ALT 900", (4, 4, 4, None, True, _AMBIGUOUS)),
    ],
)  # fmt: skip
def test_several_results_of_the_baseline_day(
    before: list[str], later: str, expected: tuple[object, ...]
) -> None:
    for rows in permutations([*before, later]):
        found = graded(rows)
        assert found[rows.index(later)] == ("acute", *expected)
        chosen = [told for told in found if told[0] == "baseline"]
        assert [told[-1] for told in chosen] == [expected[-1]], "the baseline says it as well"


def test_the_reason_of_bounds_over_choices_is_told() -> None:
    rows = [_row(f"{day} creatinine {value}") for day, value in
            (("2012-01-30", "0.7"), ("2012-01-30", "1.0"), ("2012-03-01", "0.9"))]  # fmt: skip
    grader, course = _GRADERS.for_rules(Rules()), Course(_START, _END)
    entry = grade_patient([lab_result(r) for r in rows], [course], grader, PRESETS["paper"])[-1]
    assert entry.grade.reason == "missing-baseline"
    assert entry.grade.because == (
        "0.9 mg/dL is 0.9 x baseline (1 mg/dL) and 0.75 x ULN (1.2 mg/dL): not above 1 x baseline,"
        " not above 1 x ULN; but other results of the baseline's day, without times to tell the"
        " last one, make the grade 0 to 1"
    )


def test_the_choice_counts_for_a_later_course_too() -> None:
    """The last results before the second course are of one day of the first."""
    courses = (Course(_START, _END), Course(date(2012, 6, 1), date(2012, 6, 20)))
    rows = [_row(one) for one in ("2012-05-30 creatinine 0.7", "2012-05-30 creatinine 1.0",
                                  "2012-06-10 creatinine 0.9")]  # fmt: skip
    grader = _GRADERS.for_rules(Rules())
    for some in (rows, [rows[1], rows[0], rows[2]]):
        *_, last = grade_patient([lab_result(r) for r in some], courses, grader, PRESETS["paper"])
        assert (last.grade.at_least, last.grade.at_most, last.course) == (0, 1, 1)
        assert last.grade.flags == (_AMBIGUOUS,)


def test_very_many_results_of_one_day_leave_the_baseline_open() -> None:
    before = [f"2012-01-30 creatinine 0.{n}" for n in range(70, 95)]
    *_, last = graded([*before, "2012-03-01 creatinine 1.1"])
    assert last == ("acute", None, 0, 3, None, None, _AMBIGUOUS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # a result of that January may have been taken after the baseline: it never is one
        (["2012-01-10 ALT 30", "2012-01 ALT 90", "2012-03-01 ALT 90"],
         [("baseline", _MAY_DIFFER), ("pre_treatment", ""), ("acute", _MAY_DIFFER)]),
        (["2012-01-10 ALT 30", "2012 ALT 90", "2012-03-01 ALT 90"],
         [("baseline", _MAY_DIFFER), ("unknown", _MAY_DIFFER), ("acute", _MAY_DIFFER)]),
        (["2012-01-10 ALT 30", "- ALT 90", "2012-03-01 ALT 90"],
         [("baseline", _MAY_DIFFER), ("unknown", _MAY_DIFFER), ("acute", _MAY_DIFFER)]),
        # certainly before the baseline, or after the start, or of another test, or not valid
        (["2012-01-10 ALT 30", "2011-12 ALT 90", "2012-03-01 ALT 90"],
         [("baseline", ""), ("pre_treatment", ""), ("acute", "")]),
        (["2012-01-10 ALT 30", "2012-02 ALT 90", "2012-03-01 ALT 90"],
         [("baseline", ""), ("acute", ""), ("acute", "")]),
        (["2012-01-10 ALT 30", "2012-01 creatinine 1.0", "2012-03-01 ALT 90"],
         [("baseline", ""), ("pre_treatment", ""), ("acute", "")]),
        (["2012-01-10 ALT 30", "2012-01 ALT n/a", "2012-03-01 ALT 90"],
         [("baseline", ""), ("pre_treatment", ""), ("acute", "")]),
        # without a baseline: what is after the start carries it
        (["2012-01 ALT 30", "2012-03-01 ALT 90"],
         [("pre_treatment", ""), ("acute", _MAY_DIFFER)]),
        (["2012 ALT 30", "2012-03-01 ALT 90"], [("unknown", ""), ("acute", _MAY_DIFFER)]),
        # declared by the sender: it is the baseline, and only another declared one may be
        (["2012-01 ALT 30 Y", "2012-03-01 ALT 90"], [("baseline", ""), ("acute", "")]),
        (["2012-01-10 ALT 30 Y", "2012-01 ALT 90", "2012-03-01 ALT 90"],
         [("baseline", ""), ("pre_treatment", ""), ("acute", "")]),
        (["2012-01-10 ALT 30 Y", "2012-01 ALT 90 Y", "2012-03-01 ALT 90"],
         [("baseline", _MAY_DIFFER), ("pre_treatment", ""), ("acute", _MAY_DIFFER)]),
    ],
)  # fmt: skip
def test_a_result_without_a_full_date_is_no_baseline_but_is_told(
    given: list[str], expected: list[tuple[str, str]]
) -> None:
    for order in permutations(range(len(given))):
        found = graded([given[place] for place in order])
        assert [(told[0], told[-1]) for told in found] == [expected[place] for place in order]


@pytest.mark.parametrize(
    ("drawn", "start", "phase"),
    [
        ("2012-01-31T08:59", time(9), "baseline"),
        ("2012-01-31T09:00", time(9), "baseline"),
        ("2012-01-31T09:01", time(9), "acute"),
        ("2012-01-31T16:00+05:00", time(9), "acute"),  # by the writer's own clock
        ("2012-01-31", time(9), "baseline"),  # without a time, as ever
        ("2012-01-31T16:00", None, "baseline"),
        ("2012-01-30T16:00", time(9), "baseline"),
        ("2012-02-01T08:00", time(9), "acute"),
    ],
)
def test_a_result_drawn_after_the_time_of_the_start_is_no_baseline(
    drawn: str, start: time | None, phase: str
) -> None:
    (told,) = graded([f"{drawn} ALT 90"], at=start)
    assert told[0] == phase
    place = possible_places(
        read_collected(drawn), [Course(_START, _END, start_time=start)], PRESETS["paper"]
    )
    assert place == (Place(0, "acute" if phase == "acute" else "pre_treatment"),)


def test_a_declared_baseline_of_the_day_after_the_time_of_the_start_is_refused() -> None:
    late = lab_result(_row("2012-01-31T16:00 ALT 30 Y"))
    refuse_late_baseline([(("baseline", 0), late)], [Course(_START)])
    with pytest.raises(RequestError):
        refuse_late_baseline([(("baseline", 0), late)], [Course(_START, start_time=time(9))])
