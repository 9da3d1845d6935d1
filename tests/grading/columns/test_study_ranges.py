"""A study's own ranges: the column grader lends a row the one that the plain grader lends it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from unittest.mock import patch

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.grading import strategies
from tests.grading.columns.test_patient import GRADERS, Courses, Rows, frame_of, graded_by
from toxgrade.grading.columns import interning
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.flags import Flag
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Rules
from toxgrade.grading.study_ranges import Person, RangeTable

Persons = Mapping[str | None, Person]
_PERSONS = st.builds(
    Person, st.sampled_from([None, "female", "male"]), st.sampled_from([None, 1952, 1970, 1994])
)


def _by_column(
    rows: Rows, courses: Courses, persons: Persons, table: RangeTable, rules: Rules,
    sample: int = 1000,
) -> list[tuple[object, ...]]:  # fmt: skip
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys((*COLUMNS, "lab"), pl.String))
    told = pl.DataFrame(
        [(name, person.sex, person.birth_year) for name, person in persons.items()],
        schema={"patient": pl.String, "sex": pl.String, "birth_year": pl.Int32}, orient="row",
    )  # fmt: skip
    known = told.join(frame_of(courses), on="patient", how="left")
    with patch.object(interning, "_SAMPLE_ROWS", sample):
        return grade_rows(frame, GRADERS.for_rules(rules), rules.window, known, table).rows()


def _one_by_one(
    rows: Rows, courses: Courses, persons: Persons, table: RangeTable, rules: Rules
) -> list[tuple[object, ...]]:
    names = GRADERS.for_rules(rules).names

    def read(row: dict[str, str | None]) -> LabResult:
        result = lab_result({name: row[name] for name in COLUMNS})
        analyte, person = names.analyte(result.analyte), persons[row["patient"]]
        own = analyte and table.choose(analyte.name, row["lab"], result.collected, person)
        return replace(result, study_range=own or None)

    return graded_by(read, rows, courses, rules)


@settings(max_examples=60, deadline=None)
@given(
    rows=strategies.exports(),
    hidden=st.lists(st.sampled_from([(), ("lln", "uln"), ("lln", "uln", "limit_unit")]),
                    min_size=12, max_size=12),
    labs=st.lists(st.sampled_from([None, "A", " b"]), min_size=12, max_size=12),
    courses=st.fixed_dictionaries(dict.fromkeys(strategies.PATIENTS, strategies.courses())),
    persons=st.fixed_dictionaries(dict.fromkeys(strategies.PATIENTS, _PERSONS)),
    table=strategies.ranges(),
    implausible=st.sampled_from(["refuse", "flag"]),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    sample=st.sampled_from([1, 1000]),
)  # fmt: skip
def test_columns_lend_what_the_plain_grader_lends(
    rows: Rows,
    hidden: Sequence[tuple[str, ...]],
    labs: Sequence[str | None],
    courses: Courses,
    persons: Persons,
    table: RangeTable,
    implausible: Implausible,
    edition: str,
    sample: int,
) -> None:
    sent = [
        row | {"lab": lab} | dict.fromkeys(absent)
        for row, absent, lab in zip(rows, hidden, labs, strict=False)
    ]
    rules = Rules(edition=edition, implausible=implausible)
    expected = _one_by_one(sent, courses, persons, table, rules)
    assert _by_column(sent, courses, persons, table, rules, sample) == expected


def test_a_range_of_the_study_is_used_where_a_row_has_none() -> None:
    """ALT 50 U/L: the study's ULN is 45 for men and 34 for women, the laboratory's own 60."""
    table = RangeTable(
        [
            StudyRange("ALT", None, Decimal(45), "U/L", sex="male"),
            StudyRange("ALT", None, Decimal(34), "U/L", sex="female"),
        ]
    )
    rows = [
        dict.fromkeys((*COLUMNS, "lab"))
        | {"patient": "P1", "collected": "2012-02-10", "analyte": "ALT", "value": value,
           "unit": "U/L", "uln": uln}
        for value, uln in (("44", None), ("50", None), ("50", "60"), ("50", "0"), ("50", "abc"))
    ]  # fmt: skip
    courses: Courses = {"P1": [Course(strategies.START, strategies.END)]}
    found = _by_column(rows, courses, {"P1": Person("male")}, table, Rules())
    assert [(grade, flags) for _, _, grade, _, _, _, flags, *_ in found] == [
        (0, Flag.RANGE_FROM_STUDY), (1, Flag.RANGE_FROM_STUDY), (0, None),
        (1, f"{Flag.UNUSABLE_RANGE} {Flag.RANGE_FROM_STUDY}"), (None, Flag.UNREADABLE_LIMIT),
    ]  # fmt: skip
