"""``make evidence``: what is claimed of panels and hostile callers, measured, a table per claim."""

import sys

from benchmarks import additions, fair_reads, loop_lag, mixed_load, random_requests
from benchmarks.doubling import __main__ as doubling

MODULES = (additions, doubling, loop_lag, fair_reads, random_requests, mixed_load)


def main() -> bool:
    """Print every table; return whether all claims hold."""
    held = [module.main() for module in MODULES]
    return all(held)


if __name__ == "__main__":
    sys.exit(not main())
