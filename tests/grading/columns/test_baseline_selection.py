"""Which of several results is the baseline: by what they say, in whatever order they come."""

from collections.abc import Mapping
from datetime import date
from itertools import permutations
from random import Random

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.columns.test_patient import COURSES, GRADERS, Rows, all_treated, one_by_one
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Rules

_NAMES = [*COLUMNS, "source_id"]


def _row(given: str, uln: str = "", source_id: str = "") -> dict[str, str | None]:
    """A result written as ``creatinine 1.0 mg/dL``, drawn before the start unless dated."""
    analyte, value, unit, *day = given.split()
    named = {"patient": "P1", "collected": day[0] if day else "2012-01-30", "analyte": analyte,
             "value": value, "unit": unit, "uln": uln, "source_id": source_id}  # fmt: skip
    return dict.fromkeys(_NAMES) | named


def _by_column(rows: Rows, course: tuple[date | None, date | None], rules: Rules) -> pl.DataFrame:
    start, end = (pl.lit(day, dtype=pl.Date) for day in course)
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(_NAMES, pl.String))
    grader = GRADERS.for_rules(rules)
    return grade_rows(frame.with_columns(rt_start=start, rt_end=end), grader, rules.window)


@pytest.mark.parametrize(
    ("baseline", "other"),
    [
        # a term for high values: the higher number may be meant
        (_row("creatinine 1.0 mg/dL", "1.2"), _row("creatinine <1.0 mg/dL", "1.2")),
        (_row("creatinine <=1.0 mg/dL", "1.2"), _row("creatinine <1.0 mg/dL", "1.2")),
        (_row("creatinine 1.0 mg/dL", "1.2"), _row("creatinine <=1.0 mg/dL", "1.2")),
        (_row("ALT >300 U/L", "40"), _row("ALT 300 U/L", "40")),
        # a term for low values: the lower number may be meant
        (_row("albumin <4.2 g/dL"), _row("albumin 4.2 g/dL")),
        (_row("albumin 4.2 g/dL"), _row("albumin >4.2 g/dL")),
        # equal numbers in two units, or written in two ways: the first by the texts
        (_row("albumin 4.15 g/dL"), _row("albumin 41.5 g/L")),
        (_row("ALT 30 U/L"), _row("ALT 30.0 U/L")),
        (_row("ALT 30 U/L"), _row("ALT 30 u/l")),
        (_row("ALT 7 furlongs"), _row("ALT 7.00000001 furlongs")),
        # equal but for the limits of normal, on which grades of later results may depend
        (_row("ALT 30 U/L", "40"), _row("ALT 30 U/L", "45")),
        (_row("ALT 30 U/L", ""), _row("ALT 30 U/L", "40")),
        (_row("ALT 30 U/L"), _row("ALT 30 U/L") | {"indicator": "N"}),
        # equal in all that any grade depends on
        (_row("ALT 30 U/L 2012-01-30"), _row("ALT 30 U/L 2012-01-30T08:00")),
        (_row("ALT 30 U/L", source_id="A"), _row("ALT 30 U/L", source_id="B")),
        # equal but for words of the sender that mean the same for the grade: the first by these
        (_row("ALT 30 U/L") | {"status": "corrected"}, _row("ALT 30 U/L")),
        (_row("ALT 30 U/L") | {"specimen": "SERUM"}, _row("ALT 30 U/L") | {"specimen": "serum"}),
        (_row("ALT 30 U/L") | {"indicator": "N"}, _row("ALT 30 U/L") | {"indicator": "NORMAL"}),
        (
            _row("ALT 30 U/L", source_id="A"),
            _row("ALT 30 U/L", source_id="B") | {"status": "amended"},
        ),
    ],
)
@pytest.mark.parametrize("edition", ["4.03", "5.0"])
def test_the_baseline_is_one_of_two_whichever_comes_first(
    baseline: dict[str, str | None], other: dict[str, str | None], edition: str
) -> None:
    rules, course = Rules(edition=edition), COURSES[0]
    grader = GRADERS.for_rules(rules)
    for rows in ([baseline, other], [other, baseline]):
        terms = len(grader.terms(baseline["analyte"] or ""))
        phases = ["baseline" if row is baseline else "pre_treatment" for row in rows]
        expected = [phase for phase in phases for _ in range(terms)]
        assert _by_column(rows, course, rules)["phase"].to_list() == expected
        results = [lab_result(row) for row in rows]
        found = grade_patient(results, [Course(*course)], grader, rules.window)
        assert [entry.phase for entry in found] == expected


def test_a_later_grade_does_not_depend_on_the_order() -> None:
    """1.6 is above 1.5 x 1.0; above 1.5 x <1.0 it is too, but how far is not known."""
    before = [_row("creatinine <1.0 mg/dL", "1.2"), _row("creatinine 1.0 mg/dL", "1.2")]
    later = _row("creatinine 1.6 mg/dL 2012-03-01", "1.2")
    for rows in ([*before, later], [*reversed(before), later]):
        found = _by_column(rows, COURSES[0], Rules()).select("at_least", "at_most", "flags")
        assert found.row(-1) == (2, 3, "baseline-ambiguous")


@settings(max_examples=40, deadline=None)
@given(
    before=st.lists(
        st.tuples(
            st.sampled_from(["1.0", "<1.0", "<=1.0", ">1.0", "1.00", "0.7"]),
            st.sampled_from([None, "final", "corrected", "amended"]),
            st.sampled_from(["", "Y"]),
        ),
        min_size=3, max_size=3,
    ),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
)  # fmt: skip
@example([("1.0", None, ""), ("1.0", "corrected", ""), ("<1.0", None, "")], "4.03")
def test_no_order_of_one_day_s_results_changes_an_answer(
    before: list[tuple[str, str | None, str]], edition: str
) -> None:
    rules, later = Rules(edition=edition), _row("creatinine 1.6 mg/dL 2012-03-01", "1.2")
    rows = [
        _row(f"creatinine {value} mg/dL", "1.2") | {"status": status, "baseline": declared}
        for value, status, declared in before
    ]
    answers = set()
    for order in ([*some, later] for some in permutations(rows)):
        found = _by_column(order, COURSES[0], rules).rows()
        assert found == one_by_one(order, all_treated(COURSES[0]), rules), "as the plain grader"
        answers.add(tuple(sorted(repr((_sent(order[row]), *rest)) for row, *rest in found)))
    assert len(answers) == 1


def _sent(row: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return a row by what it says: without a status it is final."""
    return {**row, "status": row["status"] or "final"}


_DAYS = [
    *["2012-01-30", "2012-01-30T08:00", "2012-01-30T09:00", "2012-01-31", "2012-01-31T10:00"],
    *["2012-01", "2012", None, "2012-02-01", "2012-03-01", "2012-06-01"],
]


@st.composite
def _tied(draw: st.DrawFn) -> list[dict[str, str | None]]:
    """Rows of one analyte, of which many are equal but for the way they are written."""
    analyte, written = draw(st.sampled_from([
        ("creatinine", ["1.0", "<1.0", "<=1.0", ">1.0", ">=1.0", "1.00", "1.00000001", "2.1"]),
        ("ALT", ["30", "30.0", "<30", ">=30", "45", "120", "0.5", "250", "1000"]),
        ("bilirubin", ["1.0", "1.3", "<1.3", "2.5", ">2.5", "7", "12.00000001"]),
        ("albumin", ["4.15", "41.5", "<4.15", ">41.5", "41.50000001", "3"]),
    ]))  # fmt: skip
    units = {"creatinine": ["mg/dL", "MG/DL", "umol/L"], "bilirubin": ["mg/dL", "mg/dl"],
             "ALT": ["U/L", "u/l", "ukat/L", "miles"],
             "albumin": ["g/dL", "g/L", ""]}  # fmt: skip
    named = {
        "patient": st.just("P1"), "collected": st.sampled_from(_DAYS), "analyte": st.just(analyte),
        "value": st.sampled_from(written), "unit": st.sampled_from(units[analyte]),
        "lln": st.sampled_from([None, "3.5"]), "uln": st.sampled_from([None, "1.2", "40", "40.0"]),
        "limit_unit": st.sampled_from([None, None, None, "g/dL"]),
        "status": st.sampled_from([None, "corrected"]),
        "baseline": st.sampled_from([None, None, "Y"]),
        "source_id": st.sampled_from([None, "A", "B"]),
        "specimen": st.sampled_from([None, "blood", "SERUM", "venous blood", "urine"]),
        "indicator": st.sampled_from([None, None, "N", "NORMAL", "high", "H*", "A"]),
    }  # fmt: skip
    return draw(st.lists(st.fixed_dictionaries(named), min_size=2, max_size=9))


@settings(max_examples=150, deadline=None)
@given(
    rows=_tied() | strategies.exports(),
    course=st.sampled_from(COURSES),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    chance=st.randoms(use_true_random=False),
)
def test_the_order_of_rows_changes_nothing(
    rows: Rows, course: tuple[date | None, date | None], edition: str, chance: Random
) -> None:
    rules = Rules(edition=edition)
    shuffled = list(rows)
    chance.shuffle(shuffled)
    graded = []
    for some in (rows, shuffled):
        found = _by_column(some, course, rules).rows()
        assert found == one_by_one(some, all_treated(course), rules), "as the plain grader"
        graded.append(sorted(repr((dict(some[row]), *rest)) for row, *rest in found))
    assert graded[0] == graded[1]
