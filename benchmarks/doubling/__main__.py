"""The table: parser, attack, n, bytes and ms at 2n, ratio to n, peak bytes of memory per byte."""

import argparse
import gc
import sys
from collections.abc import Sequence

from benchmarks.doubling import cases_fhir, cases_files, cases_hl7, cases_json, cases_text
from benchmarks.doubling.case import MIB
from benchmarks.doubling.doors import prepare
from benchmarks.doubling.measure import Measured, measured

MODULES = {
    "json": cases_json,
    "hl7": cases_hl7,
    "fhir": cases_fhir,
    "text": cases_text,
    "files": cases_files,
}


def main(arguments: Sequence[str] = ()) -> bool:
    """Print a row for each case; return whether none is at fault."""
    parser = argparse.ArgumentParser(prog="benchmarks.doubling")
    parser.add_argument("--short", action="store_true", help="as the tests do")
    parser.add_argument("--only", default="", help="cases whose name has this text")
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    asked = parser.parse_args(arguments)
    seconds, most, runs = (0.03, MIB, 1) if asked.short else (0.3, 8 * MIB, 3)
    print(f"{'parser and attack':<78}{'n':>9}{'bytes':>11}{'ms':>8}{'ratio':>7}{'peak':>7}  answer")
    prepare()
    gc.collect()
    gc.freeze()  # Else each process that forks would copy what the collector touches.
    faults = 0
    for name in asked.modules:
        for case in MODULES[name].cases():
            if asked.only in case.name and (case.in_tests or not asked.short):
                found = measured(case, seconds=seconds, most=most, runs=runs)
                print(_row(found), flush=True)
                faults += bool(found.fault)
    return not faults


def _row(found: Measured) -> str:
    ratio = "cheap" if found.is_cheap else f"{found.ratio:.2f}"
    return (
        f"{found.case.name:<78}{found.n:>9,}{found.twice.size:>11,}"
        f"{found.twice.seconds * 1000:>8.0f}{ratio:>7}{found.per_byte:>7.0f}"
        f"  {found.twice.answer:<14}" + (f"  FAULT {found.fault}" if found.fault else "")
    )


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]))
