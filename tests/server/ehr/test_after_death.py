"""A result dated after the recorded death is passed over and told; the rest of it is stored."""

from datetime import date

import httpx
import pytest

from tests.fhir.resources import answered, issues, observation
from tests.server.ehr.fhir_server import FhirServer
from tests.server.ehr.oru import fields, message, obx
from tests.server.ehr.pulling import grades, ran
from tests.server.ehr.test_hl7_door import send
from tests.server.ehr.test_persist import keep
from toxgrade.criteria.reader import load
from toxgrade.grading.rules import Graders
from toxgrade.server.records.current_state import FollowUp
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.patient_record import PatientRecord, put_patient

_P1 = "/v1/studies/default/patients/P1"
_TEXT = "dated after the patient's death as it is recorded"


def died(api: httpx.Client, day: str) -> None:
    answer = api.put(_P1, json={"last_contact": day, "vital_status": "dead"})
    assert answer.status_code == 200, answer.text


def days(api: httpx.Client) -> list[str]:
    return [grade["collected"] for grade in api.get(f"{_P1}/grades").json()["grades"]]


def test_hl7_stores_the_rest_and_warns(api: httpx.Client) -> None:
    died(api, "2011-04-23")
    told = send(api, message(obx(), obx(2, f3="1742-6^ALT^LN", f5="50", f6="U/L", f7="0-40",
                                        f14="20110424")))  # fmt: skip
    (msa,) = fields(told, "MSA")
    assert msa[1:] == ["AA", "42", "1 results stored, 1 gradings, 0 undecided, 1 passed over"]
    (err,) = fields(told, "ERR")
    assert (err[2], err[4], err[5]) == ("OBX^2", "W", "passed-over")
    assert err[8] == f"passed over: {_TEXT}"
    assert days(api) == ["2011-04-23"]


def test_hl7_takes_a_withdrawal(api: httpx.Client) -> None:
    send(api, message())
    died(api, "2011-04-20")
    (before,) = api.get(f"{_P1}/grades").json()["grades"]
    assert before["flags"] == ["after-death"]
    told = send(api, message(obx(f11="D")))
    assert fields(told, "MSA")[0][1] == "AA"
    (now,) = api.get(f"{_P1}/grades").json()["grades"]
    assert now["reason"] == "not-final"


def test_hl7_tells_of_an_unlikely_date(api: httpx.Client) -> None:
    told = send(api, message(obx(f14="20990423")))
    assert [(err[4], err[5]) for err in fields(told, "ERR")] == [("W", "unlikely-date")]


def test_fhir_stores_the_rest_and_notes_it(api: httpx.Client) -> None:
    died(api, "2011-04-23")
    late = observation(id="o2", effectiveDateTime="2011-04-24")
    answer = answered(api, keep(observation(), late))
    assert str(answer).count(_TEXT) == 1
    (place,) = [where for code, where in issues(answer) if code == "not-stored"]
    assert "entry[1]" in str(place)
    assert days(api) == ["2011-04-23"]


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_fhir_takes_a_withdrawal(api: httpx.Client, status: str) -> None:
    answered(api, keep(observation()))
    died(api, "2011-04-20")
    answer = answered(api, keep(observation(status=status)))
    assert _TEXT not in str(answer)
    (now,) = api.get(f"{_P1}/grades").json()["grades"]
    assert now["reason"] == "not-final"


def test_a_pull_tells_how_many_and_reads_them_again(ehr: FhirServer, database_url: str) -> None:
    """Were the day of death wrong, the next pull brings what this one passed over."""

    def record(day: str) -> None:
        with transaction(database_url) as opened:
            follow_up = FollowUp(date.fromisoformat(day), "dead")
            sent = PatientRecord(None, follow_up)
            put_patient(opened, "default", "P1", sent, Graders(load(only="4.03")))

    record("2011-05-03")  # two of seven results are of 4 and 5 May
    first = ran(ehr, database_url)
    assert first.succeeded
    assert first.told[-1].startswith("5 results, ")
    assert "dated after the recorded death: 2;" in first.told[-1]
    record("2011-06-03")
    again = ran(ehr, database_url)
    assert "dated after the recorded death: 0;" in again.told[-1]
    assert {g["collected"] for g in grades(database_url, "P1")} >= {"2011-05-04", "2011-05-05"}
