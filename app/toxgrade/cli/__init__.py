"""The command ``toxgrade``: ``--help`` and ``--version`` at once, the rest by what it needs."""

import gc
import sys
from io import TextIOWrapper

_ABOUT = """\
Usage: toxgrade COMMAND [OPTIONS] ...

Grades laboratory toxicity per CTCAE v4.0 (release 4.03), 5.0 or 6.0, acute or
late. A clinician decides; this computes.

Commands:
"""
COMMANDS = {
    "grade": "grade lab exports: every row comes out, with its grades or its reason",
    "compare": "where two graders agree on the same results, and why they do not",
    "serve": "migrate the database and serve the HTTP API",
    "worker": "grade and store uploaded batches",
    "mllp": "take HL7 v2 messages (ORU^R01) over MLLP",
    "pull": "read results and radiotherapy from an EHR's FHIR server",
    "report": "a study's toxicity table: how many patients had which grade",
    "plot": "a picture of a cohort, or the timeline of one patient",
    "regrade": "grade a study again by another edition or reading",
    "ranges": "a study's own reference ranges",
    "keys": "keys to the HTTP service",
    "audit": "who did what: print the head of the record, verify all of it",
    "db": "migrate the database",
    "criteria": "check, print and compare the criteria files",
    "validate": "check this installation against its specification; a dated report",
}
"""What each command, a module here, does: the overview loads none of them."""


def main() -> None:
    """Tell what there is, or run the command."""
    asked = sys.argv[1:]
    if isinstance(sys.stdout, TextIOWrapper):  # else it is a test's
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:  # what others read is UTF-8 under every locale
            sys.stdout.reconfigure(encoding="utf-8")
    if asked in ([], ["--help"], ["-h"]):
        told = "".join(f"  {name:<10}{what}\n" for name, what in COMMANDS.items())
        print(f"{_ABOUT}{told}\nMore: toxgrade COMMAND --help; toxgrade --version.")
        sys.exit(0 if asked else 2)
    if asked == ["--version"]:
        from toxgrade import __version__

        print(f"toxgrade {__version__}")
        return
    gc.set_threshold(150_000)  # what is imported stays: to look for garbage in it took 20 ms
    from toxgrade.cli.commands import run

    try:
        run(*asked)
    finally:
        gc.freeze()  # or all that was imported is looked through once more at the end: 60 ms
