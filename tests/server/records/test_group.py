"""Panels that are stored together give what they give one after the other, and leave the same."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from msgspec.structs import asdict
from sqlalchemy import Engine, event, select

from tests.server.records.test_writer import _held as held
from toxgrade.criteria.reader import load
from toxgrade.errors import Conflict, NotFound, RequestError
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.audit_log import AuditAction, write_entries
from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.engine import build_engine, read_only
from toxgrade.server.records.db.tables import grades, patients, results, studies, treatments
from toxgrade.server.records.db.transaction import Transaction, begin
from toxgrade.server.records.erase import erase_patient, withdraw
from toxgrade.server.records.patient_record import PatientRecord, put_patient
from toxgrade.server.records.patient_state import load_states
from toxgrade.server.records.patients import add_patients, lock_patient
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import find_study, save_study
from toxgrade.server.records.writer import Writer
from toxgrade.server.runtime import MACHINE

_GRADERS = Graders(load())
_START, _END = date(2011, 1, 24), date(2011, 3, 9)
Job = Callable[[Transaction], Any]


def _panel(chance: random.Random, patient: str) -> Submission:
    labs = []
    for place in range(chance.randint(1, 3)):
        analyte, unit, uln = chance.choice([("ALT", "U/L", "40"), ("bilirubin", "mg/dL", "1.2")])
        day = _START + timedelta(chance.choice([-9, -3, 40, 60, 200]))
        number = chance.randint(10, 300)
        value = str(number if analyte == "ALT" else Decimal(number) / 50)
        source = f"{analyte}-{place}-{chance.randint(0, 2)}" if chance.random() < 0.7 else None
        lab = LabResult(analyte, read_value(value), unit, None, Decimal(uln),
                        collected=read_collected(f"{day}"), source_id=source)  # fmt: skip
        labs.append(((("results", place)), lab))
    courses = chance.choice([None, (), (Course(_START, _END),), (Course(_START, None),)])
    return Submission(chance.choice(["default", "other"]), patient, tuple(labs), courses)


def _job(chance: random.Random) -> tuple[Job, AuditAction, bool]:
    """A panel, which may contradict itself, or now and then what else may be done to a patient.

    Refused is only what would be refused at any time: what is refused comes after the others.
    """
    patient, kind = f"P{chance.randint(1, 3)}", chance.random()
    panel = _panel(chance, patient)
    act = AuditAction("someone", "something", panel.study, patient)
    if kind < 0.75:
        return partial(store, submission=panel, graders=_GRADERS), act, True
    if kind < 0.85:
        record = PatientRecord((Course(_START, _END),), None)
        return (
            partial(put_patient, study_name=panel.study, name=patient, sent=record,
                    graders=_GRADERS),
            act, False,
        )  # fmt: skip
    if kind < 0.95:

        def take_back(transaction: Transaction) -> None:
            mine = (
                select(grades.c.id).join(patients, patients.c.id == grades.c.patient_id)
                .join(studies, studies.c.id == patients.c.study_id)
                .where(patients.c.name == patient, studies.c.name == panel.study)
                .order_by(grades.c.id).limit(1)
            )  # fmt: skip
            with suppress(NotFound):
                grade = transaction.read().scalar(mine) or 0
                withdraw(transaction, panel.study, patient, grade, "another patient's", _GRADERS)

        return take_back, act, False

    def erase(transaction: Transaction) -> None:
        with suppress(NotFound):
            erase_patient(transaction, panel.study, patient, "asked for")

    return erase, act, False


def _told(answer: Any) -> Any:
    """An answer without the numbers of rows and the times, which depend on what else there was."""
    if isinstance(answer, GradeRow):
        answer = asdict(answer)
    if isinstance(answer, list | tuple):
        return [_told(each) for each in answer]
    if isinstance(answer, dict):
        left_out = ("id", "patient_id", "result_id", "supersedes_id", "recorded_at")
        return {name: _told(each) for name, each in answer.items() if name not in left_out}
    if hasattr(answer, "grades"):
        return [_told(answer.grades), answer.summary]
    return answer


def _stored(engine: Engine) -> list[Any]:
    """Every row that is left, in order, without its numbers and time."""
    rows = []
    with read_only(engine).connect() as connection:
        for table in (results, treatments, grades):
            query = select(patients.c.study_id, patients.c.name, table)
            query = query.join(patients, patients.c.id == table.c.patient_id)
            found = connection.execute(query.order_by(patients.c.study_id, patients.c.name,
                                                      table.c.id)).mappings()  # fmt: skip
            rows += [_told(dict(row)) for row in found]
    return rows


def _done(
    engine: Engine, jobs: list[tuple[Job, AuditAction, bool]], *, together: bool
) -> list[Any]:
    """What each job was answered, in the order in which a group does them."""
    with begin(engine, MACHINE) as transaction:
        save_study(transaction, "other", Rules(edition="5.0"))
        act = AuditAction("test", "save a study", "other")
        write_entries(transaction, [(act, transaction.pop_written())])
    writer = Writer(engine, MACHINE)
    ordered = sorted(jobs, key=lambda job: (job[1].study, job[2], job[1].patient or ""))
    if together:
        go, _ = held(writer)
        waiting = [writer.submit(run, act, is_panel=panel) for run, act, panel in ordered]
        go.set()
    else:
        waiting = []
        for run, act, panel in ordered:
            waiting.append(writer.submit(run, act, is_panel=panel))
            waiting[-1].exception(30)
    answers = []
    for answer in waiting:
        error = answer.exception(30)
        assert error is None or isinstance(error, RequestError), error
        answers.append(type(error).__name__ if error else _told(answer.result()))
    writer.close()
    return answers


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("seed", range(10))
def test_a_group_gives_what_its_jobs_give_one_after_the_other(
    seed: int, kind: str, request: pytest.FixtureRequest
) -> None:
    new = request.getfixturevalue(f"new_{kind}")
    jobs = [_job(random.Random(seed * 1000 + number)) for number in range(25)]
    outcomes = []
    for together in (False, True):
        engine = build_engine(new())
        answers = _done(engine, jobs, together=together)
        with read_only(engine).connect() as connection:
            assert list(verify(connection, MACHINE.now())) == []
        outcomes.append((answers, _stored(engine)))
        engine.dispose()
    assert outcomes[0] == outcomes[1]


def test_who_was_erased_is_not_added_again(database_url: str) -> None:
    """Whoever asked before the erasure was committed, and adds the patient after it."""
    engine = build_engine(database_url)
    with begin(engine, MACHINE) as transaction:
        study = find_study(transaction.read(), "default")
        lock_patient(transaction, study, "P1")
        erase_patient(transaction, "default", "P1", "asked for")
    with pytest.raises(Conflict), begin(engine, MACHINE) as transaction:
        add_patients(transaction, study, ["P2", "P1"])
    with read_only(engine).connect() as connection:
        assert connection.scalars(select(patients.c.name)).all() == []
    engine.dispose()


def test_a_group_takes_as_many_statements_for_many_patients(database_url: str) -> None:
    """Also where each patient's older results are read: nothing that is queued is of them."""
    engine, statements = build_engine(database_url), list[str]()
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    writer = Writer(engine, MACHINE)

    def count(patients: range, value: str) -> int:
        go, busy = held(writer)
        waiting = []
        for patient in map(str, patients):
            lab = LabResult("ALT", read_value(value), "U/L", None, Decimal(40), source_id="1")
            sent = Submission("default", patient, ((("results", 0), lab),), None)
            act = AuditAction("someone", "something", "default", patient)
            run = partial(store, submission=sent, graders=_GRADERS)
            waiting.append(writer.submit(run, act, is_panel=True))
        before = len(statements)
        go.set()
        busy.result(10)
        for answer in waiting:
            answer.result(30)
        return len(statements) - before

    for value in ("50", "60"):
        few, many = count(range(2), value), count(range(2, 12), value)
        assert many - few < 10, value
    writer.close()
    engine.dispose()


def test_equal_texts_of_stored_rows_are_kept_once(database_url: str) -> None:
    """A patient may have 100,000 results, each of which repeats some fifteen texts."""
    sent = tuple(
        (
            ("results", n),
            LabResult(
                "ALT", read_value(f"{n + 90}"), unit="U/L", uln=Decimal(40),
                collected=read_collected(f"2011-02-0{n + 1}"),
            ),
        )
        for n in range(3)
    )  # fmt: skip
    engine = build_engine(database_url)
    with begin(engine, MACHINE) as transaction:
        store(transaction, Submission("default", "P1", sent, None), _GRADERS)
    with read_only(engine).connect() as connection:
        patient = connection.scalars(select(patients.c.id)).one()
        state = load_states(connection, [patient])[patient]
    engine.dispose()
    assert len({id(version.result.unit) for version in state.results}) == 1
    assert len({id(grade.criteria_sha256) for grade in state.grades}) == 1
