"""A file opened: its rows as String columns, read as often as needed, in pieces."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from toxgrade.errors import FileError

CHUNK = 250_000
"""Rows per piece: at 250,000 the work per row dominates and a piece takes some 100 MB."""

Pieces = Callable[[Sequence[str], int], Iterable[pl.DataFrame]]
"""Reads a file's rows in order, in pieces of about so many: the columns named, String (or
Categorical)."""

ROW, LINE = "\x00row", "\x00line"
"""Where a row stands; no column of a file has such a name, as NUL bytes are refused."""
CELL = "\x00cell"
"""Of a wide export, whose rows hold several results: the column that the value stands in."""


@dataclass(frozen=True, slots=True)
class Table:
    """One file.

    ``columns`` are the file's, in its order; ``pieces`` reads them, null where empty. ``sha256`` is
    of the file as given. ``told`` says how it was read, for the report. ``first_line`` is the line
    of the first row; with ``has_breaks`` fields may run over several lines. ``why`` finds the place
    from which the file cannot be read, once it could not.
    """

    name: str
    kind: str
    sha256: str
    pieces: Pieces
    columns: tuple[str, ...]
    told: str
    first_line: int = 2
    has_breaks: bool = False
    why: Callable[[], str] | None = None

    def chunks(self, columns: Sequence[str], size: int = CHUNK) -> Iterator[pl.DataFrame]:
        """The rows in order, in pieces: ``columns``, and ``ROW`` (from 0) and ``LINE``, Int64.

        A file without rows gives one piece without rows.

        Raises:
            FileError: naming the line from which the file cannot be read.
        """
        row, line, is_empty = 0, self.first_line, True
        wanted = self.columns if self.has_breaks else columns
        with self._readable():
            for piece in self.pieces(wanted, size):
                rows = pl.int_range(row, row + len(piece), eager=True).alias(ROW)
                lines = (rows + (line - row)).alias(LINE)
                if self.has_breaks:
                    inside = piece.select(_breaks().cum_sum()).to_series()
                    lines += inside.shift(1, fill_value=0)
                    line += int(inside[-1]) if len(inside) else 0
                row, line, is_empty = row + len(piece), line + len(piece), False
                # In one chunk, once: each step after this would do it again for itself.
                yield piece.select(columns).rechunk().with_columns(rows, lines)
        if is_empty:
            places = pl.DataFrame(schema={ROW: pl.Int64, LINE: pl.Int64})
            nothing = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
            yield nothing.hstack(places)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Say where the file cannot be read; the library's own message would repeat the line."""
        try:
            yield
        except pl.exceptions.PolarsError:
            where = self.why() if self.why else f"{self.name}: damaged or cut off"
            raise FileError(where) from None


def scanned(frame: pl.LazyFrame) -> Pieces:
    """Pieces of what polars can scan."""

    def pieces(columns: Sequence[str], size: int) -> Iterable[pl.DataFrame]:
        return frame.select(columns).collect_batches(chunk_size=size, lazy=True, engine="streaming")

    return pieces


def _breaks() -> pl.Expr:
    """How many line breaks the fields of each row hold."""
    counts = pl.all().cast(pl.String).str.count_matches("\n", literal=True).fill_null(0)
    return pl.sum_horizontal(counts).cast(pl.Int64)


def apart(columns: Sequence[str], ours: Collection[str]) -> dict[str, str]:
    """What those of an input's columns that have one of our names are called beside ours:
    ``in_NAME``, and where the input has that too, as what was graded twice does, ``in_in_NAME``.
    """
    taken, renamed = {*columns, *ours}, {}
    for name in columns:
        if name in ours:
            other = f"in_{name}"
            while other in taken:
                other = f"in_{other}"
            taken.add(other)
            renamed[name] = other
    return renamed
