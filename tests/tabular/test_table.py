"""A file of one line a row is the same rows however its blocks are cut."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.table import LINE, ROW

_FIELDS = st.sampled_from(["", "1", " ", "x y", '"q"', '"a,b"', '""', '"a""b"', "é", "<0.2"])
_LINES = st.lists(st.lists(_FIELDS, max_size=3), min_size=1, max_size=6)


def _expected(lines: Sequence[Sequence[str]]) -> list[tuple[object, ...]]:
    """A field that is not there, or empty without quotes, is absent."""

    def text(field: str) -> str | None:
        if not field.startswith('"'):
            return field or None
        return field[1:-1].replace('""', '"')

    rows: list[tuple[object, ...]] = []
    for number, line in enumerate(lines):
        fields = [*map(text, line), *[None] * (3 - len(line))]
        rows.append((*fields, number, number + 2))
    return rows


@settings(max_examples=80, deadline=None)
@given(
    lines=_LINES, size=st.sampled_from([1, 2, 1000]), end=st.sampled_from(["\n", "\r\n"]),
    closed=st.booleans(),
)  # fmt: skip
def test_blocks_lose_and_shift_nothing(
    lines: list[list[str]], size: int, end: str, *, closed: bool
) -> None:
    joined = end.join(["a,b,c", *(",".join(line) for line in lines)])
    closed = closed or not "".join(lines[-1])  # nothing tells an empty last line from none
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "labs.csv"
        path.write_bytes((joined + end * closed).encode())
        table = open_table(path, DEFAULT_OPTIONS, Path(name))
        rows = [
            row for piece in table.chunks(table.columns, size)
            for row in piece.select("a", "b", "c", ROW, LINE).iter_rows()
        ]  # fmt: skip
    assert rows == _expected(lines)
