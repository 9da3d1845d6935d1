"""A liver report that is kept is what would be computed now, whatever was stored in between."""

from contextlib import suppress
from datetime import date

import pytest
from sqlalchemy import select

from tests.conftest import NewDatabase
from tests.server.records.random_panels import GRADERS, STUDY, Requests
from tests.server.records.twins import Clock
from toxgrade.criteria.vocabulary import load_vocabularies
from toxgrade.errors import ToxgradeError
from toxgrade.grading.event import Event, term_to_grade
from toxgrade.grading.parse import read_collected
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import patients
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.patient_record import store_event
from toxgrade.server.records.studies import find_study
from toxgrade.server.reports import liver_safety
from toxgrade.server.reports.liver_safety import KeptReports, patient_liver_safety

_ASCITES = term_to_grade(load_vocabularies()["4.03"], "Ascites", 2)


@pytest.mark.parametrize("seed", range(2))
def test_it_is_as_computed_now(seed: int, new_sqlite: NewDatabase) -> None:
    engine, requests, kept = build_engine(new_sqlite()), Requests(seed), KeptReports()
    for number in range(60):
        with suppress(ToxgradeError), begin(engine, Clock(minutes=number)) as opened:
            requests.next().run(opened)
        with begin(engine, Clock(minutes=number)) as opened:
            known = opened.connection.execute(select(patients.c.id, patients.c.name)).all()
            if number % 10 == 9:
                onset = read_collected(f"{date(2011, 4, number % 28 + 1)}")
                store_event(opened, known[0].id, Event(_ASCITES, number % 3, onset))
        with engine.connect() as connection:
            study = find_study(connection, STUDY)
            grader = GRADERS.for_rules(study.rules)
            for _, name in known:
                now = patient_liver_safety(connection, study, name, grader)
                assert kept.report(connection, study, name, grader) == now, number
    engine.dispose()


def test_it_is_computed_once(new_sqlite: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, calls = build_engine(new_sqlite()), list[str]()

    def counted(*given: object) -> object:
        calls.append("computed")
        return patient_liver_safety(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(liver_safety, "patient_liver_safety", counted)
    with begin(engine, Clock()) as opened:
        Requests(0).next().run(opened)
        (name,) = opened.read().scalars(select(patients.c.name).limit(1))
    with engine.connect() as connection:
        study, kept = find_study(connection, STUDY), KeptReports()
        for _ in range(3):
            kept.report(connection, study, name, GRADERS.for_rules(study.rules))
    assert calls == ["computed"]
    engine.dispose()
