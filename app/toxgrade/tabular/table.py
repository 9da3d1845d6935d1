"""Opened files: their rows as String columns, read in pieces as often as needed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from toxgrade.tabular.damage import as_damage

CHUNK = 250_000
"""Rows per piece: with 250,000 the work per row dominates, and a piece takes some 100 MB."""

Pieces = Callable[[Sequence[str], int], Iterable[pl.DataFrame]]
"""Reads the named columns of all rows, String (or Categorical), in pieces of about a given size."""

ROW, LINE = "\x00row", "\x00line"
"""The number and the line of a row; text files with NUL bytes, as in these names, are refused."""
CELL = "\x00cell"
"""In a wide export, whose rows hold several results: the name of the value's column."""
FILLED = "\x00filled"
"""Where cells were filled down on the caller's word: ``Y`` on a row of which one was."""

CLEANED = "\x00cleaned"
"""The values that a declared cleaning changed, as they were."""


@dataclass(frozen=True, slots=True)
class Table:
    """One file.

    ``columns`` are the file's, in its order; ``pieces`` reads them, null where empty. ``sha256`` is
    of the file as given. ``told`` says how it was read, for the report. ``first_line`` is the line
    of the first row; with ``has_breaks``, fields may run over several lines. ``explain``, called
    after a failure, returns a message with the line from which the file cannot be read.
    ``undeclared`` are its ``undeclared_instants``. ``numbers`` are those of its rows, Int64 from 0,
    where blank ones among them were left out; None: none were.
    """

    name: str
    kind: str
    sha256: str
    pieces: Pieces
    columns: tuple[str, ...]
    told: str
    first_line: int = 2
    has_breaks: bool = False
    explain: Callable[[], str] | None = None
    undeclared: tuple[str, ...] = ()
    numbers: pl.Series | None = None

    def chunks(self, columns: Sequence[str], size: int = CHUNK) -> Iterator[pl.DataFrame]:
        """Yield the rows in order, in pieces: ``columns``, ``ROW`` (from 0) and ``LINE``, Int64.

        A file without rows yields one piece without rows.

        Raises:
            FileError: names the line from which the file cannot be read.
        """
        row, line, is_empty = 0, self.first_line, True
        wanted = self.columns if self.has_breaks else columns
        explain = self.explain or (lambda: f"{self.name}: damaged or cut off")
        with as_damage(explain, writes=True):
            for piece in self.pieces(wanted, size):
                rows = self._numbers(row, len(piece)).alias(ROW)
                lines = (rows + (line - row)).alias(LINE)
                if self.has_breaks:
                    breaks = piece.select(_line_breaks().cum_sum()).to_series()
                    lines += breaks.shift(1, fill_value=0)
                    line += int(breaks[-1]) if len(breaks) else 0
                row, line, is_empty = row + len(piece), line + len(piece), False
                # Rechunked here, once: otherwise each later step would do it again.
                yield piece.select(columns).rechunk().with_columns(rows, lines)
        if is_empty:
            places = pl.DataFrame(schema={ROW: pl.Int64, LINE: pl.Int64})
            no_rows = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
            yield no_rows.hstack(places)

    def _numbers(self, first: int, count: int) -> pl.Series:
        if self.numbers is None:
            return pl.int_range(first, first + count, eager=True)
        return self.numbers.slice(first, count)


def scan_pieces(frame: pl.LazyFrame) -> Pieces:
    """Return the reader of a frame that polars can scan."""

    def pieces(columns: Sequence[str], size: int) -> Iterable[pl.DataFrame]:
        return frame.select(columns).collect_batches(chunk_size=size, lazy=True, engine="streaming")

    return pieces


def _line_breaks() -> pl.Expr:
    """Return the number of line breaks in the fields of each row."""
    counts = pl.all().cast(pl.String).str.count_matches("\n", literal=True).fill_null(0)
    return pl.sum_horizontal(counts).cast(pl.Int64)


def apart(columns: Sequence[str], ours: Collection[str]) -> dict[str, str]:
    """Return new names for input columns that have one of our names: ``in_NAME``, or
    ``in_in_NAME`` where the input has that too, as a file does that was graded before.
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
