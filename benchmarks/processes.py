"""Processes of Linux as the system tells of them."""

import resource
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that a process has started; none where it has ended."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for text in lists for child in text.split()]


def resident_mebibytes(pid: int) -> int:
    """Return a process's resident memory in MiB; 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize() >> 20
