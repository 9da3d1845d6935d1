"""Two graders' files of the same results, and what ``compare`` says of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toxgrade.criteria.reader import load
from toxgrade.exports.compare_adlb import Comparison, compare
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Graders, Rules

GRADERS = Graders(load())
KEYS = (("patient", "USUBJID"), ("collected", "ADT"), ("analyte", "PARAMCD"))


def grade_labs(folder: Path, labs: str, rules: Rules, **request: Any) -> Path:
    """Grade an export into ``ours.csv`` of a folder, or ``request['output']``; return its path."""
    (folder / "labs.csv").write_text(labs)
    output = folder / str(request.pop("output", "ours.csv"))
    grade_file(GradeFileRequest((str(folder / "labs.csv"),), output, rules, **request), GRADERS)
    return output


def compared(
    folder: Path,
    labs: str,
    theirs: str,
    rules: Rules,
    keys: Sequence[tuple[str, str]] = KEYS,
    interpretations: Mapping[str, str] | None = None,
) -> Comparison:
    """Return the comparison of our gradings of an export with their file (CSV)."""
    ours = grade_labs(folder, labs, rules)
    (folder / "theirs.csv").write_text(theirs)
    found = compare(ours, folder / "theirs.csv", keys, GRADERS, interpretations=interpretations)
    return found
