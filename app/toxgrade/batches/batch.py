"""What a data manager asks to be graded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toxgrade.cohort.definition import Report as Phase
from toxgrade.grading.rules import Rules
from toxgrade.tabular.read_options import AS_IT_COMES, Reading


@dataclass(frozen=True, slots=True)
class Batch:
    """What to grade and where to put it; None: not given or not wanted.

    ``labs``: paths, patterns or ``-``. ``worst``: a file of the worst grades per patient and term;
    ``table``: one (CSV, JSON, HTML) of the toxicity table, over ``phase``.
    """

    labs: tuple[str, ...]
    output: Path
    rules: Rules
    patients: Path | None = None
    rejects: Path | None = None
    worst: Path | None = None
    table: Path | None = None
    phase: Phase = "acute"
    reading: Reading = AS_IT_COMES
    names: Literal["own", "adam"] = "own"
