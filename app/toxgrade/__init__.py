"""Toxgrade: laboratory toxicity graded per CTCAE, acute or late, with the reason of every grade.

The names in ``__all__`` are the public face; nothing else is promised. Each is imported when it is
first used (PEP 562): polars alone takes 170 ms to import, and ``toxgrade --help`` needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toxgrade.errors import ToxgradeError
    from toxgrade.exports.grade_frame import grade
    from toxgrade.grading.phase import Window
    from toxgrade.grading.result import Flag, Reason
    from toxgrade.grading.value_grader import Grader, ValueGrade

__version__ = "0.2.0"

__all__ = [
    "Flag",
    "Grader",
    "Reason",
    "ToxgradeError",
    "ValueGrade",
    "Window",
    "__version__",
    "grade",
]

_MODULES = {
    "Flag": "grading.result",
    "Grader": "grading.value_grader",
    "Reason": "grading.result",
    "ToxgradeError": "errors",
    "ValueGrade": "grading.value_grader",
    "Window": "grading.phase",
    "grade": "exports.grade_frame",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
