"""Toxgrade grades laboratory toxicity by CTCAE, acute or late, and explains every grade.

The names in ``__all__`` are the public API; nothing else is promised. Each is imported when it is
first used (PEP 562): polars alone takes 170 ms to import, and ``toxgrade --help`` does not need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toxgrade.errors import ToxgradeError
    from toxgrade.exports.grade_frame import grade
    from toxgrade.grading.flags import Flag, Reason
    from toxgrade.grading.phase import Window
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
    """Return a public name, imported when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
