"""``toxgrade audit``: print the newest entry of each study's audit, and verify the audit."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toxgrade.cli.options import Parser, settings

if TYPE_CHECKING:
    from toxgrade.server.records.audit_verify import Head


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
    from toxgrade.server.records.audit_verify import count
    from toxgrade.server.records.audit_verify import verify as find_broken
    from toxgrade.server.records.db.engine import snapshot

    expected = dict(_parse_head(line) for given in head for line in _lines(given))
    with snapshot(settings().database_url) as connection:
        found = 0
        for broken in find_broken(connection, expected):
            print(broken, file=sys.stderr)
            found += 1
        if found:
            return 1
        print(f"{count(connection)} entries, unbroken")
    return 0


def _lines(given: str) -> list[str]:
    """Return the lines of the file of that name, or the argument itself if there is none."""
    path = Path(given)
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else [given]


def _parse_head(text: str) -> "tuple[str, Head]":
    from toxgrade.errors import RequestError

    match text.split():
        case [study, seq, newest] if seq.isdecimal():
            return study, (int(seq), newest)
        case _:
            raise RequestError(
                "--head: expected a line of `toxgrade audit head`, or a file of them"
            )
