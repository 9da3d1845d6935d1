"""The command line of the recording: record, compare, open."""

import argparse
import sys
from pathlib import Path

from benchmarks.recording.compare import compare
from benchmarks.recording.record import record
from benchmarks.recording.reopen import reopen


def main() -> int:
    """Read the command line and do what it says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for action, told in (("record", "write a recording"), ("open", "go on with its database")):
        one = actions.add_parser(action, help=told)
        one.add_argument("--program", type=Path, required=True, help="the installed toxgrade")
        one.add_argument("out", type=Path, help="the folder of the recording")
    both = actions.add_parser("compare", help="what differs between two recordings")
    both.add_argument("first", type=Path)
    both.add_argument("second", type=Path)
    given = parser.parse_args()
    if given.action == "compare":
        return compare(given.first, given.second)
    if given.action == "open":
        return reopen(given.program, given.out)
    record(given.program, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
