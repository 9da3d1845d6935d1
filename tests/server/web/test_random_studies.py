"""Whatever a study holds, its reports, pages and pictures are there, the same of both databases."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import NewDatabase, served
from toxgrade.server.settings import Settings

_LABS = (
    ("bilirubin", ("mg/dL", "umol/L", "furlong"), "0.2", "1.2"),
    ("ALT", ("U/L", None), None, "40"),
    ("AST", ("U/L",), None, "40"),
    ("ALP", ("U/L",), "40", "120"),
    ("albumin", ("g/L",), "35", "52"),
    ("WBC", ("10*9/L", "/uL"), "4", "10"),
    ("platelets", ("10*9/L",), "150", "400"),
    ("hemoglobin", ("g/dL",), "12", "16"),
    ("fibrinogen", ("mg/dL",), "200", "400"),
    ("glucose", ("mg/dL",), "70", "100"),
    ("INR", ("1",), "0.8", "1.2"),
    ("lead", ("U/L",), None, None),
)
_VALUES = ("0", "0.5", "1", "1.8", "3.5", "12", "40", "100", "250", "5000", "<5", ">=40", None)
_DAYS = (-400, -30, -1, 0, 1, 44, 45, 100, 136, 137, 400)
_COURSES = (
    {"start": "2011-01-24", "end": "2011-03-09"},
    {"start": "2011-06-01", "end": None},
    {"start": "2012-01-01", "end": "2012-01-01"},
)
_FOLLOWED: tuple[dict[str, str], ...] = (
    {},
    {"last_contact": "2009-01-01", "vital_status": "alive"},
    {"last_contact": "2011-01-24", "vital_status": "alive"},
    {"last_contact": "2012-06-01", "vital_status": "dead"},
)
_ROWS = ("Blood bilirubin increased", "Leukopenia", "Nausea", "Liver enzymes", "Hypoglycemia")


class _Study:
    """A made-up study of up to four patients, stored by ``client`` under ``name``."""

    def __init__(self, client: httpx.Client, name: str, seed: int) -> None:
        self._client, self._chance = client, random.Random(seed)
        self.url = f"/v1/studies/{name}"
        window = self._chance.choice(("paper", "rtog90", {"anchor": "end", "months": 0}))
        edition = self._chance.choice(("4.03", "5.0", "6.0"))
        self._send("PUT", self.url, {"edition": edition, "window": window})
        self.patients = [f"P{number}" for number in range(self._chance.randint(0, 4))]
        for patient in self.patients:
            self._fill(f"{self.url}/patients/{patient}")

    def _fill(self, patient: str) -> None:
        choose, often = self._chance.choice, self._chance.random
        labs = [self._lab(number) for number in range(self._chance.randint(1, 12))]
        if often() < 0.7:
            courses = list(_COURSES[: self._chance.randint(0, 3)])
            self._send("PUT", patient, {"courses": courses, **choose(_FOLLOWED)})
        else:
            self._send("POST", f"{patient}/results", {"results": labs[:1]})
        if often() < 0.8:
            self._send("POST", f"{patient}/results", {"results": labs})
        if often() < 0.5:
            event = {"term": choose(("Nausea", "Fatigue", "Ascites")), "grade": choose((0, 1, 2))}
            more = {"onset": choose(("2011-02-01", "2011", "2010-12")), "attribution": "unknown"}
            self._send("POST", f"{patient}/events", event | more)

    def _lab(self, number: int) -> dict[str, Any]:
        analyte, units, lln, uln = self._chance.choice(_LABS)
        day = (date(2011, 1, 24) + timedelta(self._chance.choice(_DAYS))).isoformat()
        has_range = self._chance.random() < 0.7
        return {
            "analyte": analyte, "value": self._chance.choice(_VALUES),
            "unit": self._chance.choice(units), "lln": lln if has_range else None,
            "uln": uln if has_range else None, "source_id": f"S{number}",
            "collected": day[: self._chance.choice((4, 7, 10, 10, 10, 10))],
            "status": self._chance.choice(("final", "final", "final", "preliminary", "cancelled")),
        }  # fmt: skip

    def _send(self, method: str, url: str, body: dict[str, Any]) -> None:
        answer = self._client.request(method, url, json=body)
        assert answer.status_code in (200, 201), answer.text


def _reports(study: _Study) -> Iterator[str]:
    for phase in ("acute", "late", "both"):
        for more in ("", "&course=2", "&on_treatment=false", "&include_baseline=true"):
            yield f"{study.url}/toxicity-table?phase={phase}{more}"
    for row in _ROWS:
        yield f"{study.url}/shift-table?term={row}"
        yield f"{study.url}/time-to-grade?term={row}&grade=2"
    for name in ("late-toxicity", "survival", "liver-safety", "patients"):
        yield f"{study.url}/{name}"


def _pages(study: _Study) -> Iterator[str]:
    place = study.url.removeprefix("/v1")
    for page in ("", "?phase=both", "/patients", "/batches", "/audit"):
        yield f"{place}{page}"
    for reading in (
        "any_toxicity", "any_toxicity_alternative", "any_grade", "grade_3_or_more",
        "window_incomplete",
    ):  # fmt: skip
        yield f"{place}/behind/acute/{reading}"
    for what in ("2", "could_be_higher", "partial", "member_worse"):
        yield f"{place}/behind/both/Liver enzymes/worst/{what}"
    for picture in ("butterfly", "shift", "edish", "swimmer", "incidence"):
        yield f"{place}/pictures/{picture}"
        yield f"{place}/pictures/{picture}.svg"
    for patient in study.patients:
        yield f"{place}/patients/{patient}"
        yield f"{place}/patients/{patient}/timeline.svg"
        yield f"{study.url}/patients/{patient}/toxicity"


@pytest.fixture(scope="module")
def clients(
    new_sqlite: NewDatabase, new_postgresql: NewDatabase
) -> Iterator[tuple[httpx.Client, ...]]:
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(
                served(Settings(database_url=new(), auth="off", rate_per_second=1e9))
            )
            for new in (new_sqlite, new_postgresql)
        )


@pytest.mark.parametrize("seed", range(8))
def test_every_report_page_and_picture_is_there(
    clients: tuple[httpx.Client, ...], seed: int
) -> None:
    studies = [_Study(client, f"random-{seed}", seed) for client in clients]
    kinds = ("application/json", "text/csv", "text/html")
    for number, path in enumerate(_reports(studies[0])):
        answers = [client.get(path, headers={"Accept": kinds[number % 3]}) for client in clients]
        assert [answer.status_code for answer in answers] == [200, 200], path
        assert answers[0].text == answers[1].text, path
    for path in (*_pages(studies[0]), f"{studies[0].url}/audit"):
        assert [client.get(path).status_code for client in clients] == [200, 200], path
