"""``toxgrade criteria``."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.program import toxgrade


def test_criteria_are_checked(tmp_path: Path) -> None:
    done = toxgrade("criteria", "check", cwd=tmp_path)
    assert done.stdout.startswith("CTCAE v4.0 (release 4.03, 2010-06-14): 45 terms")


def test_who_reads_the_output_may_stop_early() -> None:
    """As ``head`` does: that is no fault of the command."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [Path(sys.executable).parent / "toxgrade", "criteria", "check"],
        stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
