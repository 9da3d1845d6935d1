"""``toxgrade ranges``: load a study's own reference ranges from a table, and print them."""

import sys
from pathlib import Path

from toxgrade.cli.options import Parser, fail, settings


def arguments(parser: Parser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    one = actions.add_parser("load", help="replace them by those of a table").runs(load)
    one.add_argument("table", type=Path, help="a table: analyte, lln, uln, unit, lab, sex, …")
    two = actions.add_parser("show", help="print them as the CSV that `load` takes").runs(show)
    for each in (one, two):
        each.add_argument(
            "--study", default="default", help="the study they belong to (%(default)s)"
        )


def load(table: Path, study: str) -> None:
    """Replace a study's reference ranges; what they touch is graded again."""
    from collections.abc import Sequence
    from getpass import getuser
    from tempfile import TemporaryDirectory

    from toxgrade.criteria.reader import load as load_criteria
    from toxgrade.grading.reference_ranges import StudyRange
    from toxgrade.grading.rules import Graders
    from toxgrade.server.records.audit_log import audited_transaction
    from toxgrade.server.records.regrade import SavedRanges, put_ranges
    from toxgrade.server.records.schema import upgrade
    from toxgrade.tabular.range_file import FaultyRanges, read_rows

    url, actor = settings().database_url, f"cli:{getuser()}"

    def save(rows: Sequence[StudyRange]) -> SavedRanges:
        upgrade(url)
        with audited_transaction(url, actor, "toxgrade ranges load", study) as transaction:
            return put_ranges(transaction, study, rows, Graders(load_criteria()))

    try:
        with TemporaryDirectory() as folder:
            saved = read_rows(table, Path(folder)).accepted(save)
    except FaultyRanges as error:
        for line in error.lines:
            fail(line)
        sys.exit(2)
    print(
        f"{len(saved.table.rows):,} ranges; {saved.patients:,} patients have such results and were"
        " graded again",
        file=sys.stderr,
    )


def show(study: str) -> None:
    """Print a study's reference ranges as the CSV that `load` takes."""
    import csv

    from toxgrade.server.records.db.engine import snapshot
    from toxgrade.server.records.studies import find_study
    from toxgrade.server.records.study_ranges import current_ranges, range_document
    from toxgrade.spreadsheet import to_row
    from toxgrade.tabular.range_file import COLUMNS

    with snapshot(settings().database_url) as connection:
        rows = current_ranges(connection, find_study(connection, study)).rows
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        document = range_document(row)
        writer.writerow(dict(zip(document, to_row(document.values()), strict=True)))
