"""Acute or late: where a result lies against a course of radiotherapy."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Window:
    """How long toxicity counts as acute: ``months`` or ``days`` (one of them) after ``anchor``."""

    anchor: Literal["end", "start"]
    months: int | None = None
    days: int | None = None


PRESETS = {
    "paper": Window("end", months=3),
    "rtog90": Window("start", days=90),
    "end90": Window("end", days=90),
}
