"""``toxgrade pull``: a real server that misbehaves, real databases, what is stored in the end."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.conftest import NewDatabase, served
from tests.fhir.resources import coded, observation, procedure, quantity
from tests.server.ehr import fhir_server as server
from tests.server.ehr.fhir_server import FhirServer, page
from toxgrade.criteria.reader import load
from toxgrade.errors import RequestError, SourceError
from toxgrade.fhir.results import Accepted
from toxgrade.grading.rules import Graders
from toxgrade.server.ehr.pull.fhir_server import Server, read_base, token_address
from toxgrade.server.ehr.pull.http_client import Calls, Limits
from toxgrade.server.ehr.pull.patients import Pulled, pull_patient
from toxgrade.server.settings import Settings

_GRADERS = Graders(load())
_QUICK = Limits(answer_bytes=50_000, silence_seconds=0.3, first_wait=0.01, attempts=4)


@pytest.fixture
def ehr() -> Iterator[FhirServer]:
    """A server with one patient: seven results over four pages, and a course of radiotherapy."""
    with server.fhir_server() as told:
        told.add({"resourceType": "Patient", "id": "1", "gender": "female"}, procedure())
        told.add(*(observation(id=f"b{n}", effectiveDateTime=f"2011-05-0{n}") for n in range(1, 6)))
        told.add(observation(id="before", effectiveDateTime="2011-01-20",
                             valueQuantity=quantity("0.9", "mg/dL")))  # fmt: skip
        told.add(observation(id="wbc", code=coded("6690-2"), referenceRange=None,
                             valueQuantity=quantity("2.8", "10*9/L")))  # fmt: skip
        yield told


def pulled(told: FhirServer, fhir_id: str = "1") -> Pulled:
    calls = Calls(_QUICK)
    try:
        return pull_patient(Server(read_base(told.url), calls), fhir_id, _GRADERS, Accepted())
    finally:
        calls.close()


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
        ([server.as_it_is, server.answering({"resourceType": "Patient"})],
         "the search for Procedure was not answered with a searchset"),
        ([server.as_it_is, server.answering(_ELSEWHERE)], "the next page lies on another server"),
        ([server.as_it_is, *[server.answering(_CIRCLE)] * 3], "lead in a circle"),
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


def test_a_long_wait_is_left_for_later(ehr: FhirServer) -> None:
    ehr.faults = [server.answering({}, 503, Retry_After="3600")]
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


def run(
    told: FhirServer, database_url: str, folder: Path, patients: str, *more: str
) -> "subprocess.CompletedProcess[str]":
    (folder / "patients.csv").write_text(patients)
    return subprocess.run(
        [str(Path(sys.executable).parent / "toxgrade"), "pull", "--fhir-url", told.url,
         "--patients", "patients.csv", *more],
        env=os.environ | {"TOXGRADE_DATABASE_URL": database_url},
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def grades(database_url: str, patient: str) -> list[dict[str, Any]]:
    with served(Settings(database_url=database_url, auth="off", workers=0)) as api:
        return _grades(api, patient)


def _grades(api: httpx.Client, patient: str) -> list[dict[str, Any]]:
    answer = api.get(f"/v1/studies/default/patients/{patient}/grades")
    return answer.json()["grades"] if answer.status_code == 200 else []


def test_what_is_pulled_is_graded_stored_and_audited(
    ehr: FhirServer, database_url: str, tmp_path: Path
) -> None:
    done = run(ehr, database_url, tmp_path, "patient,fhir_id\nP1,1\n")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == (
        "7 results, 8 gradings, 0 undecided; not stored for want of a day: 0;"
        " patients that could not be pulled: 0"
    )
    with served(Settings(database_url=database_url, auth="off", workers=0)) as api:
        found = _grades(api, "P1")
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


def test_a_server_that_fails_for_everyone_is_left_alone(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    rows = "".join(f"P{n},no{n}\n" for n in range(9))
    done = run(ehr, new_sqlite(), tmp_path, f"patient,fhir_id\n{rows}")
    assert done.returncode == 1
    assert "failed 3 times in a row: stopped" in done.stderr
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


_NAMED: Any = {"kid": "ours"}


@pytest.mark.parametrize(
    ("capabilities", "permission"),
    [
        (None, "rs"),
        ([], "rs"),
        (["permission-v1"], "read"),
        (["permission-v1", "permission-v2"], "rs"),
        (["permission-v2"], "rs"),
    ],
)
def test_scopes_are_those_that_the_server_announces(
    ehr: FhirServer, capabilities: object, permission: str
) -> None:
    told = {"token_endpoint": "https://ehr.example/token", "capabilities": capabilities}
    ehr.faults = [server.answering(told)]
    calls = Calls(_QUICK)
    address, scope = token_address(read_base(ehr.url), calls)
    calls.close()
    assert address == "https://ehr.example/token"
    kinds = ("Observation", "Patient", "Procedure")
    assert scope == " ".join(f"system/{kind}.{permission}" for kind in kinds)


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_token_is_had_by_a_signed_assertion_and_renewed(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path, kind: str
) -> None:
    key = ECKey.generate_key("P-384", _NAMED) if kind == "EC" else RSAKey.generate_key(2048, _NAMED)
    (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=True)))
    ehr.client_key = key
    refused = server.answering({}, 401)  # the token was revoked meanwhile
    ehr.faults = [server.as_it_is, server.as_it_is, refused]
    url = new_sqlite()
    signed = ("--client-id", "toxgrade-at-hospital", "--key", "key.json")
    done = run(ehr, url, tmp_path, "patient,fhir_id\nP1,1\n", *signed)
    assert done.returncode == 0, done.stderr
    assert len(ehr.tokens) == len(set(ehr.tokens)) == 2
    assert len(grades(url, "P1")) == 8


def test_a_key_that_is_none_is_refused(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    public = ECKey.generate_key("P-384", _NAMED).as_dict(private=False)
    small = ECKey.generate_key("P-256", _NAMED).as_dict(private=True)
    nameless = ECKey.generate_key("P-384").as_dict(private=True)
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "ours"}
    for key in (public, small, nameless, secret):
        (tmp_path / "key.json").write_text(json.dumps(key))
        signed = ("--client-id", "toxgrade-at-hospital", "--key", "key.json")
        done = run(ehr, new_sqlite(), tmp_path, "patient\n1\n", *signed)
        assert done.returncode == 2
        assert "--key: expected a private JWK with kid" in done.stderr
    assert "given together" in run(ehr, new_sqlite(), tmp_path, "patient\n1\n", *signed[:2]).stderr
