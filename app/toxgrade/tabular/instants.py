"""Instants: timestamps adjusted to UTC, which are calendar dates only in a declared time zone.

A local timestamp is a calendar date as it stands, and so is a text, whatever its offset. An instant
is none until a zone is declared: by an option, by its column's own type (a zone other than UTC), or
by the session that wrote it. Midnight in Berlin is the day before in UTC.
"""

from collections.abc import Collection, Iterable
from datetime import time

import polars as pl

from toxgrade.errors import FileError

_UTC = frozenset({
    "UTC", "Etc/UTC", "Z", "GMT", "Etc/GMT", "+00:00", "UCT", "Etc/UCT", "Zulu", "Universal",
})  # fmt: skip


def is_instant(dtype: pl.DataType) -> bool:
    """Return whether a column's values are instants in no zone other than UTC."""
    return isinstance(dtype, pl.Datetime) and dtype.time_zone in _UTC


def undeclared_instants(frame: pl.LazyFrame, timezone: str | None) -> tuple[str, ...]:
    """Return the columns of instants that are not calendar dates as they stand.

    A column counts if no ``timezone`` is declared and a value is not midnight in UTC: where all
    are, a writer who had only dates wrote them so.
    """
    found = [n for n, dtype in frame.collect_schema().items() if is_instant(dtype)]
    if timezone is not None or not found:
        return ()
    odd = frame.select((pl.col(found).dt.time() != time()).any()).collect(engine="streaming")
    return tuple(name for name in found if odd[name][0])


def refuse_undeclared(undeclared: Collection[str], dates: Iterable[str], file: str) -> None:
    """Raise ``FileError`` if a column of ``dates`` is one of ``undeclared_instants``."""
    for name in dates:
        if name in undeclared:
            text = (
                f"the column {name} holds instants (timestamps adjusted to UTC), whose calendar"
                " dates depend on a time zone: declare it as timezone, such as Europe/Berlin"
            )
            raise FileError(f"{file}: {text}")
