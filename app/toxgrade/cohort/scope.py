"""What of a study a report looks at."""

from dataclasses import dataclass
from typing import Literal

Report = Literal["acute", "late", "both"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The window of a report, and its choices; the defaults are the paper's.

    ``course``: the course of radiotherapy, 1 the first; a later one counts only patients who had
    it. ``on_treatment`` False leaves out what is not certainly after the end of radiotherapy.
    ``include_baseline``: the worst grade is not below the baseline's.
    """

    phase: Report = "acute"
    course: int = 1
    on_treatment: bool = True
    include_baseline: bool = False

    @property
    def windows(self) -> tuple[str, ...]:
        """The phases whose grades make the worst grade."""
        after = ("acute", "late") if self.phase == "both" else (self.phase,)
        return ("baseline", *after) if self.include_baseline else after
