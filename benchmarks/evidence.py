"""``make evidence``: what is claimed of hostile callers, measured, one table per claim."""

import sys

from benchmarks.doubling import __main__ as doubling

MODULES = (doubling,)


def main() -> bool:
    """Print every table; return whether all claims hold."""
    return all([module.main() for module in MODULES])


if __name__ == "__main__":
    sys.exit(not main())
