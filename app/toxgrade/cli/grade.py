"""Grading files."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from toxgrade.cli.arguments import Parser
from toxgrade.cli.declared import declared, reading_options
from toxgrade.cli.environment import tidied_when_ended
from toxgrade.cohort.definition import Report as Phase

if TYPE_CHECKING:
    from toxgrade.grading.phase import Window


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
    reading_options(parser)


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


@tidied_when_ended()
def grade(
    labs: list[str], output: Path, patients: Path | None, rejects: Path | None,
    worst: Path | None, table: Path | None, phase: Phase, names: Literal["own", "adam"],
    strict: bool, edition: str, window: str, readings: list[str], **files: Any,
) -> int:  # fmt: skip
    """Grade lab exports; every row comes out, with its grades or the reason why not."""
    # polars' allocator, told before polars is there to keep what it will need again in a moment:
    # 5 % of the CPU time, and no more memory.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:2,dirty_decay_ms:5000")
    from toxgrade.cli.editions import changed_rules
    from toxgrade.cli.told import print_report, progress
    from toxgrade.criteria.reader import load
    from toxgrade.exports.grade_file import grade_file
    from toxgrade.exports.run_report import Batch
    from toxgrade.grading.grader import Graders
    from toxgrade.grading.rules import Rules

    graders = Graders(load(only=edition))
    rules = changed_rules(
        Rules(window=_window(window)), graders.criteria.edition(edition), readings
    )
    batch = Batch(
        tuple(labs), output, rules, patients, rejects, worst, table, phase, declared(files), names
    )
    with progress() as told:
        report = grade_file(batch, graders, told)
    print_report(report, graders.criteria, rejects)
    return 1 if strict and report.rejected else 0


def _window(text: str) -> "Window":
    """``end+3m`` or ``start+90d``, or the name of a preset."""
    from toxgrade.errors import RequestError
    from toxgrade.grading.phase import PRESETS, Window

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
