"""The column grader gives, row for row, what the plain grader gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import chain, product
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from toxgrade.grading.columns.parse import COMPARATORS
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.phase import PRESETS, Window
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.validation.checks import Case, tables

GRADERS = Graders(strategies.CRITERIA)
Rows = Sequence[dict[str, str | None]]
COURSES = [
    (strategies.START, strategies.END), (strategies.START, None), (None, strategies.END),
    (None, None),
]  # fmt: skip


Courses = Mapping[str | None, Sequence[Course]]


def frame_of(courses: Courses) -> pl.DataFrame:
    """Return the courses as the column grader takes them, in any order."""
    named = [(patient, one) for patient, several in courses.items() for one in several]
    return pl.DataFrame(
        [(p, c.start, c.end, c.start_time, c.ongoing) for p, c in reversed(named) if p],
        schema={
            "patient": pl.String, "rt_start": pl.Date, "rt_end": pl.Date, "rt_start_time": pl.Time,
            "ongoing": pl.Boolean,
        }, orient="row",
    )  # fmt: skip


def all_treated(course: tuple[date | None, date | None]) -> Courses:
    """Return one course, by its start and end, for every patient."""
    return {name: [Course(*course)] if any(course) else [] for name in strategies.PATIENTS}


def by_column(rows: Rows, courses: Courses, rules: Rules) -> list[tuple[object, ...]]:
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(COLUMNS, pl.String))
    grader = GRADERS.for_rules(rules)
    return grade_rows(frame, grader, rules.window, frame_of(courses)).rows()


def one_by_one(rows: Rows, courses: Courses, rules: Rules) -> list[tuple[object, ...]]:
    return graded_by(lab_result, rows, courses, rules)


def graded_by(
    read: Callable[[dict[str, str | None]], LabResult], rows: Rows, courses: Courses, rules: Rules
) -> list[tuple[object, ...]]:
    """Return the plain grader's answer for rows, each read by ``read``."""
    graded: list[tuple[Any, ...]] = []
    of_patient: dict[str | None, list[int]] = {}
    for i, row in enumerate(rows):
        of_patient.setdefault(row["patient"], []).append(i)
    for patient, places in of_patient.items():
        results, own = [read(rows[i]) for i in places], courses.get(patient, ())
        for entry in grade_patient(results, own, GRADERS.for_rules(rules), rules.window):
            grade = entry.grade
            term = grade.term.name if grade.term else None
            if patient is None:
                ungraded = (None, None, None, "missing-patient", None, None)
                nowhere = ("unknown", None, None, None, None, None)
                graded.append((places[entry.index], term, *ungraded, *nowhere))
                continue
            graded.append(
                (
                    places[entry.index], term, grade.grade, grade.at_least, grade.at_most,
                    grade.reason.value if grade.reason else None,
                    " ".join(grade.flags) or None, grade.criterion, entry.phase, entry.on_treatment,
                    entry.days_from_end, entry.baseline_grade, entry.worse_than_baseline,
                    None if entry.course is None else entry.course + 1,
                )
            )  # fmt: skip
    return sorted(graded, key=lambda entry: entry[0])


@settings(max_examples=80, deadline=None)
@given(
    rows=strategies.exports(),
    courses=st.fixed_dictionaries(dict.fromkeys(strategies.PATIENTS, strategies.courses())),
    window=st.sampled_from(list(PRESETS.values())),
    implausible=st.sampled_from(["refuse", "flag"]),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    order=st.randoms(use_true_random=False),
)
def test_columns_equal_patients_of_several_courses(
    rows: Rows,
    courses: Courses,
    window: Window,
    implausible: Implausible,
    edition: str,
    order: Random,
) -> None:
    """Courses overlap, go on, begin at a time of day; rows come in any order, as do courses."""
    rules = Rules(edition=edition, window=window, implausible=implausible)
    shuffled = order.sample(list(rows), len(rows))
    expected = one_by_one(shuffled, courses, rules)
    assert by_column(shuffled, courses, rules) == expected
    assert _unordered(one_by_one(rows, courses, rules)) == _unordered(expected)


def _unordered(graded: Sequence[tuple[object, ...]]) -> list[str]:
    """Return gradings whatever their order: without their rows' numbers."""
    return sorted(map(repr, (entry[1:] for entry in graded)))


TREATED = all_treated(COURSES[0])


@settings(max_examples=60, deadline=None)
@given(
    rows=strategies.exports(),
    course=st.sampled_from(COURSES).map(all_treated),
    window=st.sampled_from(list(PRESETS.values())),
    implausible=st.sampled_from(["refuse", "flag"]),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
)
def test_columns_equal_patients(
    rows: Rows,
    course: Courses,
    window: Window,
    implausible: Implausible,
    edition: str,
) -> None:
    rules = Rules(edition=edition, window=window, implausible=implausible)
    assert by_column(rows, course, rules) == one_by_one(rows, course, rules)


@settings(max_examples=40, deadline=None)
@given(
    rows=strategies.exports(),
    said=st.lists(
        st.tuples(
            st.sampled_from(["N", "H", "L"]), st.sampled_from([(), ("lln",), ("uln", "lln")])
        ),
        min_size=12, max_size=12,
    ),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
)  # fmt: skip
def test_columns_equal_patients_where_flags_stand_in_for_limits(
    rows: Rows, said: list[tuple[str, tuple[str, ...]]], edition: str
) -> None:
    flagged = [
        row | {"indicator": flag, "specimen": None} | dict.fromkeys(hidden)
        for row, (flag, hidden) in zip(rows, said, strict=False)
    ]
    rules = Rules(edition=edition)
    assert by_column(flagged, TREATED, rules) == one_by_one(flagged, TREATED, rules)


def _row(analyte: str, unit: str, **named: str | None) -> dict[str, str | None]:
    return dict.fromkeys(COLUMNS) | {"patient": "P1", "analyte": analyte, "unit": unit} | named


def _first_differences(rows: Rows, course: Courses, rules: Rules) -> Sequence[object]:
    """Return the first rows where the graders differ, as pytest would print whole lists."""
    pairs = zip(by_column(rows, course, rules), one_by_one(rows, course, rules), strict=True)
    return [pair for pair in pairs if pair[0] != pair[1]][:5]


def _around(number: Fraction) -> list[str]:
    """Return a number truncated to six decimals, and one step to either side."""
    step = Fraction(1, 10**6)
    return [strategies.decimal_text(max(number + n * step, Fraction(0)), 6) for n in (-1, 0, 1)]


def test_plausible_limits_in_every_pair_of_units() -> None:
    """Value and limits are in two units, each at the ends of what is plausible."""
    rows = []
    for analyte in strategies.CRITERIA.analytes.values():
        for unit, limit_unit in product(analyte.units, repeat=2):
            value = analyte.value_band(unit)
            middle = (Fraction(value.low) + Fraction(value.high)) / 2
            row = _row(analyte.name, unit.name, limit_unit=limit_unit.name)
            row["value"] = strategies.decimal_text(middle / unit.factor, 3)
            for limit in ("lln", "uln"):
                band = getattr(analyte, f"plausible_{limit}")
                for end in (band.low, band.high):
                    rows += [row | {limit: n} for n in _around(Fraction(end) / limit_unit.factor)]
            for end in (value.low, value.high):
                rows += [row | {"value": n} for n in _around(Fraction(end) / unit.factor)]
    for rules in (Rules(), Rules(implausible="flag")):
        assert not _first_differences(rows, {}, rules)


def _baselines(case: Case) -> Iterator[dict[str, str | None]]:
    """Yield a case's baseline with each comparator, and with ``<`` in another unit."""
    analyte = GRADERS.for_rules(Rules()).names.analyte(case["analyte"])
    assert analyte is not None
    unit = analyte.unit(case["baseline_unit"])
    others = [("<", one) for one in analyte.units if one != unit][:1]
    for sign, other in [*((sign, unit) for sign in COMPARATORS), *others]:
        number = Fraction(case["baseline"]) * unit.factor / other.factor
        yield {"value": sign + strategies.decimal_text(number, 6), "unit": other.name,
               "limit_unit": case["limit_unit"] or case["unit"]}  # fmt: skip


@pytest.mark.parametrize("edition", strategies.CRITERIA.editions)
def test_every_comparator_at_every_limit(edition: str) -> None:
    """Every case of the tables has each comparator before its value and its baseline."""
    rows: list[dict[str, str | None]] = []
    for case in chain.from_iterable(tables().values()):
        if case["edition"] != edition or case["value"][:1] in "<>":
            continue
        limits = {name: case[name] or None for name in ("lln", "uln", "limit_unit")}
        own = _row(case["analyte"], case["unit"], collected="2012-03-01", **limits)
        baselines = list(_baselines(case)) if case["baseline"] else [None]
        for sign, baseline in product(COMPARATORS, baselines):
            patient = f"P{len(rows)}"
            rows.append(own | {"patient": patient, "value": sign + case["value"]})
            if baseline:
                rows.append(own | baseline | {"patient": patient, "collected": "2012-01-30"})
    treated = dict.fromkeys((row["patient"] for row in rows), TREATED["P1"])
    assert not _first_differences(rows, treated, Rules(edition=edition))


def test_no_rows_give_no_grades() -> None:
    assert by_column([], {}, Rules()) == []


@pytest.mark.parametrize(
    ("analyte", "worse", "other"),
    [
        ("ALT", ("30.00000001", "U/L"), ("20", "U/L")),  # finer than the columns' millionths
        ("ALT", ("20.00000001", "U/L"), ("0.333333", "ukat/L")),
        ("ALT", ("0.7", "ukat/L"), ("35", "U/L")),  # 42 U/L
        ("ALT", ("30.0000000000002", "U/L"), ("30.0000000000001", "U/L")),  # 15 digits
        ("ALT", ("5", "U/L"), ("30", "furlongs")),  # a number without a unit is none
        ("albumin", ("41.00000001", "g/L"), ("42", "g/L")),
        ("albumin", ("4.1", "g/dL"), ("41.5", "g/L")),
        ("bilirubin", ("1", "mg/dL"), ("17.1", "umol/L")),  # 17.104 umol/L
        ("bilirubin", ("1", "mg/dL"), ("17.1037", "umol/L")),
    ],
)
def test_of_results_of_one_day_the_worse_is_the_baseline(
    analyte: str, worse: tuple[str, str], other: tuple[str, str]
) -> None:
    """None of them is toxic, so the exact numbers decide."""
    first, second = (
        _row(analyte, unit, value=value, collected="2012-01-30", uln=None)
        for value, unit in (worse, other)
    )
    later = _row(analyte, first["unit"] or "", value="900", collected="2012-03-01")
    for rows in ([first, second, later], [second, first, later]):
        found = by_column(rows, TREATED, Rules(edition="5.0"))
        assert found == one_by_one(rows, TREATED, Rules(edition="5.0"))
        chosen = rows[[row[8] for row in found].index("baseline")]
        assert chosen is first


def test_a_baseline_that_cannot_be_used_is_never_that_of_another_patient() -> None:
    """The later value is too fine for columns: the plain grader needs the baseline's texts."""

    def alt(patient: str, collected: str, value: str, unit: str) -> dict[str, str | None]:
        named = {"patient": patient, "collected": collected, "value": value, "unit": unit}
        return dict.fromkeys(COLUMNS) | named | {"analyte": "ALT", "uln": "40"}

    unusable = alt("P1", "2011-01-20", "30", "furlongs")
    later = alt("P1", "2011-04-23", "130.00000001", "U/L")
    others = [alt(p, "2011-01-20", "90", "U/L") for p in ("P0", "P2")]
    rules = Rules(edition="5.0")
    course: Courses = {
        name: [Course(date(2011, 1, 24), date(2011, 3, 9))] for name in ("P0", "P1", "P2")
    }
    for rows in (
        [unusable, later],
        [others[0], unusable, later],
        [unusable, others[1], later],
        [others[0], unusable, others[1], later],
    ):
        found = by_column(rows, course, rules)
        assert found == one_by_one(rows, course, rules)
        assert found[-1][3:6] == (0, 4, "missing-baseline")
