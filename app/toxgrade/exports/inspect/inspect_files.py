"""A look at an export before it is graded: what it seems to be, a mapping, and a preview by it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from toxgrade.criteria.model import Criteria
from toxgrade.errors import FileError
from toxgrade.exports.inspect.column_look import ColumnLook, look_at
from toxgrade.exports.inspect.file_guesses import FileGuesses
from toxgrade.exports.inspect.found_texts import found_texts
from toxgrade.exports.inspect.inspection import FoundColumn, FoundFile, Inspection
from toxgrade.exports.inspect.inspection_preview import graded_sample
from toxgrade.exports.inspect.known_names import KnownNames
from toxgrade.exports.inspect.proposal import Guess
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.layout import Layout
from toxgrade.tabular.layouts import recognise
from toxgrade.tabular.open_file import find_files, open_table
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.sample import Sampled, sample
from toxgrade.tabular.spill import temporary_folder
from toxgrade.tabular.table import LINE, ROW, Table

MOST_ROWS = 100_000
"""So many rows of a file are looked at, and of a larger one no more are graded."""
_PREVIEW = 20


def inspect_files(
    labs: Sequence[str],
    criteria: Criteria,
    every: Callable[[], Criteria],
    *,
    preview: int = _PREVIEW,
) -> Inspection:
    """Return what files, which are one export, seem to be; nothing is written or stored.

    ``every`` returns the criteria of all editions. Large files are sampled; what is proposed from a
    sample is checked against every row when the files are graded.

    Raises:
        FileError: a file cannot be opened as what it seems to be.
    """
    names = KnownNames(criteria, every)
    with temporary_folder() as folder:
        paths = find_files(labs, folder)
        samples = [sample(path, folder) for path in paths]
        opened = [_open(one, samples[0].options, folder) for one in samples]
        table = opened[0][0]
        each = max(MOST_ROWS // len(opened), 1)
        # What one file shows holds for all: of 1/2/2011 only the second may tell what the day is.
        frame = pl.concat([found[:each] for _, found, _ in opened], how="diagonal_relaxed")
        looks = [look_at(name, frame[name]) for name in table.columns]
        guesses = FileGuesses(looks, samples[0], names, _layout(table, samples[0].options))
        _guess_fill_down(guesses, opened[0][1])
        texts = found_texts(guesses, looks, frame, names)
        listed = ", ".join(path.name for path in paths)
        parts = [_graded_part(*one, folder) for one in zip(samples, opened, strict=True)]
        graded = graded_sample(parts, guesses, listed, criteria, folder, preview)
        files = [
            _found_file(path, one, *found, looks if found[0] is table else (), guesses)
            for path, one, found in zip(paths, samples, opened, strict=True)
        ]
    return Inspection(
        files=files, questions=guesses.proposal.questions,
        mapping=guesses.proposal.toml(listed), **texts, **graded,
    )  # fmt: skip


def _open(one: Sampled, options: ReadOptions, folder: Path) -> tuple[Table, pl.DataFrame, int]:
    """Return a file's table, the rows of it that are looked at, and how many it has."""
    table = open_table(one.path, options, folder, one.path.name)
    pieces = iter(table.chunks(table.columns, MOST_ROWS))
    frame = next(pieces)
    if one.rows is not None:
        return table, frame[:MOST_ROWS], one.rows
    if one.shape.kind == "parquet":
        rows = int(pl.scan_parquet(one.path, glob=False).select(pl.len()).collect().item())
        return table, frame[:MOST_ROWS], rows
    return table, frame[:MOST_ROWS], len(frame) + sum(len(piece) for piece in pieces)


def _layout(table: Table, options: ReadOptions) -> Layout | None:
    """Return the layout that is recognised without a mapping; None: none is."""
    try:
        return recognise(table.columns, table.name, options)
    except FileError:
        return None


def _guess_fill_down(guesses: FileGuesses, frame: pl.DataFrame) -> None:
    """Propose that patients are filled down, if the first has rows without one directly below."""
    column = guesses.columns.get("patient")
    if column is None:
        return
    patients = frame.select(trimmed(pl.col(column))).to_series()
    given = frame.drop(ROW, LINE, column)
    blank = given.select(
        pl.all_horizontal(*(trimmed(pl.col(name)).is_null() for name in given.columns))
    ).to_series()
    empty = patients.is_null() & ~blank
    first = patients.is_not_null().arg_max()
    if not len(patients) or not empty.any() or first is None or patients[0] is None:
        return
    runs = patients[: int(empty.arg_true()[0]) + 1]
    if blank[: len(runs)].any():
        return
    if patients.drop_nulls().is_duplicated().any():
        text = f"{empty.sum():,} rows have no patient, where others repeat it on every row"
        guesses.proposal.questions.append(f"{text}: they are not filled down")
        return
    evidence = f"{empty.sum():,} rows without a patient follow rows with one"
    guesses.proposal.read.append(Guess("fill_down", ["patient"], evidence))
    collected = guesses.columns.get("collected")
    if collected is not None:
        undated = int((frame[collected].is_null() & ~blank).sum())
        if undated:
            text = f"{undated:,} rows have no date: is it that of the row above?"
            both = '[read] fill_down = ["patient", "collected"]'
            guesses.proposal.questions.append(f"{text} {both}")


def _graded_part(
    one: Sampled, opened: tuple[Table, pl.DataFrame, int], folder: Path
) -> tuple[Path, bool]:
    """Return the file to grade for the preview, and whether it is packed otherwise."""
    _, frame, rows = opened
    if one.is_part or rows <= MOST_ROWS or one.shape.kind in ("csv", "tsv"):
        return one.path, False
    part = folder / f"sample-{one.path.stem}.parquet"
    frame.drop(ROW, LINE).write_parquet(part)
    return part, True


def _found_file(
    path: Path, one: Sampled, table: Table, frame: pl.DataFrame, rows: int,
    looks: Sequence[ColumnLook], guesses: FileGuesses,
) -> FoundFile:  # fmt: skip
    named = {column: ours for ours, column in guesses.columns.items()}
    columns = []
    for look in looks:
        seen = guesses.seems.get(look.name)
        ours = named.get(look.name) or (seen.ours if seen else None)
        evidence = seen.evidence if seen else ""
        columns.append(FoundColumn(look.name, look.filled, look.different, ours, evidence))
    return FoundFile(
        path.name, table.told, guesses.layout, one.options.header_row, rows, len(frame),
        list(one.parts), columns,
    )  # fmt: skip
