"""Printed reference ranges: which texts are parsed, to what, and which are refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toxgrade.errors import ParseError
from toxgrade.grading.reference_ranges import PrintedRange, read_range

# Each case: printed text, LLN, ULN, unit.
_READ = [
    ("7-56", "7", "56", None),
    ("0.0 to 1.2", "0.0", "1.2", None),
    ("0.0-1.2", "0.0", "1.2", None),
    ("7.5 - 10.0", "7.5", "10.0", None),
    ("70_105", "70", "105", None),  # HL7's own example
    ("4.0–10.0", "4.0", "10.0", None),
    ("0 TO 40", "0", "40", None),
    (".5-1.", ".5", "1.", None),
    ("  7-56  ", "7", "56", None),
    ("\t7\u00a0-\u00a056\n", "7", "56", None),
    ("[7-56]", "7", "56", None),
    ("( 7 - 56 )", "7", "56", None),
    ("<1.2", None, "1.2", None),
    ("< 1.2", None, "1.2", None),
    ("<=1.2", None, "1.2", None),
    ("≤1.2", None, "1.2", None),
    (">59", "59", None, None),
    (">= 59", "59", None, None),
    ("≥59", "59", None, None),
    ("<10 ug/dL", None, "10", "ug/dL"),
    ("7-56 U/L", "7", "56", "U/L"),
    ("7-56U/L", "7", "56", "U/L"),
    ("4.0-10.0 10*9/L", "4.0", "10.0", "10*9/L"),
    ("4-10 x10E3/uL", "4", "10", "x10E3/uL"),
    ("3-17 µmol/L", "3", "17", "µmol/L"),
    ("150-400 /nL", "150", "400", "/nL"),
    ("36-46 %", "36", "46", "%"),
    ("< OR = 40", None, "40", None),
    ("<or=40 U/L", None, "40", "U/L"),
    ("> OR = 60", "60", None, None),
    ("Up to 40", None, "40", None),
    ("UP TO 40 U/L", None, "40", "U/L"),
    ("-40", None, "40", None),
    ("- 40 U/L", None, "40", "U/L"),
    ("150-", "150", None, None),
    ("150 -", "150", None, None),
    ("(150–)", "150", None, None),
    ("7- g/dL", "7", None, "g/dL"),
    ("0-0", "0", "0", None),  # read as printed; grading counts it as absent
    ("56-7", "56", "7", None),  # likewise
    ("Not Estab.", None, None, None),
    ("Negative", None, None, None),
    ("-", None, None, None),
    ('""', None, None, None),  # HL7 v2's explicit nothing
    ("", None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("printed", "lln", "uln", "unit"), _READ)
def test_a_range_is_read_exactly(
    printed: str, lln: str | None, uln: str | None, unit: str | None
) -> None:
    low, high = (None if text is None else Decimal(text) for text in (lln, uln))
    assert read_range(printed) == PrintedRange(low, high, unit)


@pytest.mark.parametrize(
    "printed",
    [
        "0-2-7.2",
        "40",
        "3,5-5,0",
        "150,000-400,000",
        "M: 13-17 F: 12-15",
        "13-17 (male)  12-15 (female)",
        "<9 mcg/dL:  Acceptable",
        "1.2.3-4",
        "7--56",
        "-2-2",
        "7-56 8-60",
        "<1.2-3",
        "<>5",
        "1e3-2e3",
        "--40",
        "7--",
        "150-40-",
        "up to 40-50",
        "< or 40",
        "<=40 U/L (adult)",
        "150 - 400/L",
        "٧-٥٦",
        "1" * 31 + "-2",
    ],
)
def test_what_may_mean_anything_else_is_refused(printed: str) -> None:
    with pytest.raises(ParseError, match="expected a range such as 7-56") as error:
        read_range(printed)
    assert error.value.code == "unreadable-limit"
    assert len(printed) < 3 or printed not in str(error.value)


@given(st.text(alphabet="0123456789.-–_ <>=≤to()[]uLg/%", max_size=14) | st.text(max_size=14))
def test_any_text_is_read_or_refused_and_never_invented(printed: str) -> None:
    try:
        found = read_range(printed)
    except ParseError:
        return
    for limit in (found.lln, found.uln):
        assert limit is None or str(limit) in printed or f"{limit:f}".strip("0") in printed
