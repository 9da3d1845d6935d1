"""``toxgrade audit``: print the newest entry of each study's audit, and verify the audit."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toxgrade.cli.options import Parser, settings

if TYPE_CHECKING:
    from toxgrade.server.records.audit_verify import Head


_HEAD = re.compile(r"\S+ \d+ [0-9a-f]{64}")


def arguments(parser: Parser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("head", help="print each study's newest entry").runs(head)
    one = actions.add_parser("verify", help="find every edit and deletion").runs(verify)
    one.add_argument(
        "--head", action="append", default=[],
        help="a line that `toxgrade audit head` printed, or a file of them; repeatable",
    )  # fmt: skip


def head() -> None:
    """Print each study's newest entry: name, number, hash. Keep it outside the database."""
    from toxgrade.server.records.audit_verify import heads
    from toxgrade.server.records.db.engine import snapshot

    with snapshot(settings().database_url) as connection:
        for study, (seq, newest) in heads(connection).items():
            print(study, seq, newest)


def verify(head: list[str]) -> int:
    """Find every edit, deletion, insertion and reordering; exit code 1 if there is any."""
    from datetime import UTC, datetime

    from toxgrade.server.jobs.upload_store import changed_grades
    from toxgrade.server.records.audit_verify import count
    from toxgrade.server.records.audit_verify import verify as remarks
    from toxgrade.server.records.db.engine import snapshot

    expected = [_parse_head(line) for given in head for line in _lines(given)]
    url = settings().database_url
    with snapshot(url) as connection:
        faults = 0
        noted: dict[str, str] = {}
        for remark in remarks(connection, datetime.now(UTC), expected, noted):
            print(remark, file=sys.stderr)
            faults += remark.is_fault
        entries = count(connection)
    for batch in changed_grades(settings().batches_dir, noted):
        print(f"the graded rows of batch {batch} are not as they were", file=sys.stderr)
        faults += 1
    _record(url, entries, faults)
    if faults:
        return 1
    print(f"{entries} entries, unbroken")
    return 0


def _record(url: str, entries: int, faults: int) -> None:
    """Record the verification; a copy that only reads, such as a standby, stays as it is."""
    from getpass import getuser

    from sqlalchemy.exc import SQLAlchemyError

    from toxgrade.server.records.audit_log import INSTALLATION, audited_transaction
    from toxgrade.server.records.verifications import record_verification

    try:
        with audited_transaction(
            url, f"cli:{getuser()}", "toxgrade audit verify", INSTALLATION
        ) as transaction:
            record_verification(transaction, entries, faults)
    except SQLAlchemyError:
        print("this verification could not be recorded in the database", file=sys.stderr)


def _lines(given: str) -> list[str]:
    """Return the lines of the file of that name, or the argument itself if there is none."""
    path = Path(given)
    if not path.is_file():
        return [given]
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    whole = [line for line in lines if _HEAD.fullmatch(line)]
    if len(whole) < len(lines):
        print(f"{len(lines) - len(whole)} lines of the file are no heads", file=sys.stderr)
    return whole


def _parse_head(text: str) -> "tuple[str, Head]":
    from toxgrade.errors import RequestError

    match text.split():
        case [study, seq, newest] if seq.isdecimal():
            return study, (int(seq), newest)
        case _:
            raise RequestError(
                "--head: expected a line of `toxgrade audit head`, or a file of them"
            )
