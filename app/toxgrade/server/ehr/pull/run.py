"""A pull: one patient after the other is read, graded and stored; what did not succeed is told."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from datetime import date, time
from functools import partial

from sqlalchemy import Engine

from toxgrade.errors import RequestError, SourceError
from toxgrade.fhir.results import Accepted
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.ehr.pull.fhir_server import Server
from toxgrade.server.ehr.pull.patients import Pulled, pull_patient
from toxgrade.server.ehr.pull.person import Person, read_person
from toxgrade.server.ehr.pull.wanted import Done, Wanted
from toxgrade.server.records.audit_log import AuditAction
from toxgrade.server.records.change import Submission
from toxgrade.server.records.current_state import current_courses
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.patient_record import PatientRecord, put_patient
from toxgrade.server.records.patients import lock_patient
from toxgrade.server.records.pull_marks import PullMark, find_pull_mark, save_pull_mark
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import find_study, lock_study
from toxgrade.server.records.writer import Writer

_IN_A_ROW = 3  # The pull stops when the server has failed for so many patients in a row.
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Target:
    """Where results are kept, and how: the study, its database, and who the audit says did it."""

    study: str
    engine: Engine
    writer: Writer
    graders: Graders
    accepted: Accepted
    actor: str


@dataclass(frozen=True, slots=True)
class Kept:
    """How much was stored of patients; ``undated`` results, and those after death, were not."""

    results: int
    gradings: int
    undecided: int
    undated: int
    after_death: int

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.results:,} results, {self.gradings:,} gradings, {self.undecided:,} undecided;"
            f" not stored for want of a day: {self.undated:,},"
            f" dated after the recorded death: {self.after_death:,}"
        )


@dataclass(slots=True)
class _Outcome:
    """What became of the patients; ``empty`` are those of whom nothing was found."""

    kept: Kept = field(default_factory=lambda: Kept(0, 0, 0, 0, 0))
    failed: int = 0
    empty: list[str] = field(default_factory=list)
    unmarked: int = 0


class Pull:
    """Reads the ``wanted`` patients of a server; ``is_whole``: all of them, not only what is new.

    ``tell`` takes a sentence for the operator: line numbers and pseudonyms, never a value.
    """

    def __init__(
        self, server: Server, target: Target, wanted: Sequence[Wanted], *, is_whole: bool,
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._server, self._target, self._wanted = server, target, wanted
        self._is_whole, self._tell, self._outcome = is_whole, tell, _Outcome()
        self._owners = {fhir_id: one for one in wanted for fhir_id in one.fhir_ids}

    def run(self, done: Done) -> bool:
        """Pull each patient who is not done; return whether all succeeded."""
        outcome, in_a_row = self._outcome, 0
        left = [one for one in self._wanted if one.patient not in done.patients]
        if skipped := len(self._wanted) - len(left):
            self._tell(f"{skipped} patients are done already and not asked for")
        for i, one in enumerate(left, 1):
            try:
                is_done, in_a_row = self._pull(one), 0
            except (SourceError, RequestError) as error:
                self._tell(f"line {one.line}: {_reason(error)}")
                is_done = False
                in_a_row = in_a_row + 1 if isinstance(error, SourceError) else 0
            if is_done:
                done.add(one.patient)
            else:
                outcome.failed += 1
            if in_a_row == _IN_A_ROW:
                text = f"the server failed {_IN_A_ROW} times in a row: stopped"
                self._tell(f"{text}; patients not asked for: {len(left) - i}")
                break
        self._sum_up()
        return not outcome.failed

    def _pull(self, one: Wanted) -> bool:
        """Store what the server has of a patient; return whether that was something, and whole.

        Raises:
            SourceError: the server fails.
            RequestError: this is another patient, too, or what was found cannot be kept.
        """
        target, outcome = self._target, self._outcome
        rules, mark = self._stored(one.patient)
        pulled = pull_patient(
            self._server, self._person(one), target.graders, rules, target.accepted, mark
        )
        if not pulled.is_empty:
            job = partial(
                _keep, study=target.study, patient=one.patient, source=str(self._server.base),
                pulled=pulled, graders=target.graders,
            )  # fmt: skip
            act = AuditAction(target.actor, "toxgrade pull", target.study, one.patient)
            outcome.kept += target.writer.submit(job, act).result()
            outcome.unmarked += pulled.is_whole and pulled.mark is None
        else:
            outcome.empty.append(one.patient)
            self._tell(f"line {one.line}: nothing was found for this patient")
        for told in pulled.told:
            self._tell(f"line {one.line}: {told}")
        return pulled.is_whole and not pulled.is_empty

    def _stored(self, patient: str) -> tuple[Rules, PullMark | None]:
        """Return the study's rules, and up to when a patient was read; None: to be read whole."""
        with read_only(self._target.engine).connect() as connection:
            study = find_study(connection, self._target.study)
            mark = find_pull_mark(connection, study, patient, str(self._server.base))
        return study.rules, None if self._is_whole else mark

    def _person(self, one: Wanted) -> Person:
        """Return whom the server means; refuse a person of two pseudonyms, who would count twice.

        Raises:
            SourceError: the server does not answer with the Patient.
            RequestError: another line leads to this person, too.
        """
        person = read_person(self._server, one.fhir_ids)
        for fhir_id in person.versions:
            owner = self._owners.setdefault(fhir_id, one)
            if owner is not one:
                text = f"the server has merged this patient with that of line {owner.line}"
                raise RequestError(f"{text}: one person has one pseudonym")
        return person

    def _sum_up(self) -> None:
        outcome, empty = self._outcome, self._outcome.empty
        if empty:
            names = ", ".join(empty[:_MOST_NAMED]) + (", …" if len(empty) > _MOST_NAMED else "")
            self._tell(
                f"patients of whom nothing was found, who are not done: {len(empty)} ({names})"
            )
        if not self._server.takes_since:
            self._tell("the server does not take _lastUpdated: all is read each time")
        elif outcome.unmarked:
            text = "the server does not say when each of their resources was last changed"
            self._tell(f"patients of whom all is read each time: {outcome.unmarked}; {text}")
        self._tell(f"{outcome.kept}; patients that could not be pulled: {outcome.failed}")


def _reason(error: Exception) -> str:
    """Return why a patient could not be pulled, and where in the Bundle of what was found."""
    faults = error.faults[:3] if isinstance(error, RequestError) else []
    places = [f"{'.'.join(map(str, f.loc))}: {f.message}" for f in faults]
    return "; ".join([str(error), *places])


def _keep(
    transaction: Transaction,
    study: str,
    patient: str,
    source: str,
    pulled: Pulled,
    graders: Graders,
) -> Kept:
    """Store what was pulled under the study's pseudonym, and up to when that is from this source.

    Raises:
        RequestError: a name or a result cannot be accepted, or the patient was erased.
    """
    if pulled.courses:
        patient_id = lock_patient(transaction, lock_study(transaction, study), patient).id
        recorded = {
            _dates(course): course for course in current_courses(transaction.read(), patient_id)
        }
        # A recorded course keeps its dose, because Procedures have none.
        courses = tuple(recorded.get(_dates(course), course) for course in pulled.courses)
        put_patient(transaction, study, patient, PatientRecord(courses, None), graders)
    submission = Submission(
        study, patient, pulled.results, None, is_message=True, passes_over_after_death=True
    )
    stored = store(transaction, submission, graders)
    late = len(stored.after_death)
    if pulled.mark and not late:  # Else all is read again: the day of death may be wrong.
        found = lock_study(transaction, study)
        save_pull_mark(transaction, found, patient, source, pulled.mark)
    undecided = sum(grade.grade is None for grade in stored.grades)
    return Kept(len(pulled.results) - late, len(stored.grades), undecided, pulled.undated, late)


def _dates(course: Course) -> tuple[date | None, time | None, date | None, bool]:
    return course.start, course.start_time, course.end, course.ongoing
