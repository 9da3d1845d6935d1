"""Grading files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from app.grading.phase import Window


def grade(
    labs: Annotated[
        list[str], typer.Argument(help="Lab exports: files, patterns, - for standard input.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help=".csv, .tsv, .ndjson, .parquet; - for stdout.")
    ],
    patients: Annotated[
        Path | None, typer.Option(help="Treatment dates: patient, rt_start, rt_end; or SDTM DM.")
    ] = None,
    rejects: Annotated[Path | None, typer.Option(help="Rows that could not be read.")] = None,
    worst: Annotated[Path | None, typer.Option(help="Worst grades per patient and term.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="The toxicity table: .csv, .json or .html.")
    ] = None,
    phase: Annotated[str, typer.Option(help="Of the table: acute, late or both.")] = "acute",
    edition: Annotated[str, typer.Option(help="The edition of CTCAE.")] = "4.03",
    window: Annotated[
        str, typer.Option(help="paper, rtog90, end90, or such as end+3m, start+90d.")
    ] = "paper",
    baseline: Annotated[
        str | None, typer.Option(help="flag: declared baselines (SDTM's flags) count; rule: none.")
    ] = None,
    reading: Annotated[
        list[str] | None,
        typer.Option(help="INTERPRETATION=READING where CTCAE leaves a choice; repeatable."),
    ] = None,
    names: Annotated[str, typer.Option(help="Our columns' names: own, or adam.")] = "own",
    format_: Annotated[
        str | None, typer.Option("--format", help="csv, tsv, parquet, ndjson, xlsx, xpt.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="utf-8, latin-1, cp1252, utf-16.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="One character, or tab.")] = None,
    decimal: Annotated[str, typer.Option(help="The decimal sign: . or ,")] = ".",
    null: Annotated[
        list[str] | None, typer.Option(help="A text that means no value (not in analyte).")
    ] = None,
    dates: Annotated[str | None, typer.Option(help="Such as %d.%m.%Y, beside ISO 8601.")] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook.")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="OURS=THEIRS, or a mapping file (.toml).")
    ] = None,
    values: Annotated[str, typer.Option(help="SDTM's reported or standard results.")] = "reported",
    rt_from: Annotated[
        str | None, typer.Option(help="The columns of the treatment dates: START,END.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Exit with 1 if a row was rejected.")] = False,
) -> None:
    """Grade lab exports; every row comes out, with its grades or the reason why not."""
    # polars' allocator, told before polars is there to keep what it will need again in a moment:
    # 5 % of the CPU time, and no more memory.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:2,dirty_decay_ms:5000")
    from app.batches.batch import Batch
    from app.batches.grade import grade_file
    from app.batches.mapping import read_mapping
    from app.batches.reading import Reading
    from app.cli.editions import changed_rules
    from app.cli.told import print_report, progress
    from app.criteria.reader import load
    from app.grading.one import Graders
    from app.grading.rules import Rules

    graders = Graders(load())
    asked = graders.criteria.edition(edition)
    rules = changed_rules(Rules(window=_window(window)), asked, reading or [])
    files = Reading(
        kind=_one_of("--format", format_, "csv", "tsv", "parquet", "ndjson", "xlsx", "xpt"),
        encoding=_one_of("--encoding", encoding, "utf-8", "latin-1", "cp1252", "utf-16"),
        delimiter=_delimiter(delimiter),
        decimal=_one_of("--decimal", decimal, ".", ","),
        nulls=tuple(null or ()),
        dates=_dates(dates),
        sheet=sheet,
        columns=read_mapping(map_ or ()),
        values=_one_of("--values", values, "reported", "standard"),
        baseline=_one_of("--baseline", baseline, "rule", "flag"),
        treatment=_pair(rt_from),
    )
    batch = Batch(
        tuple(labs), output, rules, patients, rejects, worst, table,
        _one_of("--phase", phase, "acute", "late", "both"), files,
        _one_of("--names", names, "own", "adam"),
    )  # fmt: skip
    with progress() as told:
        report = grade_file(batch, graders, told)
    print_report(report, graders.criteria, rejects)
    if strict and report.rejected:
        raise typer.Exit(1)


def _one_of(option: str, given: str | None, *accepted: str) -> Any:
    from app.errors import RequestError

    if given is not None and given not in accepted:
        raise RequestError(f"{option}: expected {' or '.join(accepted)}")
    return given


def _delimiter(given: str | None) -> str | None:
    from app.errors import RequestError

    read = {"tab": "\t", "\\t": "\t"}.get(given or "", given)
    if read is not None and (len(read) != 1 or not read.isascii() or read in '"\r\n'):
        raise RequestError("--delimiter: expected one character, or tab")
    return read


def _dates(given: str | None) -> str | None:
    from app.errors import RequestError

    whole = given is None or (
        "%Y" in given and "%d" in given and {"%m", "%b", "%B"} & _codes(given)
    )
    if not whole:
        raise RequestError("--dates: expected a format with %Y, %m (or %b) and %d, as %d.%m.%Y")
    return given


def _codes(given: str) -> set[str]:
    return {given[i : i + 2] for i in range(len(given)) if given[i] == "%"}


def _pair(given: str | None) -> tuple[str, str] | None:
    from app.errors import RequestError

    if given is None:
        return None
    start, comma, end = given.partition(",")
    if not (start and comma and end):
        raise RequestError("--rt-from: expected two columns, as RFSTDTC,RFENDTC")
    return start.strip(), end.strip()


def _window(text: str) -> "Window":
    """``end+3m`` or ``start+90d``, or the name of a preset."""
    import re

    from app.errors import RequestError
    from app.grading.phase import PRESETS, Window

    match = re.fullmatch(r"(end|start)\+([0-9]{1,4})([md])", text)
    if text in PRESETS:
        return PRESETS[text]
    try:
        if match is None:
            raise ValueError("not a window")
        length = {"m": "months", "d": "days"}[match[3]]
        return Window(match[1], **{length: int(match[2])})  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(PRESETS)
        raise RequestError(f"--window: expected {known}, or such as end+3m, start+90d") from None
