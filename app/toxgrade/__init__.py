"""Toxgrade: laboratory toxicity graded per CTCAE, acute or late, with the reason of every grade.

The names in ``__all__`` are the public face; nothing else is promised. Each is imported when it is
first used (PEP 562): polars alone takes 170 ms to import, and ``toxgrade --help`` needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toxgrade.errors import ToxgradeError
    from toxgrade.exports.grade_frame import grade
    from toxgrade.grading.grader import Grader
    from toxgrade.grading.patient import grade_patient
    from toxgrade.grading.phase import Window
    from toxgrade.grading.result import (
        Collected,
        Course,
        Flag,
        Grade,
        LabResult,
        PatientGrade,
        Reason,
        Reported,
    )

__version__ = "0.2.0"

__all__ = [
    "Collected",
    "Course",
    "Flag",
    "Grade",
    "Grader",
    "LabResult",
    "PatientGrade",
    "Reason",
    "Reported",
    "ToxgradeError",
    "Window",
    "__version__",
    "grade",
    "grade_patient",
]

_MODULES = {
    "ToxgradeError": "errors",
    "grade": "exports.grade_frame",
    "Grader": "grading.grader",
    "grade_patient": "grading.patient",
    "Window": "grading.phase",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULES.get(name, 'grading.result')}")
    return getattr(module, name)
