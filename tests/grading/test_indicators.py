"""Normal or abnormal without a range: what LBNRIND, ANRIND, OBX-8 or ``interpretation`` decide."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.grading import strategies
from toxgrade.criteria.model import Term
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, Baseline, TermGrader
from toxgrade.grading.indicators import read_indicator
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.result import Grade, LabResult
from toxgrade.grading.rules import Graders, Rules

_GRADERS = Graders(strategies.CRITERIA)
_UNUSABLE = {Flag.UNUSABLE_RANGE, Flag.UNKNOWN_LIMIT_UNIT, Flag.UNREADABLE_LIMIT}


def _lab(analyte: str, value: str, unit: str, indicator: str | None, **more: str) -> LabResult:
    named = {"analyte": analyte, "value": value, "unit": unit, "indicator": indicator}
    return lab_result({**dict.fromkeys(COLUMNS), **named, **more})


def _graded(result: LabResult, term: str, before: Baseline, edition: str = "4.03") -> Grade:
    grader = _GRADERS.for_rules(Rules(edition))
    (found,) = [t for t in grader.terms(result.analyte) if t.name == term]
    return grader.grade(result, found, before)


@pytest.mark.parametrize(
    ("says", "texts"),
    [
        ("normal", ["N", "NORMAL", "normal", " N ", "N*"]),
        ("high", ["H", "HH", "HIGH", "HU", "H*", "HH!", "H *", "high"]),
        ("low", ["L", "LL", "LOW", "LU", "L!", "low"]),
        (None, [None, "", " ", "A", "AA", "ABNORMAL", "CHANGED", "POS", "NEG", "<", ">", "*", "!"]),
        (None, ["HIGH NORMAL", "NORMAL TO HIGH", "NOT NORMAL", "N/A", "NA", "U", "D", "B", "W"]),
    ],
)
def test_closed_list_of_words(says: str | None, texts: list[str | None]) -> None:
    assert {read_indicator(text) for text in texts} == {says}


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "indicator", "term", "grade", "flagged"),
    [
        # NORMAL: from the LLN to the ULN, so no term that begins at the limit
        ("ALT", "38", "U/L", "NORMAL", "Alanine aminotransferase increased", "0", True),
        ("ALT", "<5", "U/L", "N", "Alanine aminotransferase increased", "0", True),
        ("albumin", "38", "g/L", "N", "Hypoalbuminemia", "0", True),
        ("WBC", "4.1", "10*9/L", "N", "White blood cell decreased", "0", True),
        # HIGH: grade 1 at least of what begins above the ULN; how high, only the ULN could tell
        ("ALT", "98", "U/L", "HIGH", "Alanine aminotransferase increased", "1-4", True),
        ("ALT", ">1000", "U/L", "H", "Alanine aminotransferase increased", "1-4", True),
        ("WBC", "14", "10*9/L", "H", "White blood cell decreased", "0", True),
        # LOW
        ("ALT", "5", "U/L", "LOW", "Alanine aminotransferase increased", "0", True),
        ("platelets", "120", "10*9/L", "L", "Platelet count decreased", "1", True),
        ("platelets", "60", "10*9/L", "LL", "Platelet count decreased", "2", False),
        # Absolute limits count whatever the flag says
        ("potassium", "6.2", "mmol/L", "H", "Hyperkalemia", "3", False),
        ("potassium", "5.6", "mmol/L", "N", "Hyperkalemia", "2", False),
        # Anything else says nothing, and nothing is unknown, never normal
        ("ALT", "38", "U/L", "ABNORMAL", "Alanine aminotransferase increased", "0-4", False),
        ("ALT", "38", "U/L", None, "Alanine aminotransferase increased", "0-4", False),
    ],
)
def test_result_without_a_range(
    analyte: str, value: str, unit: str, indicator: str, term: str, grade: str, flagged: bool
) -> None:
    found = _graded(_lab(analyte, value, unit, indicator), term, REFERENCE_RANGE_ONLY)
    assert _span(found) == grade
    assert (Flag.BY_INDICATOR in found.flags) is flagged
    assert ("flagged the result as" in found.because) is flagged


@pytest.mark.parametrize(
    ("edition", "value", "indicator", "before", "grade"),
    [
        ("5.0", "90", "H", _lab("ALT", "30", "U/L", "N"), "1-4"),
        ("5.0", "90", "H", _lab("ALT", "60", "U/L", "H"), "1"),  # 1.5 x baseline
        ("5.0", "70", "H", _lab("ALT", "60", "U/L", "H"), "0"),  # abnormal before, not worse
        ("5.0", "90", "H", _lab("ALT", "60", "U/L", None), "1-4"),  # 1 of an abnormal baseline
        ("5.0", "70", "H", _lab("ALT", "60", "U/L", None), "0-4"),
        ("5.0", "90", "H", None, "0-4"),
        ("5.0", "30", "N", _lab("ALT", "30", "U/L", "N"), "0"),
        ("6.0", "90", "H", None, "0-4"),
        ("4.03", "90", "H", None, "1-4"),
    ],
)
def test_an_abnormal_baseline_may_leave_a_high_result_at_zero(
    edition: str, value: str, indicator: str, before: LabResult | None, grade: str
) -> None:
    result = _lab("ALT", value, "U/L", indicator)
    found = _graded(result, "Alanine aminotransferase increased", before, edition)
    assert _span(found) == grade


def test_a_printed_range_goes_first_and_a_contradiction_is_flagged() -> None:
    def flags(value: str, indicator: str, **limits: str) -> tuple[Flag, ...]:
        result = _lab("potassium", value, "mmol/L", indicator, **limits)
        return _graded(result, "Hyperkalemia", REFERENCE_RANGE_ONLY).flags

    assert Flag.INDICATOR_CONTRADICTS in flags("5.2", "N", lln="3.5", uln="5.0")
    assert Flag.INDICATOR_CONTRADICTS in flags("4.2", "H", lln="3.5", uln="5.0")
    assert Flag.INDICATOR_CONTRADICTS in flags("4.2", "L", lln="3.5", uln="5.0")
    assert Flag.INDICATOR_CONTRADICTS in flags("3.2", "H", lln="3.5")
    assert flags("5.2", "H", lln="3.5", uln="5.0") == flags("4.2", "N", lln="3.5", uln="5.0") == ()
    # Only the LLN was sent, and agrees: the flag stands in for the ULN.
    assert flags("5.2", "H", lln="3.5") == (Flag.BY_INDICATOR,)
    # Once it contradicts the LLN, it is not believed of the ULN either.
    result = _lab("potassium", "3.2", "mmol/L", "H", lln="3.5")
    assert _span(_graded(result, "Hyperkalemia", REFERENCE_RANGE_ONLY)) == "0-1"


@pytest.mark.parametrize(
    ("value", "indicator", "grade"),
    [
        ("<60", "H", "1"),  # from the ULN of 40 to 60
        ("<60", "N", "0"),
        ("<60", None, "0-1"),
        (">30", "N", "0"),  # from 30 to 40
        (">30", None, "0-4"),
        ("<60", "A", "0-1"),
    ],
)
def test_a_flag_narrows_what_a_sign_leaves_open(value: str, indicator: str, grade: str) -> None:
    result = _lab("ALT", value, "U/L", indicator, lln="10", uln="40")
    found = _graded(result, "Alanine aminotransferase increased", REFERENCE_RANGE_ONLY)
    assert _span(found) == grade
    assert (Flag.BY_INDICATOR in found.flags) is (indicator in ("H", "N"))


@given(row=strategies.rows(), edition=st.sampled_from(list(strategies.CRITERIA.editions)))
def test_a_true_flag_never_excludes_the_grade_that_the_range_gives(
    row: dict[str, str | None], edition: str
) -> None:
    grader = _GRADERS.for_rules(Rules(edition))
    whole = lab_result({**row, "indicator": None, "specimen": None})
    assume(whole.value and not whole.value.comparator)  # Of <5 a flag tells more than a range.
    assume(whole.lln is not None and whole.uln is not None)
    for term in grader.terms(whole.analyte):
        known = grader.grade(whole, term, None)
        assume(known.at_least is not None and known.reason != "implausible-limit")
        assume(not _UNUSABLE & {*known.flags})
        for says in _true_flags(row, grader, term):
            hidden = {**row, "lln": None, "uln": None, "indicator": says, "specimen": None}
            found = grader.grade(lab_result(hidden), term, None)
            silent = grader.grade(lab_result({**hidden, "indicator": None}), term, None)
            spans = [*_bounds(known), *_bounds(found), *_bounds(silent)]
            least, most, found_least, found_most, silent_least, silent_most = spans
            assert found_least <= least <= most <= found_most
            assert silent_least <= found_least <= found_most <= silent_most


def _true_flags(row: dict[str, str | None], grader: TermGrader, term: Term) -> list[str]:
    """Return the flags that do not contradict the row's own range."""
    graded = {
        says: grader.grade(lab_result({**row, "indicator": says, "specimen": None}), term, None)
        for says in ("N", "H", "L")
    }
    return [s for s, g in graded.items() if Flag.INDICATOR_CONTRADICTS not in g.flags]


def _bounds(grade: Grade) -> tuple[int, int]:
    assert grade.at_least is not None
    assert grade.at_most is not None
    return grade.at_least, grade.at_most


def _span(grade: Grade) -> str:
    decided = grade.at_least == grade.at_most
    return str(grade.at_least) if decided else f"{grade.at_least}-{grade.at_most}"
