"""Cells of CSV and TSV that no spreadsheet runs as formulas.

A spreadsheet takes a text for a formula if it begins with =, +, - or @, or with their full-width
forms. Blanks and quotation marks before them do not always help, nor does a place within a text:
after a semicolon, tab or line break a cell begins for a program that divides lines otherwise. An
apostrophe is put there. Numbers, and texts of nothing but signs (``-``, ``+++``, ``+/-``), are left
as they are: they can call nothing. The characters are those of OWASP's page on CSV injection.
"""

import re
from collections.abc import Callable, Iterable

_BLANKS = (
    ' "\u00a0\u0085\u1680\u2028\u2029\u202f\u205f\u3000\u200b\ufeff'
    + "".join(map(chr, range(0x2000, 0x200B)))
    + "".join(map(chr, range(0x20)))
)
_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = r"[+\-\uff0b\uff0d] ?(?:[0-9][0-9., ]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?%?"
_HARMLESS = re.compile(rf"{_NUMBER}|[+\-\uff0b\uff0d/ ]+")
_APART = re.compile(r"([;\t\r\n])")

CANDIDATE = rf'(?:^|[;\t\r\n])\'*[\s\x00-\x1f"\u200b\ufeff]*{_FORMULA.pattern}' r"|^'*[\t\r\n]"
"""A pattern, for polars, of all texts that ``to_cell`` changes, and of few others."""

NUMBER = rf"^{_NUMBER}$"
"""A pattern, for polars, of most of those others."""


def to_cell(text: str) -> str:
    """Return a text as a cell may hold it: behind an apostrophe if it would be a formula.

    A text that has apostrophes before it already gets one more, so that no two become one.
    """
    return _with(lambda part: f"'{part}", text)


def from_cell(text: str) -> str:
    """Return the text of which ``to_cell`` made this cell."""
    return _with(lambda part: part.removeprefix("'"), text)


def to_row(values: Iterable[object]) -> list[object]:
    """Return a row for the ``csv`` module; what is no text is not changed."""
    return [to_cell(value) if isinstance(value, str) else value for value in values]


def _with(change: Callable[[str], str], text: str) -> str:
    """Return the text with a change of each part that a spreadsheet would take for a formula."""
    parts = _APART.split(text)
    parts[::2] = [change(part) if _is_formula(part) else part for part in parts[::2]]
    if len(parts) > 1 and not parts[0].strip("'") and parts[1] != ";":
        parts[0] = change(parts[0])
    return "".join(parts)


def _is_formula(part: str) -> bool:
    bare = part.lstrip("'").strip(_BLANKS)
    return bool(_FORMULA.match(bare)) and not _HARMLESS.fullmatch(bare)
