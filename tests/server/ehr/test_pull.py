"""``toxgrade pull``: a real server that misbehaves, real databases, what is stored in the end."""

import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewDatabase, served
from tests.fhir.resources import observation, procedure
from tests.server.ehr import fhir_server as server
from tests.server.ehr.fhir_server import FhirServer, page
from tests.server.ehr.pulling import grades, grades_of, pulled, run
from tests.tls import certified
from toxgrade.errors import RequestError, SourceError
from toxgrade.server.ehr.pull.fhir_server import read_base
from toxgrade.server.settings import Settings


def test_every_page_is_read(ehr: FhirServer) -> None:
    found = pulled(ehr)
    assert len(found.results) == 7
    assert [(str(c.start), str(c.end)) for c in found.courses] == [("2011-01-24", "2011-03-09")]
    assert found.undated == 0


@pytest.mark.parametrize(
    "fault", [server.throttled, server.unavailable, server.stalled, server.broken_off]
)
@pytest.mark.parametrize("at", [0, 2, 4])
def test_what_may_pass_is_tried_again(ehr: FhirServer, fault: server.Fault, at: int) -> None:
    ehr.faults = [server.as_it_is] * at + [fault, fault]
    assert len(pulled(ehr).results) == 7


_ELSEWHERE = page(following="http://elsewhere.example/fhir/Procedure")
_CIRCLE = page(following="?")
_PARTLY = page(
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([server.unavailable] * 4, "no answer after 4 attempts (status 503)"),
        ([server.stalled] * 4, "no answer after 4 attempts (ReadTimeout)"),
        ([server.broken_off] * 4, "no answer after 4 attempts (RemoteProtocolError)"),
        ([server.redirected], "the server redirects: give the address it leads to"),
        ([server.answering({}, 404)], "the server answered 404"),
        ([server.answering("x" * 60_000)], "an answer is longer than 50000 bytes"),
        ([server.answering([1])], "an answer cannot be read: it is not a JSON object"),
        ([server.answering("<!doctype html>", is_json=False)], "an answer cannot be read"),
        ([server.answering("[" * 40_000, is_json=False)], "an answer cannot be read"),
        ([server.gzipped], "an answer is compressed"),
        ([server.answering({}, 401)], "the server answered 401: it does not accept who we say"),
        ([server.answering({}, 403)], "the server answered 403: it does not let us read this"),
        ([server.as_it_is, server.answering({}, 404)], "the search for Procedure with 404"),
        ([server.as_it_is, server.answering({"resourceType": "OperationOutcome"})],
         "the search for Procedure was not answered with a searchset"),
        ([server.as_it_is, server.answering({"resourceType": "Patient"})],
         "the search for Procedure was not answered with a searchset"),
        ([server.as_it_is, server.answering(_ELSEWHERE)], "the next page lies on another server"),
        ([server.as_it_is, *[server.answering(_CIRCLE)] * 3], "lead in a circle"),
        ([server.as_it_is, server.answering(page(following="https://[::1/"))],
         "the address of the next page cannot be read"),
        ([server.as_it_is, server.answering(page(following="//me:secret@127.0.0.1/"))],
         "the next page lies on another server"),
        ([server.as_it_is, server.answering(_PARTLY)], "answered in part, with an error"),
        ([server.answering(page())], "another resource than the Patient"),
        ([server.answering({"resourceType": "Group"})], "another resource than the Patient"),
    ],
)  # fmt: skip
def test_what_will_not_pass_is_said(ehr: FhirServer, faults: list[server.Fault], said: str) -> None:
    ehr.faults = faults
    with pytest.raises(SourceError) as error:
        pulled(ehr)
    assert said in str(error.value)


def test_a_server_may_not_answer_for_another_patient(ehr: FhirServer) -> None:
    other = observation(id="other", subject={"reference": "Patient/2"})
    ehr.faults = [server.as_it_is, server.as_it_is, server.answering(page(other))]
    with pytest.raises(SourceError, match="another patient's"):
        pulled(ehr)


def _course_of(reference: str) -> dict[str, Any]:
    return procedure(subject={"reference": reference})


@pytest.mark.parametrize(
    ("subject", "full_url"),
    [
        ("{base}/Patient/1", None),
        ("Patient/1", "{base}/Procedure/rt"),
        # behind a proxy, under its own name
        ("http://inside:8080/fhir/Patient/1", "http://inside:8080/fhir/Procedure/rt"),
    ],
)
def test_relative_and_absolute_subjects_lie_on_one_base(
    ehr: FhirServer, subject: str, full_url: str | None
) -> None:
    found = page(_course_of(subject.format(base=ehr.url)))
    if full_url:
        found["entry"][0]["fullUrl"] = full_url.format(base=ehr.url)
    ehr.faults = [server.as_it_is, server.answering(found)]
    got = pulled(ehr)
    assert (len(got.results), len(got.courses), got.is_whole) == (7, 1, True)
    assert {lab.source_scope for _, lab in got.results} == {ehr.url.replace("http", "https") + "/"}


@pytest.mark.parametrize(
    "subject", ["http://elsewhere.example/fhir/Patient/1", "Patient/2", "urn:uuid:1", "Group/1"]
)
def test_a_course_of_another_patient_is_refused(ehr: FhirServer, subject: str) -> None:
    ehr.faults = [server.as_it_is, server.answering(page(_course_of(subject)))]
    with pytest.raises(SourceError, match="another patient's"):
        pulled(ehr)


def test_a_patient_may_be_named_by_an_identifier(ehr: FhirServer) -> None:
    mrn = {"system": "urn:mrn", "value": "7"}
    ehr.resources["Patient"][0]["identifier"] = [mrn]
    named = procedure(subject={"identifier": mrn})
    ehr.faults = [server.as_it_is, server.answering(page(named))]
    assert len(pulled(ehr).courses) == 1


def test_results_without_an_id_do_not_hide_each_other(ehr: FhirServer) -> None:
    two = [observation(id=None, effectiveDateTime=f"2011-06-0{n}") for n in (1, 2)]
    ehr.faults = [server.as_it_is, server.as_it_is, server.answering(page(*two))]
    days = {str(lab.collected.first) for _, lab in pulled(ehr).results if lab.collected}
    assert {"2011-06-01", "2011-06-02"} <= days


@pytest.mark.parametrize(
    ("course", "courses", "told", "is_whole"),
    [
        (procedure(end="2011-01-01"), 0, "end is before the start", False),
        (procedure(performedPeriod={}, performedDateTime="2011-03-09"), 0, "expected a period",
         False),
        (procedure(modifierExtension=[{"url": "urn:x"}]), 0, "may change what", False),
        (procedure(status="in-progress"), 1, "this end is not taken", True),
        (procedure(end="2011-03"), 1, "expected a full date", True),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_told_and_the_rest_is(
    ehr: FhirServer, course: dict[str, Any], courses: int, told: str, is_whole: bool
) -> None:
    ehr.resources["Procedure"] = [course]
    got = pulled(ehr)
    assert (len(got.results), len(got.courses), got.is_whole) == (7, courses, is_whole)
    (line,) = got.told
    assert line.startswith(("Procedure.performed", "Procedure.modifier"))
    assert told in line


def test_pages_without_end_are_left(ehr: FhirServer) -> None:
    """Each leads to a new address, on which the same is found again."""

    def endless(handler: Any) -> bool:
        ehr.faults.append(endless)
        if "Procedure" not in handler.path:
            return False
        result = observation(id=f"n{len(ehr.asked)}")
        handler.answer(200, page(result, following=f"{ehr.url}/Procedure?page={len(ehr.asked)}"))
        return True

    ehr.faults = [endless]
    with pytest.raises(SourceError, match="have no end"):
        pulled(ehr)
    assert len({path for path in ehr.asked if "Procedure" in path}) == 1000


_WARNED = {"resourceType": "OperationOutcome",
           "issue": [{"severity": "warning", "code": "suppressed"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (page(observation(), _WARNED), "the server says that it did not find every Observation"),
        (page(observation()) | {"total": 2}, "the server found more of Observation than it sent"),
    ],
)
def test_what_a_server_leaves_out_is_told_and_the_patient_not_done(
    ehr: FhirServer, answer: dict[str, Any], told: str
) -> None:
    ehr.faults = [server.as_it_is, server.as_it_is, server.answering(answer)]
    found = pulled(ehr)
    assert (found.told, found.is_whole) == ((told,), False)
    assert found.results


def test_a_hint_or_something_else_among_the_results_changes_nothing(ehr: FhirServer) -> None:
    hint = _WARNED | {"issue": [{"severity": "information", "code": "informational"}]}
    others = page(hint, {"resourceType": "Patient", "id": "2"}, observation()) | {"total": 1}
    ehr.faults = [server.as_it_is, server.as_it_is, server.answering(others)]
    found = pulled(ehr)
    assert (found.told, found.is_whole) == ((), True)


@pytest.mark.parametrize(
    "retry_after", ["Wed, 01 Jun 2011 10:00:00 GMT", "soon", "-1", "Wed, 01 Jun 2011 10:00:00"]
)
def test_a_wait_is_told_by_the_clock_of_the_server(ehr: FhirServer, retry_after: str) -> None:
    """Ours may be wrong by years; what cannot be read says nothing."""
    ehr.faults = [server.dated("Wed, 01 Jun 2011 10:00:00 GMT", retry_after)] * 2
    assert len(pulled(ehr).results) == 7


def test_a_certificate_that_is_not_trusted_is_named_at_once(
    tmp_path: Path, new_sqlite: NewDatabase
) -> None:
    """It will not be trusted at the next attempt."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified(tmp_path, "localhost"))
    with server.fhir_server(context) as ehr:
        ehr.host = "localhost"
        began = time.monotonic()
        done = run(ehr, new_sqlite(), tmp_path, "patient,fhir_id\nP1,1\n")
    assert "line 2: the server is not trusted: its certificate is not of an auth" in done.stderr
    assert time.monotonic() - began < 10


def test_a_long_wait_is_left_for_later(ehr: FhirServer) -> None:
    ehr.faults = [server.answering({}, 503, Retry_After="3600")]
    with pytest.raises(SourceError, match="asks to come again in 3600 s"):
        pulled(ehr)
    later = server.dated("Wed, 01 Jun 2011 10:00:00 GMT", "Wed, 01 Jun 2011 11:00:00 GMT")
    ehr.faults = [later]
    with pytest.raises(SourceError, match="asks to come again in 3600 s"):
        pulled(ehr)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ehr",
        "http://ehr.example/fhir",
        "ftp://127.0.0.1/",
        "https://u:p@ehr.example/",
        "https://",
    ],
)
def test_an_address_without_tls_is_refused(address: str) -> None:
    with pytest.raises(RequestError, match="expected https://host/path"):
        read_base(address)


def test_what_is_pulled_is_graded_stored_and_audited(
    ehr: FhirServer, database_url: str, tmp_path: Path
) -> None:
    done = run(ehr, database_url, tmp_path, "patient,fhir_id\nP1,1\n")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == (
        "7 results, 8 gradings, 0 undecided; not stored for want of a day: 0,"
        " dated after the recorded death: 0;"
        " patients that could not be pulled: 0"
    )
    with served(Settings(database_url=database_url, auth="off", workers=0)) as api:
        found = grades_of(api, "P1")
        entries = api.get("/v1/studies/default/audit").json()["entries"]
    worse = [g for g in found if g["worse_than_baseline"]]
    assert {(g["grade"], g["phase"], g["baseline_grade"]) for g in worse} == {(1, "acute", 0)}
    assert len(worse) == 5
    assert [(e["action"], e["patient"]) for e in entries[:1]] == [("toxgrade pull", "P1")]
    again = run(ehr, database_url, tmp_path, "patient,fhir_id\nP1,1\n")
    assert again.returncode == 0
    assert grades(database_url, "P1") == found  # nothing is stored twice


def test_a_pull_that_broke_off_goes_on(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    url, patients = new_sqlite(), "patient,fhir_id\nP1,1\nP2,none\nP3,3\n"
    ehr.add({"resourceType": "Patient", "id": "3"}, observation(subject={"reference": "Patient/3"}))
    first = run(ehr, url, tmp_path, patients, "--done", "done.txt")
    assert first.returncode == 1
    assert "line 3: the server answered 404" in first.stderr
    assert len(grades(url, "P3")) == 1
    assert (tmp_path / "done.txt").read_text().splitlines()[1:] == ["P1", "P3"]
    ehr.add({"resourceType": "Patient", "id": "none"},
            observation(subject={"reference": "Patient/none"}))  # fmt: skip
    ehr.asked.clear()
    second = run(ehr, url, tmp_path, patients, "--done", "done.txt")
    assert second.returncode == 0
    assert all("none" in path for path in ehr.asked)
    other = run(ehr, url, tmp_path, patients, "--done", "done.txt", "--study", "trial")
    assert other.returncode == 2
    assert "of another study or server" in other.stderr


def test_nothing_found_is_told_and_never_done(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    url, patients = new_sqlite(), "patient,fhir_id\nP1,1\nP2,2\nP3,3\n"
    ehr.add({"resourceType": "Patient", "id": "2"}, {"resourceType": "Patient", "id": "3"})
    ehr.add(_course_of("Patient/3"))
    first = run(ehr, url, tmp_path, patients, "--done", "done.txt")
    assert first.returncode == 1
    assert "line 3: nothing was found for this patient" in first.stderr
    assert "line 4: no result was found, only radiotherapy" in first.stderr
    assert "patients that could not be pulled: 2" in first.stderr
    assert "patients of whom nothing was found, who are not done: 1 (P2)" in first.stderr
    assert (tmp_path / "done.txt").read_text().splitlines()[1:] == ["P1"]


def test_a_course_that_is_lost_is_told_and_never_done(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    url = new_sqlite()
    ehr.resources["Procedure"] = [procedure(end="2011-01-01")]
    done = run(ehr, url, tmp_path, "patient,fhir_id\nP1,1\n", "--done", "done.txt")
    assert done.returncode == 1
    assert "line 2: Procedure.performedPeriod.end: the end is before the start" in done.stderr
    assert len(grades(url, "P1")) == 8
    assert len((tmp_path / "done.txt").read_text().splitlines()) == 1


def test_a_server_that_knows_patients_by_reference_only(ehr: FhirServer) -> None:
    ehr.by_reference = True
    assert len(pulled(ehr).results) == 7


@pytest.mark.parametrize("after", [6, 7])
def test_a_failure_among_the_pages_is_never_nothing_found(ehr: FhirServer, after: int) -> None:
    """An answer that says "not in this form" to the first search means an error at a later one."""
    ehr.by_reference = True
    ehr.faults = [server.as_it_is] * after + [server.answering({}, 404)]
    with pytest.raises(SourceError, match="404"):
        pulled(ehr)


def test_a_server_that_does_not_take_the_longer_form_has_nothing(ehr: FhirServer) -> None:
    ehr.resources["Observation"], ehr.resources["Procedure"] = [], []
    ehr.faults = [server.as_it_is] * 5 + [server.answering({}, 400)]
    found = pulled(ehr)
    assert (found.is_empty, ehr.asked[-1].count("Patient%2F1")) == (True, 1)


def test_a_server_that_fails_for_everyone_is_left_alone(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    rows = "".join(f"P{n},no{n}\n" for n in range(9))
    done = run(ehr, new_sqlite(), tmp_path, f"patient,fhir_id\n{rows}")
    assert done.returncode == 1
    assert "failed 3 times in a row: stopped; patients not asked for: 6" in done.stderr
    assert len(ehr.asked) == 3


@pytest.mark.parametrize(
    ("patients", "said"),
    [
        ("id\n1\n", "patients.csv: the header lacks patient"),
        (
            "patient,fhir_id\nP1,1\nP 2,2\n",
            "patients.csv, line 3: patient is the study's pseudonym",
        ),
        ("patient,fhir_id\nP1,a/../b\n", "patients.csv, line 2: fhir_id is the id"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path, patients: str, said: str
) -> None:
    done = run(ehr, new_sqlite(), tmp_path, patients)
    assert done.returncode == 2
    assert said in done.stderr
    assert ehr.asked == []


def test_what_is_not_there_is_said_before_the_server_is_asked(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    url = new_sqlite()
    for given, said in (
        (("--study", "nowhere"), "toxgrade: there is no such study"),
        (("--patients", "nobody.csv"), "toxgrade: nobody.csv: No such file"),
    ):
        done = run(ehr, url, tmp_path, "patient,fhir_id\nP1,1\n", *given)
        assert (done.returncode, done.stderr[: len(said)]) == (2, said)
    assert ehr.asked == []
