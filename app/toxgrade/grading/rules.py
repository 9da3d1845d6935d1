"""What a study has chosen: edition, window, what to do with implausible numbers."""

from dataclasses import dataclass
from typing import Literal

from toxgrade.grading.phase import PRESETS, Window

Implausible = Literal["refuse", "flag"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules one grading ran under; printed with every report.

    ``implausible``: ``refuse`` leaves a number outside the plausible bands ungraded, ``flag``
    grades it and says so. ``readings``: the reading chosen of each interpretation of CTCAE's text,
    by name and in order; what is not there is read by default.
    """

    edition: str = "4.03"
    window: Window = PRESETS["paper"]
    implausible: Implausible = "refuse"
    readings: tuple[tuple[str, str], ...] = ()
