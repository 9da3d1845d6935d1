"""``toxgrade validate``: check this installation and write a dated report."""

import sys
from pathlib import Path

from toxgrade.cli.options import Parser


def arguments(parser: Parser) -> None:
    parser.runs(validate)
    parser.add_argument(
        "--output", "-o", type=Path, default=Path("validation"), help="a folder (%(default)s)"
    )


def validate(output: Path) -> int:
    """Check this installation against its specification; write a dated report, HTML and JSON.

    Exit code 1 if a check failed. Nothing of your own database is read or written.
    """
    from toxgrade.validation.run import validate as run
    from toxgrade.validation.run import write_report

    report = run()
    for check in report["checks"]:
        print(
            f"{'passed' if check['passed'] else 'FAILED'}  {check['checked']:>5}  {check['name']}"
        )
        for failure in check["failures"]:
            print(f"        {failure}", file=sys.stderr)
    for path in write_report(report, output):
        print(path)
    return 0 if report["passed"] else 1
