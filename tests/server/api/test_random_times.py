"""Of random patients the times and the late list are the hull over all that may have happened.

Each day that an inexact date may stand for is tried, each end of radiotherapy where it is not
known, and whatever is sent in another order gives the same documents.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from typing import Any

import httpx
import pytest

from tests.conftest import NewDatabase, served
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import PRESETS
from toxgrade.server.settings import Settings

_START, _NEXT = date(2011, 1, 24), date(2011, 7, 1)
_ENDS = (date(2011, 3, 9), None)
_DATES = ("2011-02-10", "2011-05-20", "2011-06-30", "2011-08-01", "2011-01", "2011-06", "2011-07",
          "2011", "2011-02")  # fmt: skip
_ONSETS = (*_DATES, "2010-12-01", "2011-01-24")
_GRID = tuple(map(date.fromisoformat, (
    "2011-01-01", "2011-01-03", "2011-01-24", "2011-01-25", "2011-02-10", "2011-04-24",
    "2011-05-20", "2011-06-09", "2011-06-10", "2011-06-30", "2011-07-01", "2011-12-31",
)))  # fmt: skip
_VALUES = {0: "1.0", 1: "1.5", 2: "2.5", 3: "6.0"}  # bilirubin at a ULN of 1.2 mg/dL, by grade
_PATIENTS = 40


@dataclass
class _Patient:
    """Bilirubin by grade and date, nausea by grade and onset; ``baseline`` None: not measured."""

    name: str
    end: date | None
    next_start: date | None
    baseline: int | None
    results: list[tuple[int, str]] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)


def _random_patients(seed: int) -> list[_Patient]:
    chance = random.Random(seed)
    found = []
    for number in range(_PATIENTS):
        one = _Patient(
            f"P{number:02}", chance.choice(_ENDS), chance.choice((_NEXT, None)),
            chance.choice((0, 0, 0, 1, 2, None)),
        )  # fmt: skip
        dates = chance.sample(_DATES, chance.randint(0, 3))
        one.results = [(chance.randint(0, 3), day) for day in dates]
        onsets = chance.sample(_ONSETS, chance.randint(0, 3))
        one.events = [(chance.randint(0, 3), day) for day in onsets]
        found.append(one)
    return found


def _store(client: httpx.Client, study: str, patients: list[_Patient], order: int) -> None:
    """Send each patient's results one by one or together, before or after courses, by ``order``."""
    chance = random.Random(order)
    assert client.put(f"/v1/studies/{study}", json={}).status_code == 201
    for one in chance.sample(patients, len(patients)):
        place = f"/v1/studies/{study}/patients/{one.name}"
        courses = [{"start": _START.isoformat(), "end": one.end and one.end.isoformat()}]
        if one.next_start:
            courses.append({"start": one.next_start.isoformat(), "end": "2011-07-20"})
        sent: list[tuple[str, str, dict[str, Any]]] = [
            ("PUT", place, {"courses": courses, "last_contact": "2013-01-01",
                            "vital_status": "alive"}),
            *(("POST", f"{place}/events", {"term": "Nausea", "grade": grade, "onset": day})
              for grade, day in one.events),
        ]  # fmt: skip
        labs = [_bilirubin(grade, day) for grade, day in one.results]
        if one.baseline is not None:
            labs.append(_bilirubin(one.baseline, "2011-01-20"))
        chance.shuffle(labs)
        cut = chance.randint(0, len(labs))
        sent += [("POST", f"{place}/results", {"results": some})
                 for some in (labs[:cut], labs[cut:]) if some]  # fmt: skip
        for method, url, body in chance.sample(sent, len(sent)):
            answer = client.request(method, url, json=body)
            assert answer.status_code in (200, 201), answer.text


def _bilirubin(grade: int, day: str) -> dict[str, Any]:
    return {"analyte": "bilirubin", "value": _VALUES[grade], "unit": "mg/dL", "lln": "0.2",
            "uln": "1.2", "collected": day}  # fmt: skip


@pytest.fixture(scope="module")
def client(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    settings = Settings(database_url=new_sqlite(), auth="off", rate_per_second=1e9)
    with served(settings) as found:
        yield found


@pytest.mark.parametrize("seed", range(3))
def test_reductions_over_time_are_the_hull(client: httpx.Client, seed: int) -> None:
    patients = _random_patients(seed)
    _store(client, f"hull-{seed}", patients, order=1)
    _store(client, f"other-order-{seed}", patients, order=2)
    for term, minimum in product(("Blood bilirubin increased", "Nausea"), (1, 2, 3)):
        query = f"time-to-grade?term={term}&min_grade={minimum}"
        answer = _same(client, seed, query)
        verdicts = {one.name: _reached(one, minimum, clinical=term == "Nausea") for one in patients}
        assert answer["events"] == sum(v is True for v in verdicts.values()), query
        assert answer["undecided"] == [n for n, v in verdicts.items() if v is None], query
    late = _same(client, seed, "late-toxicity")
    verdicts = {one.name: _late(one) for one in patients}
    for name, verdict in (("late", True), ("undecided", None)):
        found = [one["patient"] for one in late[name] if one["term"] != "Nausea"]
        assert found == [n for n, v in verdicts.items() if v is verdict], name
    _same(client, seed, "survival")


def _same(client: httpx.Client, seed: int, query: str) -> dict[str, Any]:
    """The document of the study, which is that of the study stored in another order."""
    one, other = (
        client.get(f"/v1/studies/{study}-{seed}/{query}").json()
        for study in ("hull", "other-order")
    )
    assert {**one, "study": ""} == {**other, "study": ""}
    found: dict[str, Any] = one
    return found


def _verdict(cases: Iterator[bool]) -> bool | None:
    found = set(cases)
    return found.pop() if len(found) == 1 else None


def _days(text: str) -> list[date]:
    when = read_collected(text)
    return sorted({when.first, when.last, *(d for d in _GRID if when.first <= d <= when.last)})


def _reached(one: _Patient, minimum: int, *, clinical: bool) -> bool | None:
    """Whether a grade worse than the baseline was reached in the first course; None: in some."""
    graded = one.events if clinical else one.results
    until = one.next_start or date.max

    def cases() -> Iterator[bool]:
        for days in product(*(_days(text) for _, text in graded)):
            placed = [(day, grade) for day, (grade, _) in zip(days, graded, strict=True)]
            for baseline in _baselines(one, placed, clinical=clinical):
                yield any(_START < day < until and grade >= minimum and grade > baseline
                          for day, grade in placed)  # fmt: skip

    return _verdict(cases())


def _baselines(one: _Patient, placed: list[tuple[date, int]], *, clinical: bool) -> list[int]:
    if not clinical:
        return list(range(-1, 6)) if one.baseline is None else [one.baseline]
    return [max((dated for dated in placed if dated[0] <= _START), default=(_START, 0))[1]]


def _late(one: _Patient) -> bool | None:
    until = one.next_start or date.max
    ends = [one.end] if one.end else [_START, date(2011, 2, 10), date(2012, 12, 1)]

    def cases() -> Iterator[bool]:
        every = product(ends, *(_days(text) for _, text in one.results))
        for end, *days in every:
            last_acute = PRESETS["paper"].last_acute_day(end)
            for baseline in _baselines(one, [], clinical=False):
                yield any(
                    last_acute < day < until and grade >= 1 and grade > baseline
                    for day, (grade, _) in zip(days, one.results, strict=True)
                )

    return _verdict(cases())


def test_the_grid_has_the_days_on_which_phases_change() -> None:
    changes = {_START, _NEXT - timedelta(1), PRESETS["paper"].last_acute_day(date(2011, 3, 9))}
    assert {day + timedelta(n) for day in changes for n in (0, 1)} <= set(_GRID)
