"""``toxgrade inspect``: a look at an export before it is graded, and a mapping to grade it by."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toxgrade.cli.options import Parser, cleanup_on_signal, whole_number

if TYPE_CHECKING:
    from toxgrade.exports.inspect.inspection import FoundText, Inspection

_MOST_SHOWN = 12
_MOST_ROWS = 1000
_WIDEST = 24  # Characters of a column of the preview.


def arguments(parser: Parser) -> None:
    parser.runs(inspect).usage = "%(prog)s labs [labs ...] [options]"
    add = parser.add_argument
    add("labs", nargs="+", help="files of one lab export: paths, patterns")
    add("--mapping", type=Path, help="write the proposed mapping to a file, as site.toml")
    add("--preview", type=whole_number(0, _MOST_ROWS), default=20, help="graded rows shown (20)")
    add("--edition", default="4.03", help="the edition of CTCAE (%(default)s)")
    add("--json", action="store_true", help="all of it as one JSON object on standard output")


@cleanup_on_signal()
def inspect(labs: list[str], mapping: Path | None, preview: int, edition: str, json: bool) -> int:
    """Look at lab exports: what they are, what is in them, and a mapping that would grade them."""
    import msgspec

    from toxgrade.criteria.reader import load
    from toxgrade.errors import RequestError
    from toxgrade.exports.inspect.inspect_files import inspect_files
    from toxgrade.tabular.output_files import check_apart
    from toxgrade.tabular.whole_file import whole

    if mapping is not None:
        if mapping.suffix != ".toml":
            raise RequestError("--mapping: expected a file named .toml, as --map takes it")
        if mapping.exists():
            raise RequestError("--mapping: there is such a file; name another, or remove it")
        check_apart([mapping], map(Path, labs))
    found = inspect_files(labs, load(only=edition), load, preview=preview)
    if mapping is not None:
        with whole(mapping) as unfinished:
            unfinished.write_text(found.mapping, "utf-8")
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        print("\n".join(_lines(found, mapping)))
    return 0


def _lines(found: "Inspection", mapping: Path | None) -> Iterator[str]:
    for file in found.files:
        layout = f"; {file.layout}" * bool(file.layout)
        part = f", {file.sampled:,} of them looked at" * (file.sampled < file.rows)
        yield f"{file.name}: {file.read_as}{layout}; {file.rows:,} rows{part}"
        if file.parts:
            yield f"  has {', '.join(file.parts)}"
        for column in file.columns:
            cells = f"{column.filled:,} filled, {column.different:,} different"
            what = column.seems or "-"
            yield f"  {column.name!r}: {what}; {cells}" + f" ({column.evidence})" * bool(
                column.evidence
            )
    for title, texts in (
        ("tests", found.tests), ("units", found.units), ("specimens", found.specimens),
        ("ranges", found.ranges), ("flags", found.flags), ("dates", found.dates),
        ("signs", found.comparators),
    ):  # fmt: skip
        yield from _texts(title, texts)
    yield ""
    yield found.mapping.rstrip() if mapping is None else f"the mapping is in {mapping}"
    yield from _graded(found)


def _texts(title: str, texts: Sequence["FoundText"]) -> Iterator[str]:
    if not texts:
        return
    yield f"{title}:"
    # What is not understood first: it may need a hand.
    ordered = sorted(texts, key=lambda one: (one.means is not None, -one.cells))
    for one in ordered[:_MOST_SHOWN]:
        means = f" = {one.means}" if one.means not in (None, one.text) else ""
        yield f"  {one.text}{means}  {one.cells:,}" + f" ({one.note})" * bool(one.note)
    if len(texts) > _MOST_SHOWN:
        yield f"  … {len(texts) - _MOST_SHOWN:,} more; --json has all"


def _graded(found: "Inspection") -> Iterator[str]:
    yield ""
    if found.refused is not None:
        yield f"it cannot be graded yet: {found.refused}"
        yield from (f"to decide: {question}" for question in found.questions)
        return
    yield from _table(found.preview)
    yield (
        f"{found.decided:,} of {found.gradings:,} gradings of {found.graded_rows:,} rows decided"
    )
    for one in found.undecided:
        yield f"  undecided, {one.reason}: {one.gradings:,}; would mend it: {one.mend}"
    for look, n in found.cleaned.items():
        yield f"  cleaned: {look}: {n:,}"
    yield from (f"to decide: {question}" for question in found.questions)


def _table(rows: Sequence[dict[str, str | None]]) -> Iterator[str]:
    if not rows:
        return
    cells = [list(rows[0]), *([text or "" for text in row.values()] for row in rows)]
    cells = [[text[:_WIDEST] for text in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
