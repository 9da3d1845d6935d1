"""No grading is looser than what is known: what may be is tried as whole cases.

Both graders against every possible value of what is unknown. 200,000 rows: ``make bench``.
"""

import pytest

from tests.grading import hull_oracle, oracle
from tests.grading.both_graders import by_column, one_by_one
from tests.grading.hull_oracle import Row, Sent
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.result import Grade
from toxgrade.grading.rules import Graders, Rules

_GRADERS = Graders(oracle.CRITERIA)
_ALT, _HB = "Alanine aminotransferase increased", "Hemoglobin increased"
_BILI = "Blood bilirubin increased"


def _mg(value: str, uln: str | None = None) -> Sent:
    return Sent(value, "mg/dL", uln=uln)


def _alt(value: str, uln: str | None = None, **more: str) -> Sent:
    return Sent(value, "U/L", uln=uln, **more)


def _hb(value: str, **limits: str) -> Sent:
    return Sent(value, "g/L", **limits)


@pytest.mark.parametrize(
    ("edition", "term", "result", "baseline", "grade", "why"),
    [
        # The baseline has no ULN of its own: it was normal, or it was not.
        ("5.0", _BILI, _mg("8.93", "4.69"), _mg("3.57"), "2", "1.9 x ULN, 2.5 x baseline"),
        ("5.0", _ALT, _alt("130", "40"), _alt("40"), "2", "3.25 x ULN, 3.25 x baseline"),
        ("5.0", _ALT, _alt("130", "40"), _alt("100"), "0-2", "3.25 x ULN, 1.3 x baseline"),
        ("5.0", _ALT, _alt("35", "40"), _alt("30"), "0", "normal, and 1.2 x baseline"),
        ("5.0", _ALT, _alt("35", "40"), _alt("20"), "0-1", "normal, but 1.75 x baseline"),
        ("6.0", _ALT, _alt("850", "40"), _alt("200"), "4", "21 x ULN, 4.25 x baseline"),
        ("5.0", _ALT, _alt("130"), _alt("100"), "0-4", "nor does the result have one"),
        # The baseline is reported as a range that its ULN divides.
        ("5.0", _ALT, _alt("130", "40"), _alt("<50", "40"), "1-2", "1.5 x at least, 3 x ULN"),
        ("5.0", _ALT, _alt("130", "40"), _alt(">30", "40"), "0-2", "normal: 2; above: 0 to 2"),
        ("5.0", _ALT, _alt("90", "40"), _alt("<50", "40"), "1", "above: between 40 and 50"),
        ("5.0", _ALT, _alt("85", "40"), _alt("<60", "40", indicator="H"), "0-1", "40 to 60"),
        # No baseline: 4.03 names one ULN for hemoglobin, the other limits may be any.
        ("4.03", _HB, _hb("75", lln="130", uln="170"), None, "0", "below the ULN"),
        ("4.03", _HB, _hb("185", lln="130", uln="170"), None, "0-1", "at most above the ULN"),
        ("4.03", _HB, _hb("185"), None, "0-3", "the ULN is not known either"),
        ("4.03", _HB, _hb("185", indicator="N"), None, "0", "the laboratory says normal"),
        ("5.0", _ALT, _alt("35", "40"), None, "0-4", "a baseline of 1 to 1,000"),
    ],
)
def test_cases(
    edition: str, term: str, result: Sent, baseline: Sent | None, grade: str, why: str
) -> None:
    analyte = {_ALT: "ALT", _HB: "hemoglobin", _BILI: "bilirubin"}[term]
    row, grader = Row(analyte, result, baseline), _GRADERS.for_rules(Rules(edition))
    for found in (*one_by_one([row], grader), *by_column([row], grader)):
        if found.term.name == term and not found.own:
            least, most = found.at_least, found.at_most
            assert (str(least) if least == most else f"{least}-{most}") == grade, why


@pytest.mark.parametrize(
    ("result", "baseline", "because"),
    [
        (
            _mg("8.93", "4.69"), _mg("3.57"),
            "8.93 mg/dL is about 1.904 x ULN (4.69 mg/dL) and about 2.501 x baseline (3.57 mg/dL):"
            " above 1.5 x ULN, not above 3 x ULN if the baseline was normal;"
            " above 1.5 x baseline, not above 3 x baseline if the baseline was above its ULN;"
            " grade 2 whether the baseline was normal or above its ULN",
        ),
        (
            _mg("8.93", "4.69"), _mg("7"),
            "8.93 mg/dL is about 1.904 x ULN (4.69 mg/dL) and about 1.276 x baseline (7 mg/dL):"
            " above 1.5 x ULN, not above 3 x ULN if the baseline was normal;"
            " above 1 x baseline, not above 1.5 x baseline if the baseline was above its ULN;"
            " grade 1 to 2 is possible because the baseline came without its own ULN",
        ),
        (
            _mg("8.93", "4.69"), None,
            "8.93 mg/dL is about 1.904 x ULN (4.69 mg/dL):"
            " above 1.5 x ULN, not above 3 x ULN if the baseline was normal;"
            " no limit is certainly reached if the baseline was above its ULN;"
            " grade 0 to 4 is possible because the baseline it depends on is missing or cannot be"
            " used",
        ),
        (
            _mg("8.93", "4.69"), _mg("<5", "4"),
            "8.93 mg/dL is about 1.904 x ULN (4.69 mg/dL) and reported against baseline 5 mg/dL:"
            " above 1.5 x ULN, not above 3 x ULN if the baseline was normal;"
            " above 1.5 x baseline, not above 3 x baseline if the baseline was above its ULN;"
            " grade 2 whether the baseline was normal or above its ULN",
        ),
    ],
)  # fmt: skip
def test_both_cases_are_told(result: Sent, baseline: Sent | None, because: str) -> None:
    grade = _one("5.0", "bilirubin", result, baseline)
    assert grade.because == because


def _one(edition: str, analyte: str, result: Sent, baseline: Sent | None) -> Grade:
    grader: TermGrader = _GRADERS.for_rules(Rules(edition))
    row = Row(analyte, result, baseline)
    read = [
        None if fields is None else lab_result({**dict.fromkeys(COLUMNS), **fields})
        for fields in (row.fields("result"), row.fields("baseline"))
    ]
    assert read[0] is not None
    return grader.grade(read[0], grader.terms(analyte)[0], read[1])


@pytest.mark.parametrize("edition", oracle.CRITERIA.editions)
def test_both_graders_give_the_hull(edition: str) -> None:
    rows = hull_oracle.partly_known_rows(oracle.CRITERIA.edition(edition), 600, seed=29)
    grader = _GRADERS.for_rules(Rules(edition))
    in_columns = {(f.row, f.term.name, f.own): f for f in by_column(rows, grader)}
    compared = 0
    for found in one_by_one(rows, grader):
        other = in_columns[found.row, found.term.name, found.own]
        assert found == other
        if found.at_least is not None and found.reason != "implausible-limit":
            expected = hull_oracle.hull(edition, found.row, found.term, own=found.own)
            assert (found.at_least, found.at_most) == expected, found
            compared += 1
    assert compared > 1000
