"""Random requests about a few patients with many results, as any door may send them.

Most are panels that only add results; the others are all that may change what was graded before:
corrections, withdrawals, late and partial dates, times of one day, courses, deaths, ranges, rules.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from msgspec.structs import replace
from sqlalchemy import select

from toxgrade.criteria.reader import load
from toxgrade.errors import NotFound
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.reference_ranges import Sex, StudyRange
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.change import Submission
from toxgrade.server.records.current_state import FollowUp
from toxgrade.server.records.db.tables import grades, patients, studies
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.erase import erase_patient, withdraw
from toxgrade.server.records.identity import OWN_NUMBER
from toxgrade.server.records.patient_record import PatientRecord, PersonFields, put_patient
from toxgrade.server.records.patient_state import lock_and_load_patients
from toxgrade.server.records.regrade import put_ranges, regrade_study
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import lock_study, save_study

GRADERS = Graders(load())
STUDY = "default"
START, END = date(2011, 1, 24), date(2011, 3, 9)
_SECOND = date(2011, 9, 1)
_ANALYTES = (
    ("ALT", "U/L", "7", "40", (10, 900)),
    ("bilirubin", "mg/dL", "0.2", "1.2", (1, 30)),
    ("WBC", "10*9/L", "4", "10", (1, 200)),
    ("creatinine", "mg/dL", "0.6", "1.2", (1, 8)),
    ("albumin", "g/L", "35", "50", (15, 55)),
    ("hemoglobin", "g/dL", "12", "16", (5, 18)),
)
_COURSES: tuple[tuple[Course, ...] | None, ...] = (
    (Course(START, END),),
    (Course(START, None, ongoing=True),),
    (Course(START, None),),
    (Course(None, END),),
    (Course(START, END), Course(_SECOND, _SECOND + timedelta(20))),
    (),
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is done in a transaction of its own; ``panels`` are those of its group of panels."""

    name: str
    run: Callable[[Transaction], Any]
    patients: tuple[str, ...] = ()


class Requests:
    """Requests of one seed, each made when it is asked for."""

    def __init__(self, seed: int, patients: int = 3) -> None:
        self._chance, self._sent = Random(seed), list[LabResult]()
        self._names = [f"P{n}" for n in range(patients)]
        self._number = 0

    def next(self) -> Request:
        """Return the next request."""
        chance, patient = self._chance, self._chance.choice(self._names)
        kind = chance.random()
        if kind < 0.86:
            panels = [self._panel(patient)]
            if chance.random() < 0.2:
                panels += [self._panel(chance.choice(self._names)) for _ in range(2)]
            return Request("panel", lambda opened: _store(opened, panels), _patients(panels))
        other = (
            self._courses, self._death, self._person, self._ranges, self._rules, self._withdrawal,
            self._withdrawal, self._erasure,
        )  # fmt: skip
        return chance.choices(other, (4, 2, 1, 3, 1, 3, 3, 0.2))[0](patient)

    def _panel(self, patient: str) -> Submission:
        chance = self._chance
        only_adds = chance.random() < 0.6
        count = chance.choice((1, 3, 8, 8, 12))
        results = [self._added() if only_adds else self._any() for _ in range(count)]
        if chance.random() < 0.1 and self._sent:
            results += chance.sample(self._sent, min(3, len(self._sent)))
        self._sent = [*self._sent, *results][-60:]
        courses = None if only_adds or chance.random() < 0.8 else chance.choice(_COURSES)
        if courses and len(courses) > 1:
            courses = courses[:1]
        located = tuple((("results", place), one) for place, one in enumerate(results))
        return Submission(
            STUDY, patient, located, courses, is_message=chance.random() < 0.7,
            passes_over_after_death=chance.random() < 0.9,
        )  # fmt: skip

    def _added(self) -> LabResult:
        """A result of its own number and full date, most of them after the start."""
        chance, (analyte, unit, lln, uln, span) = self._chance, self._chance.choice(_ANALYTES)
        self._number += 1
        day = START + timedelta(chance.choice((-20, -3, 0, 0, *range(1, 400, 7))))
        clock = chance.choice(("", "", "T08:30", "T14:00+02:00"))
        value = (
            str(chance.randint(*span)) if analyte != "bilirubin" else f"{chance.random() * 9:.1f}"
        )
        return LabResult(
            analyte, read_value(value), unit, Decimal(lln), Decimal(uln),
            collected=read_collected(f"{day}{clock}"), source_id=f"N{self._number}",
        )  # fmt: skip

    def _any(self) -> LabResult:
        """A result with anything that may be odd in one."""
        chance, plain = self._chance, self._added()
        sent = chance.choice([*self._sent, plain])
        day = START + timedelta(chance.choice((-40, -9, -9, -1, 0, 5, 60, 61, 230, 9000)))
        odd: dict[str, Sequence[Any]] = {
            "value": (*map(read_value, ("<5", ">=9", "1.8", "1.8000000000000004", "80")), None),
            "unit": ("U/L", "mg/dL", "g/L", None, "furlong"),
            "lln": (None, Decimal(0)),
            "uln": (None, None, Decimal("1.2"), Decimal(40)),
            "collected": (
                None, *map(read_collected, (f"{day}", f"{day}", "2011-01", "2011", f"{day}T09:00",
                                            f"{day}T10:00", "2011-02", "2199-01-01"))
            ),
            "status": ("preliminary", "corrected", "amended", "cancelled", "entered-in-error"),
            "is_baseline": (True,),
            "source_id": (None, None, "X1", "X2", " X1 ", "", sent.source_id),
            "source_scope": ("a|b", f"a|b{OWN_NUMBER}7", "http://ehr", None),
            "issued": tuple(datetime(2011, 5, n, tzinfo=UTC) for n in (1, 2, 3)),
            "server_version": (1, 2, 3),
            "lab": ("north", "South"),
            "specimen": ("urine", "serum", "venous blood"),
            "indicator": ("H", "N", "L", "A"),
            "unreadable_limit": (True,),
        }  # fmt: skip
        base = chance.choice((plain, plain, sent))
        changed = {name: chance.choice(odd[name]) for name in odd if chance.random() < 0.16}
        return replace(base, **changed)

    def _courses(self, patient: str) -> Request:
        return self._record(patient, PatientRecord(self._chance.choice(_COURSES), None))

    def _death(self, patient: str) -> Request:
        chance = self._chance
        died = FollowUp(START + timedelta(chance.choice((30, 90, 300, 2000))), "dead")
        alive = FollowUp(START + timedelta(500), "alive")
        return self._record(patient, PatientRecord(None, chance.choice((died, alive, alive))))

    def _person(self, patient: str) -> Request:
        person = PersonFields(sex=self._chance.choice(("male", "female")), birth_year=1950)
        return self._record(patient, PatientRecord(None, None, person))

    def _record(self, patient: str, sent: PatientRecord) -> Request:
        def run(opened: Transaction) -> Any:
            return put_patient(opened, STUDY, patient, sent, GRADERS)

        return Request("patient", run)

    def _ranges(self, _: str) -> Request:
        chance, rows = self._chance, []
        for analyte, unit, lln, uln, _span in chance.sample(_ANALYTES, chance.randint(0, 3)):
            limits = (Decimal(lln), Decimal(uln) * chance.choice((1, 2)))
            sex: Sex | None = chance.choice((None, "male", "female"))
            since = chance.choice((None, date(2011, 6, 1)))
            rows.append(StudyRange(analyte, *limits, unit, sex=sex, valid_from=since))
        return Request("ranges", lambda opened: put_ranges(opened, STUDY, rows, GRADERS).patients)

    def _rules(self, _: str) -> Request:
        chance = self._chance
        window = PRESETS[chance.choice(("paper", "rtog90", "end90"))]
        rules = Rules(chance.choice(("4.03", "5.0", "6.0")), window)

        def run(opened: Transaction) -> None:
            if save_study(opened, STUDY, rules).rules_changed:
                regrade_study(opened, lock_study(opened, STUDY, to_change=True), GRADERS)

        return Request("rules", run)

    def _withdrawal(self, patient: str) -> Request:
        place = self._chance.random()

        def run(opened: Transaction) -> None:
            query = (
                select(grades.c.id).join(patients, patients.c.id == grades.c.patient_id)
                .join(studies, studies.c.id == patients.c.study_id)
                .where(patients.c.name == patient, studies.c.name == STUDY).order_by(grades.c.id)
            )  # fmt: skip
            if found := opened.read().scalars(query).all():
                chosen = found[int(place * len(found))]
                withdraw(opened, STUDY, patient, chosen, "another patient's", GRADERS)

        return Request("withdrawal", run)

    def _erasure(self, patient: str) -> Request:
        def run(opened: Transaction) -> None:
            with suppress(NotFound):
                erase_patient(opened, STUDY, patient, "asked for")

        self._names[self._names.index(patient)] = f"{patient}x"
        return Request("erasure", run)


def _patients(panels: Sequence[Submission]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(panel.patient for panel in panels))


def _store(opened: Transaction, panels: Sequence[Submission]) -> list[Any]:
    """Store panels as a group of the writer does."""
    if len(panels) > 1:
        lock_and_load_patients(opened, STUDY, _patients(panels))
    return [store(opened, panel, GRADERS) for panel in panels]
