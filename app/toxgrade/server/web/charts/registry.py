"""Every chart of a study: its name, the title of its tab, and the parameters that concern it.

Pages, addresses and the command line follow it; ``gallery`` says how each is drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote

from toxgrade.cohort.definition import By, ReportPhase

Name = Literal["butterfly", "shift", "edish", "swimmer", "incidence"]
NAMES: tuple[Name, ...] = get_args(Name)
WIDTH = 720


@dataclass(frozen=True, slots=True)
class ChartRequest:
    """What is wanted of a chart; each chart uses only the fields that concern it.

    ``term``: a term or a row's label; None: all rows with a baseline (shift), or the first row of
    the table (incidence). ``page``, from 1: of the swimmer plot. ``width``: in pixels. ``by``: the
    multiples of eDISH.
    """

    phase: ReportPhase = "acute"
    term: str | None = None
    min_grade: int = 2
    page: int = 1
    width: int = WIDTH
    by: By = "uln"


Parameter = Literal["term", "phase", "min_grade", "page", "by"]
HELP: Mapping[Parameter, str] = {
    "term": "a term, or a row of the study's table: shift, incidence",
    "phase": "of the shift",
    "min_grade": "of the incidence",
    "page": "of the swimmer plot",
    "by": "multiples of eDISH",
}


@dataclass(frozen=True, slots=True)
class StudyChart:
    """A chart of a study; ``all_rows``: what it shows without a ``term``, if not the first row."""

    tab: str
    uses: tuple[Parameter, ...] = ()
    all_rows: str | None = None

    def question(self, request: ChartRequest) -> str:
        """Return the query of the chart's address."""
        values = {name: getattr(request, name) or "" for name in self.uses}
        return "&".join(f"{name}={quote(str(value))}" for name, value in values.items())


STUDY_CHARTS: Mapping[Name, StudyChart] = {
    "butterfly": StudyChart("Worst grades"),
    "shift": StudyChart("Shifts", ("term", "phase"), "all with a baseline"),
    "edish": StudyChart("eDISH", ("by",)),
    "swimmer": StudyChart("Swimmer", ("page",)),
    "incidence": StudyChart("Incidence", ("term", "min_grade")),
}
