"""``toxgrade ranges``: load a study's own reference ranges from a table, and print them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from toxgrade.cli.options import Parser, fail, settings

if TYPE_CHECKING:
    from toxgrade.errors import FieldFault
    from toxgrade.server.api.ranges import RangeRequest


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
    from getpass import getuser

    from toxgrade.criteria.reader import load as load_criteria
    from toxgrade.errors import RequestError
    from toxgrade.grading.rules import Graders
    from toxgrade.server.records.audit_log import audited_transaction
    from toxgrade.server.records.regrade import put_ranges
    from toxgrade.server.records.schema import upgrade

    ranges, numbers = _read(table)
    rows = [one.row() for one in ranges]
    url = settings().database_url
    upgrade(url)
    try:
        with audited_transaction(
            url, f"cli:{getuser()}", "toxgrade ranges load", study
        ) as transaction:
            saved = put_ranges(transaction, study, rows, Graders(load_criteria()))
    except RequestError as error:
        if not error.faults:
            raise
        _refuse(table, error.faults, numbers)
    print(
        f"{len(rows):,} ranges; {saved.patients:,} patients have such results and were"
        " graded again",
        file=sys.stderr,
    )


def show(study: str) -> None:
    """Print a study's reference ranges as the CSV that `load` takes."""
    import csv

    from toxgrade.server.api.ranges import RangeRequest
    from toxgrade.server.records.db.engine import snapshot
    from toxgrade.server.records.studies import find_study
    from toxgrade.server.records.study_ranges import current_ranges, range_document
    from toxgrade.spreadsheet import to_row

    with snapshot(settings().database_url) as connection:
        rows = current_ranges(connection, find_study(connection, study)).rows
    writer = csv.DictWriter(sys.stdout, list(RangeRequest.model_fields), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        document = range_document(row)
        writer.writerow(dict(zip(document, to_row(document.values()), strict=True)))


def _read(table: Path) -> tuple[list["RangeRequest"], list[int]]:
    """Return the rows of a file as the service takes them, and their numbers, from 1.

    End the command if one is invalid.
    """
    from tempfile import TemporaryDirectory

    from pydantic import ValidationError

    from toxgrade.errors import FieldFault
    from toxgrade.server.api.ranges import RangesRequest
    from toxgrade.tabular.formulas import as_written
    from toxgrade.tabular.open_file import open_table
    from toxgrade.tabular.read_options import DEFAULT_OPTIONS
    from toxgrade.tabular.table import ROW

    with TemporaryDirectory() as folder:
        opened = open_table(table, DEFAULT_OPTIONS, Path(folder))
        rows = [
            row
            for piece in opened.chunks(opened.columns)
            for row in as_written(piece, opened.kind).iter_rows(named=True)
        ]
    numbers = [row[ROW] + 1 for row in rows]
    ranges = [
        {name: _value(name, row[name]) for name in opened.columns if row[name]} for row in rows
    ]
    try:
        return RangesRequest.model_validate({"ranges": ranges}).ranges, numbers
    except ValidationError as error:
        faults = [FieldFault(f["loc"], f["type"], f["msg"]) for f in error.errors()]
        _refuse(table, faults, numbers)


def _value(name: str, text: str) -> int | str:
    is_age = name in ("age_from", "age_to") and text.isascii() and text.isdigit()
    return int(text) if is_age else text


def _refuse(table: Path, faults: "list[FieldFault]", numbers: list[int]) -> NoReturn:
    """Print the rows and columns that cannot be accepted, and end the command."""
    for fault in faults[:20]:
        _, *place = fault.loc  # The place is empty if the fault concerns the whole table.
        row = "".join(f", row {numbers[int(at)]}" for at in place[:1])
        column = "".join(f", {name}" for name in place[1:])
        fail(f"{table.name}{row}{column}: {fault.message}")
    sys.exit(2)
