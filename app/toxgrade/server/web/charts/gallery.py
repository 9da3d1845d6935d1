"""Each picture by its name, read from a database: what a page, a file and the command line draw."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection

from toxgrade.cohort.definition import ReportPhase, Scope, TableRow
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.cohort.worst import shift_table
from toxgrade.criteria.vocabulary import Vocabulary
from toxgrade.grading.rules import Graders
from toxgrade.server.records.studies import Study, count_patients
from toxgrade.server.reports.chart_data import edish_peaks, swimmer_lanes
from toxgrade.server.reports.cohort_queries import cohort
from toxgrade.server.reports.study_reports import find_row, incidence_document, study_rows
from toxgrade.server.reports.timeline import timeline as read_timeline
from toxgrade.server.web.charts.chart import WIDTH, Picture
from toxgrade.server.web.charts.edish import edish
from toxgrade.server.web.charts.over_time import incidence, swimmer
from toxgrade.server.web.charts.timeline import timeline
from toxgrade.server.web.charts.worst_grades import butterfly, shift

Name = Literal["butterfly", "shift", "edish", "swimmer", "incidence"]
NAMES: tuple[Name, ...] = get_args(Name)


@dataclass(frozen=True, slots=True)
class ChartRequest:
    """What of a picture is wanted; each takes what it has use for.

    ``term``: a term or a row's label; None: all rows with a baseline (shift), or the first of the
    table (incidence).
    ``page`` from 1, of the swimmer plot. ``width`` in pixels.
    """

    phase: ReportPhase = "acute"
    term: str | None = None
    min_grade: int = 2
    page: int = 1
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class Gallery:
    """Draws from a database by the criteria of its studies."""

    graders: Graders
    vocabularies: Mapping[str, Vocabulary]

    def study(
        self, connection: Connection, study: Study, name: Name, asked: ChartRequest
    ) -> Picture:
        """A picture of a study.

        Raises:
            RequestError: ``term`` is neither a row of the study's table nor a term.
        """
        draw: dict[Name, Callable[[Connection, Study, ChartRequest], Picture]] = {
            "butterfly": self._butterfly,
            "shift": self._shift,
            "edish": self._edish,
            "swimmer": self._swimmer,
            "incidence": self._incidence,
        }
        return draw[name](connection, study, asked)

    def patient(
        self, connection: Connection, study: Study, patient: str, width: int = WIDTH
    ) -> Picture:
        """The timeline of a patient.

        Raises:
            NotFound: the study has no such patient.
        """
        grader, order = self.graders.for_rules(study.rules), self.graders.criteria.analytes
        found = read_timeline(connection, study, patient, grader, order)
        return timeline(patient, found, study.rules.window, width)

    def rows(self, study: Study) -> tuple[TableRow, ...]:
        """The rows of the study's toxicity table."""
        return study_rows(study, self.graders.for_rules(study.rules).edition)

    def _row(self, study: Study, name: str) -> TableRow:
        edition = self.graders.for_rules(study.rules).edition
        return find_row(name, study, edition, self.vocabularies[edition.name])

    def _butterfly(self, connection: Connection, study: Study, asked: ChartRequest) -> Picture:
        patients = list(cohort(connection, study, Scope("both")))
        acute, late = (
            toxicity_table(patients, self.rows(study), Scope(phase), study.rules.window)
            for phase in ("acute", "late")
        )
        return butterfly(acute, late, asked.width)

    def _shift(self, connection: Connection, study: Study, asked: ChartRequest) -> Picture:
        rows = [row for row in self.rows(study) if row.with_baseline]
        chosen = [self._row(study, asked.term)] if asked.term else rows or self.rows(study)
        scope = Scope(asked.phase)
        patients = list(cohort(connection, study, scope))
        tables = {row.label: shift_table(patients, row, scope) for row in chosen}
        return shift(tables, asked.phase, asked.width)

    def _edish(self, connection: Connection, study: Study, asked: ChartRequest) -> Picture:
        grader = self.graders.for_rules(study.rules)
        found = edish_peaks(connection, study, grader, ("ALT", "bilirubin"))
        return edish(found, count_patients(connection, study), asked.width)

    def _swimmer(self, connection: Connection, study: Study, asked: ChartRequest) -> Picture:
        return swimmer(swimmer_lanes(connection, study, self.rows(study)), asked.page, asked.width)

    def _incidence(self, connection: Connection, study: Study, asked: ChartRequest) -> Picture:
        row = self._row(study, asked.term) if asked.term else self.rows(study)[0]
        document = incidence_document(connection, study, row, asked.min_grade, course=1)
        return incidence(document, asked.width)
