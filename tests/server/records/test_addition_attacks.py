"""What could mislead a panel that is stored beside a part of its patient, case by case.

Each case is a patient with many results, then what is special, then a plain panel. All must be
answered and stored as where every result is graded again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select, text

from tests.server.records.random_panels import GRADERS, STUDY, Request
from tests.server.records.twins import Twin
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Rules
from toxgrade.server.records import addition, audit_summaries, grade_changes, kept_summary
from toxgrade.server.records.audit_summaries import wrong_summaries
from toxgrade.server.records.change import Submission
from toxgrade.server.records.current_state import FollowUp
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import patient_summaries
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.patient_record import PatientRecord, put_patient
from toxgrade.server.records.patient_state import lock_and_load_patients
from toxgrade.server.records.regrade import put_ranges
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import save_study

START, END = date(2011, 1, 24), date(2011, 3, 9)
COURSE = (Course(START, END),)
Labs = Sequence[LabResult]


def alt(day: str | None, value: str, number: str | None, **more: Any) -> LabResult:
    """ALT in U/L at a ULN of 40, on a day of 2011."""
    collected = read_collected(f"2011-{day}") if day else None
    result = LabResult("ALT", read_value(value), "U/L", None, Decimal(40), source_id=number)
    return replace(result, collected=collected, **more)


def many(value: str = "30") -> Labs:
    """A baseline of ALT, then twenty results by day from April on."""
    days = (date(2011, 4, 1) + timedelta(n) for n in range(20))
    return [alt("01-20", value, "B"), *(alt(f"{d:%m-%d}", "90", f"{d:%j}") for d in days)]


def panel(*labs: LabResult, courses: Sequence[Course] | None = None, message: bool = True) -> Any:
    located = tuple((("results", n), lab) for n, lab in enumerate(labs))
    sent = Submission(STUDY, "P", located, None if courses is None else tuple(courses), message)
    return Request("panel", lambda opened: store(opened, sent, GRADERS), ("P",))


def record(courses: Sequence[Course] | None = None, died: date | None = None) -> Request:
    follow_up = FollowUp(died, "dead") if died else None
    sent = PatientRecord(None if courses is None else tuple(courses), follow_up)
    return Request("patient", lambda opened: put_patient(opened, STUDY, "P", sent, GRADERS), ("P",))


def ranges(*rows: StudyRange) -> Request:
    return Request("ranges", lambda opened: put_ranges(opened, STUDY, rows, GRADERS).patients)


def rules(edition: str) -> Request:
    return Request("rules", lambda opened: save_study(opened, STUDY, Rules(edition)).is_new)


def together(*panels: Request) -> Request:
    """Panels of one patient in one group of the writer."""

    def run(opened: Transaction) -> list[Any]:
        lock_and_load_patients(opened, STUDY, {"P"})
        return [one.run(opened) for one in panels]

    return Request("group", run, ("P",))


LATER = panel(alt("06-01", "130", "later"))
CASES: dict[str, Sequence[Request]] = {
    "nothing special": (panel(*many(), courses=COURSE), LATER),
    "sent again": (panel(*many(), courses=COURSE), panel(*many()[3:6]), LATER),
    "corrected": (
        panel(*many(), courses=COURSE),
        panel(replace(many()[5], value=read_value("700"), status="corrected")), LATER),
    "corrected under another time": (
        panel(*many(), courses=COURSE), panel(alt("04-09", "700", "095", status="corrected")),
        LATER),
    "the worst grade withdrawn": (
        panel(*many(), alt("05-09", "900", "worst"), courses=COURSE),
        panel(alt("05-09", "900", "worst", status="entered-in-error")), LATER),
    "the baseline withdrawn": (
        panel(*many(), courses=COURSE),
        panel(alt("01-20", "30", "B", status="entered-in-error")), LATER),
    "a number of another time": (
        panel(*many(), courses=COURSE), panel(alt("06-01", "90", "095")), LATER),
    "a number with blanks": (
        panel(*many(), alt("05-02", "90", " X "), courses=COURSE), panel(alt("05-03", "90", "X")),
        LATER),
    "a number of many digits, stored without a number": (
        panel(*many(), alt("05-02", "1.8000000000000004", None), courses=COURSE),
        panel(alt("05-02", "1.8", None)), LATER),
    "a late earlier date": (
        panel(*many()[5:], courses=COURSE), panel(alt("03-20", "130", "late")), LATER),
    "another baseline, sent late": (
        panel(*many(), courses=COURSE), panel(alt("01-23", "150", "B2")), LATER),
    "a second baseline of the same day": (
        panel(*many(), courses=COURSE), panel(alt("01-20", "150", "B2")), LATER),
    "a declared baseline without a date": (
        panel(*many(), courses=COURSE), panel(alt(None, "150", "B2", is_baseline=True)), LATER),
    "a month instead of a day": (
        panel(*many(), courses=COURSE), panel(alt("01", "150", "month")), LATER),
    "on the first day, before and after the start's time": (
        panel(*many(), courses=[Course(START, END, start_time=read_collected(
            "2011-01-24T12:00").time)]),
        panel(alt("01-24T14:00", "90", "after")), panel(alt("01-24T09:00", "150", "before")),
        LATER),
    "on the first day, without a time": (
        panel(*many(), courses=COURSE), panel(alt("01-24", "150", "first")), LATER),
    "no course": (panel(*many()), panel(alt("01-02", "900", "early")), LATER),
    "no start": (panel(*many(), courses=[Course(None, END)]), panel(alt("01-02", "900", "x")),
                 LATER),
    "no end": (panel(*many(), courses=[Course(START)]), LATER, panel(alt("12-24", "900", "x"))),
    "the course changes": (
        panel(*many(), courses=COURSE), panel(alt("06-01", "90", "x"), courses=[Course(END)]),
        LATER),
    "the same course is sent again": (
        panel(*many(), courses=COURSE), panel(alt("06-01", "90", "x"), courses=COURSE), LATER),
    "between two courses": (
        panel(*many(), courses=COURSE),
        record([*COURSE, Course(date(2011, 9, 1), date(2011, 9, 20))]), LATER,
        panel(alt("08-30", "250", "between")), panel(alt("10-02", "300", "after"))),
    "after death": (
        panel(*many(), courses=COURSE), record(died=date(2011, 4, 10)),
        panel(alt("04-05", "700", "before")), LATER),
    "two baselines of a day": (
        panel(alt("01-20", "30", "B1"), alt("01-20", "90", "B2"), *many()[1:], courses=COURSE),
        LATER, panel(alt("06-02", "260", "y"))),
    "two baselines that differ for what comes later only": (
        rules("5.0"),
        panel(alt("01-20", "60", "B1"), alt("01-20", "70", "B2"), *many()[1:], courses=COURSE),
        LATER, panel(alt("06-02", "200", "y")), panel(alt("06-03", "205", "z"))),
    "twenty-five baselines of a day": (
        panel(*(alt("01-20", f"{n + 30}", f"B{n}") for n in range(25)), courses=COURSE), LATER),
    "three hundred undated": (
        panel(*(alt("01", f"{n + 30}", f"U{n}") for n in range(300)), courses=COURSE), LATER),
    "ranges of the study, for this analyte and for another": (
        panel(*(replace(one, uln=None) for one in many()), courses=COURSE),
        ranges(StudyRange("ALP", None, Decimal(120), "U/L")),
        panel(replace(alt("06-02", "130", "y"), uln=None)),
        ranges(StudyRange("ALT", None, Decimal(50), "U/L")),
        panel(replace(alt("06-03", "130", "z"), uln=None))),
    "two panels of one group": (
        panel(*many(), courses=COURSE),
        together(LATER, panel(alt("06-02", "900", "y"))),
        together(panel(alt("06-03", "90", "a")), panel(alt("06-02", "90", "y", status="corrected")),
                 panel(alt("06-04", "90", "b")))),
    "two values of one time in a message": (
        panel(*many(), courses=COURSE), panel(alt("06-01", "90", "x"), alt("06-01", "95", "x")),
        LATER),
    "two values of one time in a request": (
        panel(*many(), courses=COURSE),
        panel(alt("06-01", "90", "x"), alt("06-01", "95", "x"), message=False), LATER),
    "another specimen, not final, not readable": (
        panel(*many(), courses=COURSE),
        panel(alt("06-01", "90", "x", specimen="urine"), alt("06-02", "9", "y", status="cancelled"),
              alt("06-03", "9", "z", status="preliminary"), alt("06-04", "<9", "w")), LATER),
    "in the future": (
        panel(*many(), courses=COURSE),
        panel(replace(alt("06-01", "90", "x"), collected=read_collected("2099-01-01"))), LATER),
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The two databases."""

    keeping: Twin
    other: Twin

    def send(self, requests: Sequence[Request]) -> None:
        for number, request in enumerate(requests):
            answers = [twin.answer(request, number) for twin in (self.keeping, self.other)]
            assert answers[0] == answers[1], f"request {number}"
        assert self.keeping.all_rows() == self.other.all_rows()
        with self.keeping.engine.connect() as connection:
            assert list(wrong_summaries(connection)) == []


@pytest.fixture
def pair(request: pytest.FixtureRequest, kind: str) -> Iterator[Pair]:
    new: Callable[[], str] = request.getfixturevalue(f"new_{kind}")
    found = [Twin(build_engine(new()), keeps) for keeps in (True, False)]
    yield Pair(*found)
    for twin in found:
        twin.engine.dispose()


_ON_BOTH = ("nothing special", "sent again", "corrected", "a number with blanks",
            "between two courses", "two panels of one group")  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "case"),
    [*(("sqlite", case) for case in CASES), *(("postgresql", case) for case in _ON_BOTH)],
)
def test_it_is_as_beside_all(pair: Pair, case: str) -> None:
    pair.send(CASES[case])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_another_version_grades_all_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its grades name its version: none of the old one's may stay current beside a new panel."""
    pair.send([panel(*many(), courses=COURSE), LATER])
    for module in (addition, audit_summaries, grade_changes, kept_summary):
        monkeypatch.setattr(module, "__version__", "9.9.9")
    pair.send([panel(alt("06-02", "130", "y")), panel(alt("06-03", "130", "z"))])
    assert pair.keeping.added == 2, "the first of each version's own"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whoever_writes_a_grade_drops_the_summary(pair: Pair) -> None:
    """Also a process of an older version, which knows of no summaries."""
    pair.send([panel(*many(), courses=COURSE)])
    columns = "patient_id, result_id, analyte, because, phase, flags, edition, criteria_sha256"
    with pair.keeping.engine.begin() as connection:
        assert connection.execute(select(patient_summaries)).all() != []
        connection.execute(text(
            f"INSERT INTO grades ({columns}, software, recorded_at, id)"
            f" SELECT {columns}, software, recorded_at, id + 1000 FROM grades WHERE id = 1"
        ))  # fmt: skip
        assert connection.execute(select(patient_summaries)).all() == []
