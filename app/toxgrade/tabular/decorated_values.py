"""Values that carry more than a number, cleaned as declared (``strip = "flags"``).

What is taken off: a flag behind the number (``1.8 H``, ``5.2*``, ``20 (L)``), the value's own unit
repeated in its column, and words that say what a sign says (``GREATER THAN 10``). All else stays as
it is, so that a text which is no number after that is refused as ever.
"""

import polars as pl

from toxgrade.grading.parse import WHITE_SPACE

_NUMBER = r"(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_SIGN = r"(?:<=|>=|≤|≥|<|>)?\s*"
_FLAG = r"(?:HH?|LL?|\*{1,3}|!{1,3}|[↑↓]{1,3})"
_HIGH_OR_LOW = rf"^({_SIGN}(?:[0-9]+[.,][0-9]+|[0-9]{{2,}}))\s+[+-]{{1,3}}$"
"""A plus or minus is a flag only apart from a number of several digits: 2+ is of a dipstick."""
_BEHIND = rf"\s*(?:{_FLAG}|\({_FLAG}\)|\[{_FLAG}\])\s*(?:[*!])?$"
_FLAGGED = rf"^({_SIGN}{_NUMBER}){_BEHIND}"
_BEFORE = rf"^\s*(?:[*!]|[HL]\s)\s*({_SIGN}{_NUMBER})$"
_WORDS = {
    ">": ("greater than", "more than", "above", "over", "größer als", "mehr als", "über"),
    "<": ("less than", "below", "under", "kleiner als", "weniger als", "unter"),
    ">=": ("at least", "mindestens", "greater than or equal to"),
    "<=": ("at most", "höchstens", "less than or equal to"),
}  # fmt: skip


def cleaned(value: pl.Expr, unit: pl.Expr) -> pl.Expr:
    """Return values without flags, their own unit and words for signs."""
    text = _signs(value.cast(pl.String).str.strip_chars(WHITE_SPACE))
    unit = unit.cast(pl.String).str.strip_chars(WHITE_SPACE)
    # One that begins with a digit, as 10^9/L, stands apart: the 1 of a ratio is no end of 21.
    unit = pl.when(unit.str.contains("^[0-9.,]")).then(" " + unit).otherwise(unit)
    bare = [
        _without_flag(each.str.strip_suffix(unit).str.strip_chars_end(WHITE_SPACE))
        for each in (text, text.str.replace(_BEHIND, ""))
    ]
    numbers = [pl.when(each.str.contains(rf"^{_SIGN}{_NUMBER}$")).then(each) for each in bare]
    return pl.coalesce(text.str.extract(rf"^({_SIGN}{_NUMBER})$"), *numbers, _without_flag(text))


def _without_flag(text: pl.Expr) -> pl.Expr:
    flagged = (text.str.extract(pattern) for pattern in (_FLAGGED, _HIGH_OR_LOW, _BEFORE))
    return pl.coalesce(*flagged, text)


def _signs(text: pl.Expr) -> pl.Expr:
    for sign, words in _WORDS.items():
        listed = "|".join(sorted(words, key=len, reverse=True))
        text = text.str.replace(rf"^(?i:{listed})\s+({_SIGN}{_NUMBER})", f"{sign}$1")
    return text
