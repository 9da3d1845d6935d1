"""``toxgrade grade``: grade lab exports, and print a summary on standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal, get_args

from toxgrade.cli.criteria import add_interpretations
from toxgrade.cli.options import Parser, add_file_options, cleanup_on_signal, read_options
from toxgrade.cli.run_summary import print_report
from toxgrade.cohort.definition import ReportPhase

if TYPE_CHECKING:
    from toxgrade.exports.grade_file import Progress
    from toxgrade.grading.phase import Window

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress() -> Iterator["Progress"]:
    """Show progress in one line that is rewritten; in a line every 10 s if it is no terminal."""
    start = last_shown = monotonic()
    tty = sys.stderr.isatty()

    def show(what: str, rows: int) -> None:
        nonlocal last_shown
        now = monotonic()
        if tty or now - last_shown >= _SECONDS_BETWEEN_LINES:
            last_shown = now
            text = f"{what}: {rows:,} rows, {now - start:.0f} s"
            print(f"\r{text:<60}" if tty else text, end="" if tty else "\n", file=sys.stderr)

    yield show
    if tty:
        print(f"\r{'':<60}\r", end="", file=sys.stderr)


def arguments(parser: Parser) -> None:
    parser.runs(grade).usage = "%(prog)s labs [labs ...] --output OUTPUT [options]"
    add = parser.add_argument
    add("labs", nargs="+", help="lab exports: files, patterns, - for standard input")
    add(
        "--output", "-o", type=Path, required=True,
        help=".csv, .tsv, .ndjson, .parquet; - for standard output",
    )  # fmt: skip
    add("--patients", type=Path, help="dates: patient, rt_start, rt_end, died if known; or SDTM DM")
    add("--ranges", type=Path, help="reference ranges of the study, for rows without one")
    add("--rejects", type=Path, help="rows that could not be read")
    add("--worst", type=Path, help="worst grades per patient and term")
    add("--table", type=Path, help="the toxicity table: .csv, .json or .html")
    add("--phase", choices=get_args(ReportPhase), help="of the table (acute)")
    add("--names", choices=("own", "adam"), default="own", help="of our columns (%(default)s)")
    add("--strict", action="store_true", help="exit with 1 if a row was rejected")
    _rules(parser)
    add_file_options(parser)


def _rules(parser: Parser) -> None:
    group = parser.add_argument_group("how results are graded")
    add = group.add_argument
    add("--edition", default="4.03", help="the edition of CTCAE (%(default)s)")
    add(
        "--window", default="paper",
        help="paper, rtog90, end90, or such as end+3m, start+90d (%(default)s)",
    )  # fmt: skip
    add_interpretations(group)


@cleanup_on_signal()
def grade(
    labs: list[str], output: Path, patients: Path | None, ranges: Path | None,
    rejects: Path | None, worst: Path | None, table: Path | None, phase: ReportPhase | None,
    names: Literal["own", "adam"], strict: bool, edition: str, window: str,
    interpretations: list[str], **files: object,
) -> int:  # fmt: skip
    """Grade lab exports; every row comes out, with its grades or the reason why not."""
    # polars' allocator reads this when polars is imported, and then keeps freed memory for reuse:
    # that saves 5 % of the CPU time and takes no more memory.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:2,dirty_decay_ms:5000")
    from toxgrade.cli.criteria import changed_rules
    from toxgrade.criteria.reader import load
    from toxgrade.errors import RequestError
    from toxgrade.exports.grade_file import grade_file
    from toxgrade.exports.run_report import GradeFileRequest
    from toxgrade.grading.rules import Graders, Rules

    if phase is not None and table is None:
        raise RequestError("--phase is of the toxicity table: give --table too")
    graders = Graders(load(only=edition))
    rules = changed_rules(
        Rules(window=_window(window)), graders.criteria.edition(edition), interpretations
    )
    options = read_options(files)
    rules = replace(
        rules, dictionary=options.columns.site_names(graders.criteria.analytes.values())
    )
    request = GradeFileRequest(
        tuple(labs), output, rules, patients, rejects, worst, table, phase or "acute", options,
        names, ranges,
    )  # fmt: skip
    with progress() as show:
        report = grade_file(request, graders, show)
    print_report(report, graders.criteria, rejects, rules.dictionary)
    return 1 if strict and report.rejected else 0


def _window(text: str) -> "Window":
    """Return the window that ``--window`` names."""
    from toxgrade.errors import ParseError, RequestError
    from toxgrade.grading.phase import read_window

    try:
        return read_window(text)
    except ParseError as error:
        raise RequestError(f"--window: {error}") from None
