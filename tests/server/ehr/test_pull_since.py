"""A further pull asks only for what is new or changed; in doubt it asks for everything."""

from typing import Any, Literal

import pytest
from sqlalchemy import select

from tests.conftest import NewDatabase, served
from tests.fhir.resources import coded, observation, procedure, quantity
from tests.server.ehr import fhir_server as server
from tests.server.ehr.fhir_server import FhirServer
from tests.server.ehr.pulling import Ran, grades, ran
from toxgrade.fhir.results import Accepted
from toxgrade.server.ehr.pull.wanted import Wanted
from toxgrade.server.records.db.service_tables import pull_marks
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.erase import erase_patient
from toxgrade.server.settings import Settings

_SINCE = "_lastUpdated=ge2011-05-31T10%3A00%3A00Z"


def changed(resource: dict[str, Any], at: str) -> dict[str, Any]:
    return resource | {"meta": {"lastUpdated": at}}


def bilirubin(number: str, day: str, value: str, at: str, **more: object) -> dict[str, Any]:
    more = {"valueQuantity": quantity(value, "mg/dL"), **more}
    return changed(observation(id=number, effectiveDateTime=day, **more), at)


@pytest.fixture
def dated(ehr: FhirServer) -> FhirServer:
    """A server that says when each resource was last changed: the newest on 1 June at ten."""
    ehr.resources = {}
    ehr.add(changed({"resourceType": "Patient", "id": "1"}, "2011-01-01T08:00:00Z"))
    ehr.add(changed(procedure(), "2011-03-10T08:00:00Z"))
    ehr.add(bilirubin("a", "2011-04-23", "1.8", "2011-04-24T08:00:00.123Z"))
    ehr.add(bilirubin("b", "2011-05-23", "1.9", "2011-06-01T12:00:00+02:00"))
    return ehr


def values(database_url: str, patient: str = "P1") -> list[tuple[str, str]]:
    """Values and days of what counts."""
    found = [one for one in grades(database_url, patient) if one["reason"] != "not-final"]
    return [(one["value"], one["collected"]) for one in found]


def asks_for_news(done: Ran) -> bool:
    return all(_SINCE in path for path in done.searches)


def asks_for_all(done: Ran) -> bool:
    return all("_lastUpdated" not in path for path in done.searches)


def test_a_second_pull_brings_what_is_new_corrected_or_withdrawn(
    dated: FhirServer, database_url: str
) -> None:
    first = ran(dated, database_url)
    assert (first.succeeded, asks_for_all(first)) == (True, True)
    found = dated.resources["Observation"]
    found[0] = bilirubin("a", "2011-04-23", "4", "2011-06-02T08:00:00Z", status="corrected")
    found[1] = bilirubin("b", "2011-05-23", "1.9", "2011-06-02T08:00:00Z",
                         status="entered-in-error")  # fmt: skip
    found.append(bilirubin("c", "2011-06-02", "7", "2011-06-02T08:00:00Z"))
    second = ran(dated, database_url)
    assert (second.succeeded, asks_for_news(second)) == (True, True)
    assert sorted(values(database_url)) == [("4", "2011-04-23"), ("7", "2011-06-02")]


def test_nothing_new_is_no_failure(dated: FhirServer, database_url: str) -> None:
    first, before = ran(dated, database_url), values(database_url)
    again = ran(dated, database_url)
    assert (again.succeeded, asks_for_news(again)) == (True, True)
    assert len(again.asked) == len(first.asked)
    assert again.told == ["1 results, 1 gradings, 0 undecided; not stored for want of a day: 0,"
        " dated after the recorded death: 0;"
                          " patients that could not be pulled: 0"]  # fmt: skip
    assert values(database_url) == before


def test_a_course_that_did_not_change_stays(dated: FhirServer, new_sqlite: NewDatabase) -> None:
    """All courses are replaced together: an answer with the changed ones alone would lose some."""
    url = new_sqlite()
    ran(dated, url)
    dated.add(changed(procedure("2011-06-01", "2011-06-03", id="rt2"), "2011-06-04T08:00:00Z"))
    assert ran(dated, url).succeeded
    assert {one["phase"] for one in grades(url, "P1")} == {"acute"}


def test_what_was_not_read_as_a_whole_is_read_again(
    dated: FhirServer, new_sqlite: NewDatabase
) -> None:
    url, fault = new_sqlite(), {"modifierExtension": [{"url": "urn:x"}]}
    dated.resources["Procedure"][0] |= fault
    for _ in range(2):
        again = ran(dated, url)
        assert (again.succeeded, asks_for_all(again)) == (False, True)
    del dated.resources["Procedure"][0]["modifierExtension"]
    assert asks_for_all(ran(dated, url))
    assert asks_for_news(ran(dated, url))


def test_a_failure_half_way_loses_nothing(dated: FhirServer, new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    ran(dated, url)
    dated.add(bilirubin("c", "2011-06-02", "7", "2011-06-02T08:00:00Z"))
    dated.faults = [server.as_it_is] * 3 + [server.answering({}, 500)]
    dated.faults += [server.answering({}, 500)]  # in answer to both questions
    assert not ran(dated, url).succeeded
    assert ran(dated, url).succeeded
    assert ("7", "2011-06-02") in values(url)


@pytest.mark.parametrize("since", ["refused", "ignored"])
def test_a_server_that_does_not_take_it_is_asked_for_all(
    dated: FhirServer, new_sqlite: NewDatabase, since: Literal["refused", "ignored"]
) -> None:
    url, both = new_sqlite(), [Wanted(2, "P1", ("1",)), Wanted(3, "P2", ("2",))]
    dated.add(changed({"resourceType": "Patient", "id": "2"}, "2011-01-01T08:00:00Z"))
    dated.add(bilirubin("d", "2011-05-23", "1.9", "2011-06-01T10:00:00Z",
                        subject={"reference": "Patient/2"}))  # fmt: skip
    ran(dated, url, *both)
    dated.since = since
    dated.add(bilirubin("c", "2011-06-02", "7", "2011-06-02T08:00:00Z"))
    second = ran(dated, url, *both)
    assert second.succeeded
    assert "the server does not take _lastUpdated: all is read each time" in second.told
    assert ("7", "2011-06-02") in values(url)
    by_date = {path for path in second.searches if "_lastUpdated" in path}
    assert by_date
    assert all("patient=1" in path for path in by_date)  # The other patient's are asked for as all.


def test_a_server_that_no_longer_has_the_newest_is_asked_for_all(
    dated: FhirServer, new_sqlite: NewDatabase
) -> None:
    """It was set back, or answers every question about dates with nothing."""
    url = new_sqlite()
    ran(dated, url)
    dated.resources["Observation"][1:] = [bilirubin("c", "2011-06-02", "7", "2011-05-01T08:00:00Z")]
    assert ran(dated, url).succeeded
    assert ("7", "2011-06-02") in values(url)


@pytest.mark.parametrize(
    "last_updated", [None, "2011-06-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_results_without_the_time_of_their_last_change_are_always_read(
    dated: FhirServer, new_sqlite: NewDatabase, last_updated: str | None
) -> None:
    url = new_sqlite()
    meta = {"lastUpdated": last_updated} if last_updated else {}
    dated.resources["Observation"][0]["meta"] = meta
    for _ in range(2):
        done = ran(dated, url)
        assert (done.succeeded, asks_for_all(done)) == (True, True)
        assert done.told[0].startswith("patients of whom all is read each time: 1;")


def test_a_change_in_the_future_hides_nothing(dated: FhirServer, new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    dated.add(bilirubin("c", "2011-06-02", "7", "2999-06-01T08:00:00Z"))
    ran(dated, url)
    assert asks_for_news(ran(dated, url))


def test_another_question_is_asked_about_everything(
    dated: FhirServer, new_sqlite: NewDatabase
) -> None:
    url = new_sqlite()
    ran(dated, url)
    assert asks_for_all(ran(dated, url, accepted=Accepted(unknown=True)))
    ran(dated, url)
    # sex or birth date may have been corrected: other reference ranges may apply
    changed_patient = changed({"resourceType": "Patient", "id": "1"}, "2011-06-07T08:00:00Z")
    dated.resources["Patient"] = [changed_patient]
    assert asks_for_all(ran(dated, url))
    assert asks_for_news(ran(dated, url))
    assert asks_for_all(ran(dated, url, is_whole=True))


def test_an_erasure_takes_along_up_to_when_the_patient_was_read(
    dated: FhirServer, database_url: str
) -> None:
    ran(dated, database_url)
    with transaction(database_url) as opened:
        query = select(pull_marks.c.patient)
        assert opened.connection.scalars(query).all() == ["P1"]
        erase_patient(opened, "default", "P1", "request under article 17")
        assert opened.connection.scalars(query).all() == []
    again = ran(dated, database_url)
    assert not again.succeeded
    assert "this patient was erased" in again.told[0]


def test_a_patient_without_the_time_of_the_last_change_is_always_read(
    dated: FhirServer, new_sqlite: NewDatabase
) -> None:
    """Sex or birth date may have been corrected."""
    url = new_sqlite()
    dated.resources["Patient"] = [{"resourceType": "Patient", "id": "1"}]
    for _ in range(2):
        assert asks_for_all(ran(dated, url))


def test_codes_of_the_site_are_asked_for_once_the_study_knows_them(
    dated: FhirServer, new_sqlite: NewDatabase
) -> None:
    url = new_sqlite()
    dated.add(bilirubin("k", "2011-05-20", "7", "2011-05-20T08:00:00Z",
                        code=coded("BILI,T", system="urn:lab")))  # fmt: skip
    assert ran(dated, url).succeeded
    assert ("7", "2011-05-20") not in values(url)
    with served(Settings(database_url=url, auth="off", workers=0)) as api:
        rules = {"dictionary": {"analytes": {"urn:lab|BILI,T": "bilirubin"}}}
        answer = api.put("/v1/studies/default", json=rules, params={"regrade": "true"})
        assert answer.status_code == 200, answer.text
    done = ran(dated, url)
    assert (done.succeeded, asks_for_all(done)) == (True, True)
    found = [one for one in grades(url, "P1") if one["collected"] == "2011-05-20"]
    assert [(one["value"], one["grade"]) for one in found] == [("7", 3)]


def test_what_the_database_does_not_have_is_asked_for(
    dated: FhirServer, new_sqlite: NewDatabase
) -> None:
    """Another database, as one that was restored from a backup, knows of no earlier pull."""
    ran(dated, new_sqlite())
    assert asks_for_all(ran(dated, new_sqlite()))
