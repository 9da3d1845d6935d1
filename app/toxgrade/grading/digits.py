"""Numbers as laboratories print them: all their digits, and the noise of doubles left out."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import overload

_DIGITS = 15
_FIFTEEN = Context(prec=_DIGITS, rounding=ROUND_HALF_EVEN)


@overload
def to_plain_text(number: Decimal) -> str: ...
@overload
def to_plain_text(number: Decimal | None) -> str | None: ...
def to_plain_text(number: Decimal | None) -> str | None:
    """Return a number with all its digits and without an exponent; None for None."""
    if number is None:
        return None
    text = str(number)
    return f"{number:f}" if "E" in text else text


@overload
def without_noise(number: Decimal) -> Decimal: ...
@overload
def without_noise(number: Decimal | None) -> Decimal | None: ...
def without_noise(number: Decimal | None) -> Decimal | None:
    """Return a number to 15 significant digits, half to even; None for None.

    A decimal of 15 digits survives a double and its print; laboratories report far fewer, so that
    more digits (0.30000000000000004) are the noise of binary arithmetic. Trailing zeros are none.
    """
    if number is None or len(number.as_tuple().digits) <= _DIGITS:
        return number
    rounded = _FIFTEEN.plus(number)
    return number if rounded == number else rounded
