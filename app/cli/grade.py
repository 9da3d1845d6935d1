"""Grading files."""

import os
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from app.cli.arguments import Parser
from app.cohort.scope import Report as Phase

if TYPE_CHECKING:
    from app.grading.phase import Window


def arguments(parser: Parser) -> None:
    parser.runs(grade).usage = "%(prog)s labs [labs ...] --output OUTPUT [options]"
    say = parser.add_argument
    say("labs", nargs="+", help="lab exports: files, patterns, - for standard input")
    say(
        "--output", "-o", type=Path, required=True,
        help=".csv, .tsv, .ndjson, .parquet; - for standard output",
    )  # fmt: skip
    say("--patients", type=Path, help="treatment dates: patient, rt_start, rt_end; or SDTM DM")
    say("--rejects", type=Path, help="rows that could not be read")
    say("--worst", type=Path, help="worst grades per patient and term")
    say("--table", type=Path, help="the toxicity table: .csv, .json or .html")
    say("--phase", choices=get_args(Phase), default="acute", help="of the table (%(default)s)")
    say("--names", choices=("own", "adam"), default="own", help="of our columns (%(default)s)")
    say("--strict", action="store_true", help="exit with 1 if a row was rejected")
    _rules(parser)
    _files(parser)


def _rules(parser: Parser) -> None:
    say = parser.add_argument_group("how results are graded").add_argument
    say("--edition", default="4.03", help="the edition of CTCAE (%(default)s)")
    say(
        "--window", default="paper",
        help="paper, rtog90, end90, or such as end+3m, start+90d (%(default)s)",
    )  # fmt: skip
    say(
        "--reading", dest="readings", action="append", default=[], metavar="INTERPRETATION=READING",
        help="a reading where CTCAE leaves a choice; repeatable",
    )  # fmt: skip


def _files(parser: Parser) -> None:
    """Each is kept under the name that ``Reading`` has for it."""
    say = parser.add_argument_group("how the files are read").add_argument
    kinds = ("csv", "tsv", "parquet", "ndjson", "xlsx", "xpt")
    say("--format", dest="kind", choices=kinds, help="by its suffix, unless given")
    say("--encoding", choices=("utf-8", "latin-1", "cp1252", "utf-16"), help="UTF-8, unless given")
    say("--delimiter", type=_delimiter, help="one character, or tab")
    say("--decimal", choices=(".", ","), default=".", metavar="SIGN", help=". or , (%(default)s)")
    say(
        "--null", dest="nulls", action="append", default=[], metavar="TEXT",
        help="means no value (not in analyte), --null=-- if it begins with a dash; repeatable",
    )  # fmt: skip
    say("--dates", type=_dates, help="such as %%d.%%m.%%Y, beside ISO 8601")
    say("--sheet", help="the sheet of a workbook")
    say(
        "--map", dest="columns", action="append", default=[], metavar="OURS=THEIRS",
        help="a column by another name, or a mapping file (.toml); repeatable",
    )  # fmt: skip
    say(
        "--values", choices=("reported", "standard"), default="reported",
        help="SDTM's reported or standard results (%(default)s)",
    )  # fmt: skip
    say(
        "--baseline", choices=("rule", "flag"),
        help="flag: declared baselines (SDTM's flags) count; rule: none",
    )  # fmt: skip
    say(
        "--rt-from", dest="treatment", type=_pair, metavar="START,END",
        help="the columns of the treatment dates",
    )  # fmt: skip


def grade(
    labs: list[str], output: Path, patients: Path | None, rejects: Path | None,
    worst: Path | None, table: Path | None, phase: Phase, names: Literal["own", "adam"],
    strict: bool, edition: str, window: str, readings: list[str], nulls: list[str],
    columns: list[str], **files: Any,
) -> int:  # fmt: skip
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

    graders = Graders(load(only=edition))
    rules = changed_rules(
        Rules(window=_window(window)), graders.criteria.edition(edition), readings
    )
    reading = Reading(nulls=tuple(nulls), columns=read_mapping(columns), **files)
    batch = Batch(
        tuple(labs), output, rules, patients, rejects, worst, table, phase, reading, names
    )
    with progress() as told:
        report = grade_file(batch, graders, told)
    print_report(report, graders.criteria, rejects)
    return 1 if strict and report.rejected else 0


def _delimiter(given: str) -> str:
    read = {"tab": "\t", "\\t": "\t"}.get(given, given)
    if len(read) != 1 or not read.isascii() or read in '"\r\n':
        raise ArgumentTypeError("expected one character, or tab")
    return read


def _dates(given: str) -> str:
    codes = {given[i : i + 2] for i in range(len(given)) if given[i] == "%"}
    if not ({"%Y", "%d"} <= codes and {"%m", "%b", "%B"} & codes):
        raise ArgumentTypeError("expected a format with %Y, %m (or %b) and %d, as %d.%m.%Y")
    return given


def _pair(given: str) -> tuple[str, str]:
    start, comma, end = given.partition(",")
    if not (start and comma and end):
        raise ArgumentTypeError("expected two columns, as RFSTDTC,RFENDTC")
    return start.strip(), end.strip()


def _window(text: str) -> "Window":
    """``end+3m`` or ``start+90d``, or the name of a preset."""
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
