"""``toxgrade report``: write the toxicity table of a stored study."""

import sys
from argparse import BooleanOptionalAction
from pathlib import Path
from typing import get_args

from toxgrade.cli.options import Parser, settings, whole_number
from toxgrade.cohort.definition import ReportPhase


def arguments(parser: Parser) -> None:
    parser.runs(report)
    add = parser.add_argument
    add("study", help="the study's name")
    add(
        "--output", "-o", type=Path, required=True,
        help="a .html, .csv or .json file; - for CSV here",
    )  # fmt: skip
    add("--phase", choices=get_args(ReportPhase), default="acute", help="(%(default)s)")
    add(
        "--course", type=whole_number(1, 1000), default=1,
        help="the course of radiotherapy (%(default)s)",
    )  # fmt: skip
    add(
        "--on-treatment", action=BooleanOptionalAction, default=True,
        help="count what was taken before the end of radiotherapy (the default)",
    )  # fmt: skip
    add(
        "--include-baseline", action=BooleanOptionalAction, default=False,
        help="let the worst grade be no lower than the baseline's",
    )  # fmt: skip


def report(
    study: str, output: Path, phase: ReportPhase, course: int, on_treatment: bool,
    include_baseline: bool,
) -> None:  # fmt: skip
    """Write a study's toxicity table: how many patients had which grade."""
    from toxgrade.cohort.definition import Scope
    from toxgrade.cohort.table_files import WRITERS
    from toxgrade.criteria.reader import load
    from toxgrade.errors import FileError
    from toxgrade.grading.rules import Graders
    from toxgrade.server.records.db.engine import snapshot
    from toxgrade.server.records.studies import find_study
    from toxgrade.server.reports.study_reports import study_table
    from toxgrade.tabular.whole_file import whole

    suffix = ".csv" if str(output) == "-" else output.suffix
    if suffix not in WRITERS:
        raise FileError(f"{output.name}: the report is {', '.join(WRITERS)}")
    scope = Scope(phase, course, on_treatment, include_baseline)
    with snapshot(settings().database_url) as connection:
        found = find_study(connection, study)
        text = WRITERS[suffix](study_table(connection, found, Graders(load()), scope))
    if str(output) == "-":
        sys.stdout.write(text)
        return
    with whole(output) as unfinished:
        unfinished.write_text(text, "utf-8")
