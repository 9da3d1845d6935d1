"""What each of our columns is in a file, and what the builders of layouts share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.mapping import DAY, OURS, ColumnMap
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.table import CLEANED


@dataclass(frozen=True, slots=True)
class Layout:
    """What each of our columns is in a file.

    ``ours``: an expression over the file's columns for each of ``OURS`` that the file has;
    ``named``: the file's column behind it, for messages. ``reads``: all columns that ``ours`` uses,
    at least one.
    """

    name: str
    ours: Mapping[str, pl.Expr]
    named: Mapping[str, str]
    reads: tuple[str, ...]

    @property
    def dates(self) -> tuple[str, ...]:
        """Return the file's columns that hold the dates of results and of treatment."""
        return root_names(self.of(name) for name in ("collected", "rt_start", "rt_end"))

    def rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the columns ``OURS`` of a frame with the file's columns; null where none.

        Patients are trimmed, unless they are Categorical. With a declared cleaning there is
        ``CLEANED``, too.
        """
        names = (*OURS, *(name for name in self.ours if name == CLEANED))
        # Constants alone, selected, would be one row.
        rows = frame.with_columns(self.of(name).alias(name) for name in names).select(names)
        if rows.schema["patient"] == pl.String:
            rows = rows.with_columns(trimmed(pl.col("patient")).alias("patient"))
        return rows

    def of(self, name: str) -> pl.Expr:
        """Return one of our columns as an expression over the file's columns."""
        return self.ours.get(name, pl.lit(None, dtype=pl.String))


def root_names(expressions: Iterable[pl.Expr]) -> tuple[str, ...]:
    """Return the columns behind expressions, each once."""
    names = [name for expression in expressions for name in expression.meta.root_names()]
    return tuple(dict.fromkeys(names))


def check_mapped(
    used: Iterable[str], header: Sequence[str], file: str, options: ReadOptions
) -> None:
    """Raise ``FileError`` if a mapping or a declaration names columns that are not there."""
    if absent := sorted(set(used) - set(header)):
        by = "--treatment-columns" if {*absent} <= {*(options.treatment or ())} else "the mapping"
        raise FileError(f"{file}: {by} names columns that are not there: {', '.join(absent)}")
    columns = options.columns
    declared = {*columns.columns, *columns.constants}
    if DAY in declared and "rt_start" not in {*declared, *header}:
        text = "a study day needs rt_start beside it, a column of the labs or a constant"
        raise FileError(f"{file}: {DAY}: {text}")


def adds_dates_only(columns: ColumnMap) -> bool:
    """Return whether a mapping says no more than where the treatment dates are."""
    return {*columns.columns, *columns.constants} <= {"rt_start", "rt_end"}
