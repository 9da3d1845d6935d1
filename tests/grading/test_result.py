"""Numbers as they are shown: every digit that was reported, never an exponent."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from toxgrade.grading.digits import to_plain_text


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_is_shown_with_its_digits_and_without_an_exponent(number: Decimal) -> None:
    assert to_plain_text(number) == f"{number:f}"


def test_no_number_is_shown_as_none() -> None:
    assert [to_plain_text(Decimal(text)) for text in ("1.80", "1E+2", "1E-9")] == [
        "1.80", "100", "0.000000001",
    ]  # fmt: skip
    assert to_plain_text(None) is None
