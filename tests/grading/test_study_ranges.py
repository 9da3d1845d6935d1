"""Which of a study's own reference ranges applies to which result."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from toxgrade.criteria.reader import load
from toxgrade.errors import RequestError
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.result import LabResult, Reported
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.study_ranges import Person, RangeTable, range_table

_GRADERS = Graders(load())
_GRADER = _GRADERS.for_rules(Rules())


def alt(uln: str, **of: Any) -> StudyRange:
    return StudyRange("ALT", None, Decimal(uln), "U/L", **of)


# The table of a site, with the ULN of ALT in U/L.
_TABLE = [
    alt("40"),
    alt("34", sex="female"),
    alt("30", sex="female", age_from=0, age_to=17),
    alt("45", valid_from=date(2011, 1, 1)),
    alt("35", valid_from=date(2011, 1, 1), sex="female"),
    alt("50", lab="North"),
]
_WOMAN, _MAN = Person("female", 1960), Person("male", 1960)
_GIRL, _SIX, _UNKNOWN = Person("female", 2000), Person("female", 2004), Person()

# Each case: laboratory, collected, patient, ULN that applies (None: not known).
_CASES = [
    ("", "2010-05-01", _MAN, "40"),
    ("", "2010-05-01", _WOMAN, "34"),
    ("", "2010-05-01", _GIRL, "30"),
    ("", "2011-01-01", _MAN, "45"),  # the first day counts
    ("", "2011-01-01", _WOMAN, "35"),
    ("", "2011-06-01", _GIRL, "35"),  # a later row for all women replaces an earlier one for girls
    ("North", "2010-05-01", _WOMAN, "50"),  # its own laboratory goes first
    ("north ", "2011-05-01", _UNKNOWN, "50"),
    ("South", "2010-05-01", _MAN, "40"),
    ("", "2010-05-01", _UNKNOWN, None),  # the women's row may apply
    ("", "2010-05-01", Person("female"), None),  # the girls' row may apply
    ("", "2010-05-01", Person("male"), "40"),  # no row for men depends on age
    ("", "2010-12", _MAN, "40"),
    ("", "2010", _MAN, "40"),
    ("", "2011", _MAN, "45"),
    (None, "2010-05-01", _MAN, None),  # it may be North's
]


@pytest.mark.parametrize(("lab", "collected", "person", "uln"), _CASES)
def test_the_row_that_certainly_applies(
    lab: str | None, collected: str, person: Person, uln: str | None
) -> None:
    lab = "elsewhere" if lab == "" else lab
    found = RangeTable(_TABLE).choose("ALT", lab, read_collected(collected), person)
    assert (found and str(found.uln)) == uln


# Each case: birth year, collected, ULN. Rows: up to 17 years (30) and from 18 years (40).
@pytest.mark.parametrize(
    ("born", "collected", "uln"),
    [
        (1993, "2010-12-31", "30"),  # 16 or 17
        (1992, "2010-12-31", None),  # 17 or 18
        (1991, "2010-01-01", "40"),  # 18 or 19
        (1992, "2010", None),
        (1993, "2010", "30"),
        (2010, "2010-03-01", "30"),
        (2012, "2010-03-01", None),  # born after the specimen was taken: of no age
        (None, "2010-03-01", None),
    ],
)
def test_a_birth_year_alone_means_one_of_two_ages(
    born: int | None, collected: str, uln: str | None
) -> None:
    table = RangeTable([alt("30", age_to=17), alt("40", age_from=18)])
    found = table.choose("ALT", None, read_collected(collected), Person(None, born))
    assert (found and str(found.uln)) == uln


def test_an_undated_result_has_only_what_holds_on_every_day() -> None:
    assert RangeTable([alt("40")]).choose("ALT", None, None, _MAN)
    assert not RangeTable([alt("40", valid_from=date(2010, 1, 1))]).choose("ALT", None, None, _MAN)
    assert not RangeTable([alt("40", age_from=18)]).choose("ALT", None, None, _MAN)
    assert not RangeTable([alt("40")]).choose("AST", None, None, _MAN)


def test_a_partial_date_that_spans_a_change_has_no_range() -> None:
    table = RangeTable([alt("40"), alt("45", valid_from=date(2010, 6, 15))])
    for collected, uln in (("2010-05", "40"), ("2010-06", None), ("2010-07", "45"), ("2010", None)):
        found = table.choose("ALT", None, read_collected(collected), _MAN)
        assert (found and str(found.uln)) == uln, collected


# Each case: what the laboratory sent, grade, flags. The study's range is ULN 40 U/L.
@pytest.mark.parametrize(
    ("sent", "grade", "flags"),
    [
        ({}, 2, ["range-from-study"]),
        ({"uln": "100"}, 1, []),  # never instead of one that was sent
        ({"lln": "5"}, None, []),  # half a range is a range
        ({"lln": "0", "uln": "0"}, 2, ["unusable-range", "range-from-study"]),
        ({"lln": "56", "uln": "7"}, 2, ["unusable-range", "range-from-study"]),
        ({"unreadable_limit": True}, None, ["unreadable-limit"]),  # it sent one: which, none knows
        ({"uln": "100", "limit_unit": "mg"}, None, ["unknown-limit-unit"]),
    ],
)
def test_used_only_where_a_result_carries_none(
    sent: dict[str, Any], grade: int | None, flags: list[str]
) -> None:
    limits: dict[str, Any] = {n: Decimal(sent[n]) for n in ("lln", "uln") if n in sent}
    bare = LabResult("ALT", Reported(Decimal(121)), "U/L", study_range=alt("40"))
    result = replace(bare, **(sent | limits))
    (term,) = _GRADER.terms("ALT")
    found = _GRADER.grade(result, term, None)
    assert (found.grade, list(found.flags)) == (grade, flags)


def test_the_range_is_brought_to_the_result_s_unit_exactly() -> None:
    row = StudyRange("bilirubin", None, Decimal("1.2"), "mg/dL")
    (term,) = _GRADER.terms("bilirubin")
    for value, grade in (("1.8", 1), ("1.81", 2)):
        result = LabResult("bilirubin", Reported(Decimal(value)), "mg/dL", study_range=row)
        assert _GRADER.grade(result, term, None).grade == grade
    in_molar = LabResult("bilirubin", Reported(Decimal("30.8")), "umol/L", study_range=row)
    assert _GRADER.grade(in_molar, term, None).grade == 2  # 1.8 mg/dL is 30.787 umol/L


_REFUSED = [
    ([StudyRange("lead", None, Decimal(5), "ug/dL")], "analyte", "unknown-analyte"),
    ([StudyRange("ALT", None, Decimal(40), "mg/dL")], "unit", "unknown-unit"),
    ([StudyRange("ALT", None, None, "U/L")], "uln", "missing-limit"),
    ([StudyRange("ALT", Decimal(40), Decimal(40), "U/L")], "uln", "unusable-range"),
    ([StudyRange("ALT", Decimal(0), Decimal(0), "U/L")], "uln", "unusable-range"),
    ([StudyRange("ALT", None, Decimal("0.6"), "U/L")], "uln", "implausible-limit"),
    ([StudyRange("bilirubin", None, Decimal("1.2"), "umol/L")], "uln", "implausible-limit"),
    ([alt("40", age_from=18, age_to=17)], "age_to", "ages-reversed"),
    ([alt("40"), alt("45")], None, "overlapping-ranges"),
    ([alt("40", lab="North"), alt("45", lab="NORTH ")], None, "overlapping-ranges"),
    ([alt("40", age_to=18), alt("45", age_from=18)], None, "overlapping-ranges"),
    ([alt("40", sex="female"), alt("45", age_to=17)], None, "overlapping-ranges"),
    ([alt("40", age_to=17), alt("45", sex="female")], None, "overlapping-ranges"),
    ([alt("40", age_to=30), alt("45", age_from=20)], None, "overlapping-ranges"),
    ([alt("40", age_from=20), alt("45", age_to=30)], None, "overlapping-ranges"),
    ([alt("40")] * 101, "analyte", "too-many"),
    ([alt("40")] * 5001, None, "too-many"),
]


@pytest.mark.parametrize(("rows", "field", "code"), _REFUSED)
def test_a_table_that_contradicts_itself_is_refused(
    rows: list[StudyRange], field: str | None, code: str
) -> None:
    with pytest.raises(RequestError) as error:
        range_table(rows, _GRADER)
    (fault,) = error.value.faults
    assert (fault.code, fault.loc[2] if len(fault.loc) > 2 else None) == (code, field)


@pytest.mark.parametrize(
    "rows",
    [
        [alt("40", sex="male"), alt("34", sex="female")],
        [alt("40", age_to=17), alt("45", age_from=18)],
        [alt("40"), alt("45", age_from=18, age_to=60)],  # for fewer patients: it goes first
        [alt("40", sex="female"), alt("45", sex="female", age_from=18)],
        [alt("40"), alt("45", sex="female", age_to=17)],
        [alt("40"), StudyRange("albumin", Decimal(35), None, "g/L")],  # one limit is enough
    ],
)
def test_rows_of_which_one_is_meant_for_fewer_patients_stand_side_by_side(
    rows: list[StudyRange],
) -> None:
    for one in (rows, rows[::-1]):
        assert range_table(one, _GRADER).rows == tuple(one)


def test_names_and_units_are_brought_to_one_spelling() -> None:
    (row,) = range_table([StudyRange("SGPT", None, Decimal(40), "IU/L")], _GRADER).rows
    assert (row.analyte, row.unit) == ("ALT", "U/L")
    assert len(range_table(_TABLE, _GRADER).rows) == len(_TABLE)


def test_a_study_that_flags_implausible_numbers_may_set_such_a_range() -> None:
    odd = [StudyRange("ALT", None, Decimal("0.6"), "U/L")]
    flagging: TermGrader = _GRADERS.for_rules(Rules(implausible="flag"))
    assert range_table(odd, flagging).rows == tuple(odd)
