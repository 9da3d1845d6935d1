"""Another grader's data set: its grades by direction, and the columns that may say why they differ.

It is an ADLB (ATOXGRH and ATOXGRL, or ATOXGR with a minus for low values), or what
``toxgrade grade`` wrote under its own names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from toxgrade.criteria.model import Direction
from toxgrade.errors import FileError
from toxgrade.tabular.formulas import as_written
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS

_COLUMNS = {
    "value": ("AVAL", "AVALC", "value"), "unit": ("AVALU", "unit"),
    "lln": ("ANRLO", "A1LO", "lln"), "uln": ("ANRHI", "A1HI", "uln"), "baseline": ("BASE",),
    "edition": ("ATOXVER", "edition"),
}  # fmt: skip
"""The columns of each of their inputs; the first that the file has counts."""
_PARAMETER = "PARAM"
_UNIT_OF_PARAMETER = r"\(([^()]+)\)\s*$"
"""ADaM's parameters end with their unit in parentheses where there is no AVALU."""
_GRADES: Mapping[Direction, str] = {"high": "ATOXGRH", "low": "ATOXGRL"}
_TERMS: Mapping[Direction, str] = {"high": "ATOXDSCH", "low": "ATOXDSCL"}
_SIGNED, _OWN = "ATOXGR", "grade"
_TERM = ("ATOXDSC", "term")
_GRADE = r" *([+-]?[0-5])(?:\.0*)? *"


@dataclass(frozen=True, slots=True)
class TheirGrades:
    """Their grades. ``columns``: which of value, unit, lln, uln, baseline, edition the file has.

    ``rows``: one for each grade: the keys, ``side`` (high or low), ``their_grade`` Int8,
    ``their_term`` and the ``their_…`` inputs (String, null where absent), ``theirs`` (true).
    """

    rows: pl.DataFrame
    columns: frozenset[str]


def read_their_grades(
    path: Path,
    keys: Mapping[str, str],
    nulls: Sequence[str],
    directions: Mapping[str, Direction],
    folder: Path,
) -> TheirGrades:
    """Read their grades. ``keys``: the name of each key, and their column; it is trimmed.

    ``nulls``: texts that mean nothing. ``directions``: of terms, by name in small letters: they
    tell the direction where one column holds both.

    Raises:
        FileError: a column is lacking, or holds a text that is no grade.
    """
    table = open_table(path, DEFAULT_OPTIONS, folder)
    header = table.columns
    grades = _grade_columns(header, path.name)
    require(header, list(keys.values()), path.name)
    found = {
        name: next((column for column in columns if column in header), None)
        for name, columns in _COLUMNS.items()
    }
    inputs = {name: column for name, column in found.items() if column}
    others = [name for name in (*_TERMS.values(), *_TERM, _PARAMETER) if name in header]
    read = dict.fromkeys([*keys.values(), *grades.values(), *inputs.values(), *others])
    rows = as_written(pl.concat(table.chunks(list(read))), table.kind)
    rows = rows.with_columns(pl.col(*grades.values(), *inputs.values()).replace(list(nulls), None))
    for column in dict.fromkeys(grades.values()):
        require_grades(rows[column], _GRADE, path.name, column)
    columns = {f"their_{name}": _text(found[name]) for name in _COLUMNS}
    if _PARAMETER in header:
        of_parameter = _text(_PARAMETER).str.extract(_UNIT_OF_PARAMETER)
        columns["their_unit"] = pl.coalesce(columns["their_unit"], of_parameter)
    columns |= {name: key(column) for name, column in keys.items()}
    sides = [
        rows.select(**columns, their_term=term, their_grade=grade, side=pl.lit(side), theirs=True)
        for side, term, grade in _sides(grades, others, directions)
    ]
    return TheirGrades(pl.concat(sides).drop_nulls("their_grade"), frozenset(inputs))


def _grade_columns(header: Sequence[str], file: str) -> dict[Direction, str]:
    """Return the column of the grades of each direction; one column may hold both."""
    found = {side: name for side, name in _GRADES.items() if name in header}
    if found:
        return found
    for one, needed in ((_SIGNED, ()), (_OWN, ("term",))):
        if one in header and all(name in header for name in needed):
            return dict.fromkeys(_GRADES, one)
    raise FileError(f"{file}: the header lacks ATOXGRH and ATOXGRL, or ATOXGR")


def _sides(
    grades: Mapping[Direction, str], others: Sequence[str], directions: Mapping[str, Direction]
) -> Iterator[tuple[Direction, pl.Expr, pl.Expr]]:
    """Yield each direction with expressions of its term and its grade, null where it has none.

    Where one column holds both, low is what has a minus, or names a term of low values; a 0 without
    a term counts for both.
    """
    general = next((name for name in _TERM if name in others), None)
    for side, column in grades.items():
        own = _TERMS[side] if _TERMS[side] in others else general
        grade = pl.col(column).str.extract(f"^{_GRADE}$").cast(pl.Int8)
        if column not in _GRADES.values():
            of_term = folded(_text(general)).replace_strict(directions, default=None)
            low = (grade < 0) | (of_term == "low").fill_null(False)
            both = (grade == 0) & of_term.is_null()
            grade = pl.when(both | (low if side == "low" else ~low)).then(grade)
        yield side, _text(own), grade.abs()


def _text(column: str | None) -> pl.Expr:
    """Return a column without blanks around its texts, null where they are empty."""
    return pl.lit(None, pl.String) if column is None else trimmed(pl.col(column))


def key(column: str) -> pl.Expr:
    """Return a column that names results: trimmed, whole numbers without decimals.

    SAS, R and Parquet often hold sequence numbers as floating point, which prints 1 as 1.0.
    """
    return trimmed(pl.col(column)).str.replace(r"^([0-9]+)\.0+$", "$1")


def folded(text: pl.Expr) -> pl.Expr:
    """Return names in one form: small letters, single blanks."""
    return text.str.to_lowercase().str.replace_all(r"\s+", " ")


def require(header: Sequence[str], wanted: Sequence[str], file: str) -> None:
    """Refuse a file that lacks a column."""
    if missing := [name for name in wanted if name not in header]:
        raise FileError(f"{file}: the header lacks {', '.join(missing)}")


def require_grades(texts: pl.Series, pattern: str, file: str, column: str) -> None:
    """Refuse texts that are no grades: they would count as missing, and ours as the only grades."""
    filled = texts.filter(texts.str.strip_chars() != "")
    if invalid := len(filled) - int(filled.str.contains(f"^(?:{pattern})$").sum()):
        text = f"{invalid:,} texts that are no grade from 0 to 5; --null TEXT where one means none"
        raise FileError(f"{file}: {column} holds {text}")
