"""Each chart by its name, drawn from a database for pages, files and the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.shift_table import shift_table
from toxgrade.cohort.time_to_event import Endpoint
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.criteria.vocabulary import Vocabulary
from toxgrade.grading.rules import Graders
from toxgrade.server.records.current_state import refuse_many
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.studies import Study, count_patients
from toxgrade.server.reports.cohort_bounds import cohort
from toxgrade.server.reports.edish_peaks import edish_peaks
from toxgrade.server.reports.study_reports import find_row, study_rows
from toxgrade.server.reports.time_to_event import study_incidence, study_swimmer
from toxgrade.server.reports.timeline import timeline as read_timeline
from toxgrade.server.web.charts.chart import Chart
from toxgrade.server.web.charts.edish import edish
from toxgrade.server.web.charts.over_time import incidence, swimmer
from toxgrade.server.web.charts.registry import WIDTH, ChartRequest, Name
from toxgrade.server.web.charts.timeline import timeline
from toxgrade.server.web.charts.worst_grades import butterfly, shift

_MOST_DRAWN = 20_000  # results of one patient; each takes 500 bytes of a picture


@dataclass(frozen=True, slots=True)
class Gallery:
    """The charts of a database, drawn by the criteria of its studies."""

    graders: Graders
    vocabularies: Mapping[str, Vocabulary]

    def study(
        self, connection: Connection, study: Study, name: Name, request: ChartRequest
    ) -> Chart:
        """Return a chart of a study.

        Raises:
            RequestError: ``term`` is neither a row of the study's table nor a term.
        """
        return _DRAWN[name](self, connection, study, request)

    def patient(
        self, connection: Connection, study: Study, patient: str, width: int = WIDTH
    ) -> Chart:
        """Return the timeline of a patient.

        Raises:
            NotFound: the study has no such patient.
            TooLarge: the patient has more results than a picture can show.
        """
        refuse_many(connection, find_patient(connection, study, patient), _MOST_DRAWN)
        grader, order = self.graders.for_rules(study.rules), self.graders.criteria.analytes
        found = read_timeline(connection, study, patient, grader, order)
        return timeline(patient, found, study.rules.window, width)

    def rows(self, study: Study) -> tuple[TableRow, ...]:
        """Return the rows of the study's toxicity table."""
        return study_rows(study, self.graders.for_rules(study.rules).edition)

    def _row(self, study: Study, name: str) -> TableRow:
        edition = self.graders.for_rules(study.rules).edition
        return find_row(name, study, edition, self.vocabularies[edition.name])

    def _butterfly(self, connection: Connection, study: Study, request: ChartRequest) -> Chart:
        rows, window = self.rows(study), study.rules.window
        acute, late = (
            toxicity_table(cohort(connection, study, scope), rows, scope, window)
            for scope in (Scope("acute"), Scope("late"))
        )
        return butterfly(acute, late, request.width)

    def _shift(self, connection: Connection, study: Study, request: ChartRequest) -> Chart:
        rows = [row for row in self.rows(study) if row.with_baseline]
        chosen = [self._row(study, request.term)] if request.term else rows or self.rows(study)
        scope = Scope(request.phase)
        patients = list(cohort(connection, study, scope))
        tables = {row.label: shift_table(patients, row) for row in chosen}
        return shift(tables, request.phase, request.width)

    def _edish(self, connection: Connection, study: Study, request: ChartRequest) -> Chart:
        grader = self.graders.for_rules(study.rules)
        found = edish_peaks(connection, study, grader, ("ALT", "bilirubin"), request.by)
        return edish(found, count_patients(connection, study), request.by, request.width)

    def _swimmer(self, connection: Connection, study: Study, request: ChartRequest) -> Chart:
        edition = self.graders.for_rules(study.rules).edition
        found = study_swimmer(connection, study, edition, self.rows(study))
        return swimmer(found, request.page, request.width)

    def _incidence(self, connection: Connection, study: Study, request: ChartRequest) -> Chart:
        row = self._row(study, request.term) if request.term else self.rows(study)[0]
        edition = self.graders.for_rules(study.rules).edition
        report = study_incidence(connection, study, edition, Endpoint(row), request.min_grade)
        return incidence(report, request.width)


_DRAWN: Mapping[Name, Callable[[Gallery, Connection, Study, ChartRequest], Chart]] = {
    "butterfly": Gallery._butterfly,
    "shift": Gallery._shift,
    "edish": Gallery._edish,
    "swimmer": Gallery._swimmer,
    "incidence": Gallery._incidence,
}
