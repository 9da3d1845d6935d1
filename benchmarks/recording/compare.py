"""Two recordings beside each other: what differs, as a unified diff."""

from difflib import unified_diff
from pathlib import Path

_MOST_LINES = 200  # of one file; the rest is counted


def compare(first: Path, second: Path) -> int:
    """Print what differs between two recordings, or that nothing does; return the exit code."""
    names = sorted(_names(first) | _names(second))
    differ = [name for name in names if _tell(first / name, second / name)]
    if not names:
        print(f"nothing is recorded in {first}")
    elif differ:
        print(f"{len(differ)} of {len(names)} differ")
    else:
        answers = sum(name.parts[0] == "answers" for name in names)
        print(f"{answers} answers and {len(names) - answers} files equal")
    return 1 if differ or not names else 0


def _names(folder: Path) -> set[Path]:
    """Return the recorded files; the database itself is for ``open``."""
    return {
        path.relative_to(folder)
        for part in ("answers", "files", "tables")
        for path in (folder / part).rglob("*.txt")
    }


def _tell(first: Path, second: Path) -> bool:
    """Print how two files differ; say whether they do."""
    texts = [path.read_text() if path.exists() else "" for path in (first, second)]
    if texts[0] == texts[1] and first.exists() == second.exists():
        return False
    before, after = (text.splitlines() for text in texts)
    found = list(unified_diff(before, after, str(first), str(second), lineterm="", n=2))
    print(
        "\n".join(found[:_MOST_LINES] or [f"{first} or {second} is not there, or ends otherwise"])
    )
    if len(found) > _MOST_LINES:
        print(f"… and {len(found) - _MOST_LINES} lines more")
    return True
