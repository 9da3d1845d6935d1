"""What a Bundle holds: whose each resource is, which courses count, and what is told."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fhir.resources import bundle, coded, observation, procedure
from toxgrade.criteria.reader import load
from toxgrade.errors import RequestError
from toxgrade.fhir.bundle import Contents, read_bundle
from toxgrade.fhir.reference_range import UNKNOWN_PERSON
from toxgrade.fhir.results import Accepted, read_source
from toxgrade.grading.units import Names
from toxgrade.server.records.identity import identity

BASE = "https://ehr.example/fhir"
MRN = {"system": "urn:mrn", "value": "7"}
URN = "urn:uuid:3afaeb2a-0000-4000-8000-000000000001"
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "1", "identifier": [MRN]}
MODIFIER = [{"url": "urn:planned-only", "valueBoolean": True}]


def entry(resource: dict[str, Any], full_url: str | None = None) -> dict[str, Any]:
    return {"resource": resource} | ({"fullUrl": full_url} if full_url else {})


def contents(*entries: dict[str, Any], **changed: object) -> Contents:
    given = [one if "resource" in one else entry(one) for one in entries]
    return read_bundle(bundle(entry=given, **changed), "Bundle", 100)


def of(subject: object, full_url: str | None = None, **more: Any) -> dict[str, Any]:
    subject = {"reference": subject} if isinstance(subject, str) else subject
    return entry(observation(subject=subject, **more), full_url)


def course_of(subject: object, full_url: str | None = None, **more: Any) -> dict[str, Any]:
    subject = {"reference": subject} if isinstance(subject, str) else subject
    return entry(procedure(subject=subject, **more), full_url)


def codes(found: Contents) -> list[str]:
    return [note.code for note in found.notes]


KNOWN: dict[str, Any] = {"contained": [{"resourceType": "Patient", "id": "p", "identifier": [MRN]}]}


@pytest.mark.parametrize(
    "entries",
    [
        # relative and absolute, by the entry's fullUrl; the scheme and default port do not matter
        [of("Patient/1", f"{BASE}/Observation/o1"), course_of(f"{BASE}/Patient/1")],
        [of(f"{BASE}/Patient/1"), course_of("Patient/1", f"{BASE}/Procedure/rt")],
        [of("Patient/1", f"{BASE}/Observation/o1"),
         course_of("http://EHR.example:443/fhir/Patient/1/_history/2")],
        # no fullUrl: there is one server only
        [of("Patient/1"), course_of(f"{BASE}/Patient/1")],
        [of("Patient/1", "urn:uuid:1"), course_of(f"{BASE}/Patient/1")],
        # a Patient by fullUrl, by id, by urn:uuid in other letters
        [entry(PATIENT, URN), of(URN), course_of("Patient/1")],
        [entry(PATIENT, URN), of(URN.upper().replace("URN:UUID", "urn:uuid")), course_of(URN)],
        [entry(PATIENT, f"{BASE}/Patient/1"), of("Patient/1"), course_of(f"{BASE}/Patient/1")],
        [entry(PATIENT, URN), of("Patient/1", f"{BASE}/Observation/o1"), course_of(URN)],
        # an identifier against a reference, with and without a Patient
        [PATIENT, of({"identifier": MRN}), course_of("Patient/1")],
        [entry(PATIENT, URN), of({"reference": "Patient/9", "identifier": MRN}), course_of(URN)],
        [of({"reference": "Patient/1", "identifier": MRN}), course_of({"identifier": MRN})],
        [of({"identifier": MRN}), course_of({"reference": "Patient/1", "identifier": MRN})],
        [entry(PATIENT, URN), of(URN), course_of("Patient?identifier=urn:mrn%7C7")],
        # a contained Patient
        [PATIENT, of("Patient/1"), course_of("#p", **KNOWN)],
        [of("#p", **KNOWN), course_of("#p", **KNOWN)],
        [of({"reference": "Patient/1", "identifier": MRN}), course_of("#p", **KNOWN)],
    ],
)  # fmt: skip
def test_one_patient_however_it_is_named(entries: list[dict[str, Any]]) -> None:
    found = contents(*entries)
    (source,) = found.observations
    assert source.subject is not None
    assert [len(t.courses) for t in found.treatments.values()] == [1]
    assert set(found.treatments) == {source.subject}


@pytest.mark.parametrize(
    "entries",
    [
        [of(f"{BASE}/Patient/1"), course_of("https://other.example/fhir/Patient/1")],
        [of("Patient/1", f"{BASE}/Observation/o1"),
         course_of("Patient/1", "https://other.example/fhir/Procedure/rt")],
        [entry(PATIENT, URN), entry(PATIENT | {"identifier": []}, URN + "2"), of(URN),
         course_of(URN + "2")],
        [of("Patient/1"), course_of("Patient/10")],
        [of({"identifier": MRN}), course_of({"identifier": {"system": "urn:x", "value": "7"}})],
        # one identifier of two patients identifies neither
        [PATIENT, PATIENT | {"id": "2"}, of("Patient/1"), course_of({"identifier": MRN})],
        [of("#p"), course_of("#p")],
        [of("#p", contained=[{"resourceType": "Patient", "id": "p"}]), course_of("Patient/1")],
    ],
)  # fmt: skip
def test_two_patients_are_never_joined(entries: list[dict[str, Any]]) -> None:
    found = contents(*entries)
    assert found.observations[0].subject not in found.treatments


@given(
    first=st.sampled_from(["Patient/1", f"{BASE}/Patient/1"]),
    second=st.sampled_from(["Patient/1", f"{BASE}/Patient/1", "Patient/2", f"{BASE}/Patient/2"]),
    urls=st.tuples(*[st.sampled_from([None, "urn:uuid:x", BASE])] * 2),
)
@settings(database=None, deadline=None)
def test_spellings_of_a_reference_never_decide_who_it_is(
    first: str, second: str, urls: tuple[str | None, str | None]
) -> None:
    names = zip(urls, ("Observation/o1", "Procedure/rt"), strict=True)
    full = [f"{url}/{kind}" if url == BASE else url for url, kind in names]
    found = contents(of(first, full[0]), course_of(second, full[1]))
    is_same = found.observations[0].subject in found.treatments
    assert is_same == (first[-1] == second[-1])


def test_a_contained_result_with_another_subject_than_its_report_is_neither_s() -> None:
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final",
              "subject": {"reference": "Patient/2"}, "contained": [observation()]}  # fmt: skip
    found = contents(report)
    assert found.observations[0].subject == "Bundle.entry[0].resource.contained[0]"
    assert codes(found) == ["contradiction"]


REPORT = {"resourceType": "DiagnosticReport", "id": "r", "subject": {"reference": "Patient/1"}}
RESULT = {"result": [{"reference": "Observation/o1"}]}


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
@pytest.mark.parametrize(
    "entries",
    [
        [REPORT | {"contained": [observation()], "result": [{"reference": "#o1"}]}],
        [REPORT | RESULT, observation()],
        [entry(REPORT | RESULT, f"{BASE}/DiagnosticReport/r"),
         entry(observation(), f"{BASE}/Observation/o1")],
        [REPORT | {"result": [{"reference": URN}]}, entry(observation(), URN)],
        [observation(id="panel", valueQuantity=None, hasMember=RESULT["result"]), observation()],
        [{"resourceType": "Observation", "id": "p", "hasMember": [{}], "subject": REPORT["subject"],
          "contained": [observation()]}],
    ],
)  # fmt: skip
def test_a_withdrawn_report_takes_its_results_along(
    entries: list[dict[str, Any]], status: str
) -> None:
    holder = entries[0].get("resource", entries[0])
    changed = [entry(holder | {"status": status}, entries[0].get("fullUrl")), *entries[1:]]
    source = contents(*changed).observations[-1]
    assert source.resource["status"] == status
    assert [note.code for note in source.notes] == ["withdrawn"]
    # It stands if a report that is valid names it, too.
    valid = entry(REPORT | RESULT | {"id": "r2", "status": "final"}, f"{BASE}/DiagnosticReport/r2")
    if len(entries) > 1 and source.full_url != URN:
        assert contents(*changed, valid).observations[-1].resource["status"] == "final"


def test_a_withdrawn_document_takes_all_along() -> None:
    composition = {"resourceType": "Composition", "status": "entered-in-error"}
    found = contents(composition, observation(), procedure(), type="document")
    assert found.observations[0].resource["status"] == "entered-in-error"
    assert (found.treatments, codes(found)) == ({}, ["withdrawn"])
    assert contents(composition, procedure(), observation()).treatments  # no document


def test_a_result_of_another_server_is_not_withdrawn() -> None:
    found = contents(
        entry(REPORT | RESULT | {"status": "cancelled"}, f"{BASE}/DiagnosticReport/r"),
        entry(observation(), "https://other.example/fhir/Observation/o1"),
    )
    assert found.observations[0].resource["status"] == "final"


def test_a_result_that_is_not_sent_is_told() -> None:
    found = contents(REPORT | RESULT | {"status": "final"})
    assert [(n.path, n.code) for n in found.notes] == [
        ("Bundle.entry[0].resource.result[0]", "result-not-sent")
    ]


@pytest.mark.parametrize(
    ("changes", "dates", "noted"),
    [
        ({"status": "in-progress"}, ("2011-01-24", "None", True), ["end-not-taken"]),
        ({"status": "on-hold"}, ("2011-01-24", "None", True), ["end-not-taken"]),
        ({"status": "stopped"}, ("2011-01-24", "2011-03-09", False), []),
        ({"performedPeriod": {"end": "2011-03-09"}, "status": "on-hold"}, None,
         ["end-not-taken", "no-date"]),
        ({"status": "not-done"}, None, []),
        ({"modifierExtension": MODIFIER}, None, ["not-understood"]),
        ({"implicitRules": "urn:x"}, None, ["not-understood"]),
        ({"performedPeriod": {"start": "2011-01-24", "modifierExtension": MODIFIER}}, None,
         ["not-understood"]),
        ({"performer": [{"modifierExtension": MODIFIER}]}, ("2011-01-24", "2011-03-09", False), []),
        # other shapes
        ({"performedPeriod": None,
          "occurrencePeriod": {"start": "2011-01-24", "end": "2011-03-09"}},
         ("2011-01-24", "2011-03-09", False), []),
        ({"performedPeriod": None, "performedDateTime": "2011-03-09"}, None, ["no-date"]),
        ({"performedPeriod": None, "occurrenceDateTime": "2011-03-09"}, None, ["no-date"]),
        ({"performedPeriod": {"start": "2011"}}, None, ["partial-date", "no-date"]),
        ({"code": {"text": "RT"}, "category": coded("1217123003", system="http://snomed.info/sct")},
         ("2011-01-24", "2011-03-09", False), []),
        ({"code": coded("USCRS-33529",
                        system="http://hl7.org/fhir/us/mcode/CodeSystem/snomed-requested-cs")},
         ("2011-01-24", "2011-03-09", False), []),
        ({"code": coded("1222565005", system="http://snomed.info/sct")}, None,
         ["other-radiotherapy"]),
        ({"code": {"text": "IMRT"}, "category": coded("108290001", system="http://snomed.info/sct")},
         None, ["other-radiotherapy"]),
        ({"code": coded("80146002", system="http://snomed.info/sct")}, None, []),  # appendectomy
    ],
)  # fmt: skip
def test_courses(
    changes: dict[str, Any], dates: tuple[str, str, bool] | None, noted: list[str]
) -> None:
    found = contents(procedure(**changes))
    courses = [c for treatment in found.treatments.values() for c in treatment.courses]
    assert [(str(c.start), str(c.end), c.ongoing) for c in courses] == ([dates] if dates else [])
    assert codes(found) == noted


def test_courses_that_contradict_are_not_taken_and_told() -> None:
    found = contents(procedure(end="2011-01-01"), procedure(id="2", subject={"reference": "P/2"}))
    assert [len(t.courses) for t in found.treatments.values()] == [0, 1]
    assert [(n.path, n.code) for n in found.notes] == [
        ("Bundle.entry[0].resource.performedPeriod.end", "end-before-start")
    ]


def test_a_modifier_that_is_not_known_is_never_passed_over() -> None:
    woman = PATIENT | {"gender": "female", "modifierExtension": MODIFIER}
    found = contents(woman)
    assert found.persons["Patient/1"].sex is None
    assert codes(found) == ["not-understood"]
    report = REPORT | {"status": "final", "contained": [observation()], "implicitRules": "urn:x"}
    found = contents(report)
    assert codes(found) == ["not-understood"]
    assert "modifierExtension" in found.observations[0].resource
    found = contents(entry(observation()) | {"modifierExtension": MODIFIER})
    assert "modifierExtension" in found.observations[0].resource
    with pytest.raises(RequestError):
        contents(implicitRules="urn:x")


def version(number: str | None, value: int, **more: object) -> dict[str, Any]:
    meta = {} if number is None else {"meta": {"versionId": number}}
    return observation(valueInteger=value, **meta, **more)


@pytest.mark.parametrize(
    ("versions", "kept"),
    [
        ([version("2", 3), version("10", 4)], [4]),
        ([version("10", 4), version("2", 3)], [4]),
        ([version(None, 3, meta={"lastUpdated": "2011-04-24T10:00:00Z"}),
          version(None, 4, meta={"lastUpdated": "2011-04-24T10:00:00+02:00"})], [3]),
        ([version(None, 3, issued="2011-04-24T10:00:00Z"),
          version(None, 4, issued="2011-04-25T10:00:00Z")], [4]),
        # it is not known which is the later, or there is only one
        ([version(None, 3), version(None, 4)], [3, 4]),
        ([version("1", 3), version("1", 4)], [3, 4]),
        ([version("1", 3), version("1", 3)], [3, 3]),
        # without a server, another time may be another result
        ([version("1", 3), version("2", 4, effectiveDateTime="2011-05-01")], [3, 4]),
    ],
)  # fmt: skip
def test_of_two_versions_the_later_counts(versions: list[dict[str, Any]], kept: list[int]) -> None:
    found = contents(*versions)
    assert [source.resource["valueInteger"] for source in found.observations] == kept
    assert codes(found) == ["older-version"] * (len(versions) - len(kept))


def _deletion(**written: str) -> dict[str, Any]:
    return {"request": {"method": "DELETE", "url": "Observation/o1"}, **written}


@pytest.mark.parametrize(
    ("entries", "kept", "noted"),
    [
        # newest first, by their numbers or by their places; another time is no other resource
        ([version("2", 4), version("1", 3)], [4], ["older-version"]),
        ([version(None, 4, effectiveDateTime="2011-05-01"), version(None, 3)], [4],
         ["older-version"]),
        ([version("1", 3), version("3", 5), version("2", 4)], [5], ["older-version"] * 2),
        # deleted; deleted and then made again
        ([None, version("1", 3)], [], ["deleted"]),
        ([version("3", 5), None, version("1", 3)], [5], ["deleted"]),
        ([None, version("1", 3), version("1", 6, id="o2")], [6], ["deleted"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("base", [None, BASE])
def test_of_a_history_the_present_counts(
    entries: list[dict[str, Any] | None], kept: list[int], noted: list[str], base: str | None
) -> None:
    def address(resource: dict[str, Any] | None) -> str | None:
        return f"{base}/Observation/{(resource or {'id': 'o1'})['id']}" if base else None

    written: list[dict[str, Any]] = [
        _deletion() if one is None else {"resource": one, "request": {"method": "PUT"}}
        for one in entries
    ]
    for one, resource in zip(written, entries, strict=True):
        if full_url := address(resource):
            one["fullUrl"] = full_url
    history = {"resourceType": "Bundle", "type": "history", "entry": written}
    found = read_bundle(history, "Bundle", 100)
    assert [source.resource["valueInteger"] for source in found.observations] == kept
    assert codes(found) == noted


@pytest.mark.parametrize(
    ("focus", "taken"),
    [
        ([], True), ([{"reference": "Patient/1"}], True),
        ([{"reference": f"{BASE}/Patient/1"}], True),
        ([{"reference": "Patient/2"}], False), ([{"reference": "Device/pump"}], False),
        ([{"display": "fetus"}], False),
        ([{"reference": "Patient/1"}, {"reference": "RelatedPerson/7"}], False),
    ],
)  # fmt: skip
def test_a_result_about_another_than_the_patient_is_not_taken_and_told(
    focus: list[dict[str, Any]], taken: bool
) -> None:
    """As of a fetus, a donor or an implant."""
    own = observation(focus=focus)
    report = REPORT | {"status": "final", "contained": [own]}
    for sent in (own, report):
        found = contents(of("Patient/1", f"{BASE}/Observation/o9"), sent)
        assert len(found.observations) == 1 + taken
        assert codes(found) == ([] if taken else ["other-focus"])


def test_a_conditional_reference_is_nobodys_id() -> None:
    other = {"reference": "Patient?identifier=Patient/1"}
    found = contents(observation(), observation(id="o2", subject=other))
    assert len({source.subject for source in found.observations}) == 2


def test_an_id_is_unique_on_its_server_and_in_its_container() -> None:
    report = REPORT | {"status": "final", "contained": [observation()]}
    found = contents(
        of("Patient/1", f"{BASE}/Observation/o1"), observation(), report, report | {"id": "s"}
    )
    scopes = [source.scope for source in found.observations]
    assert scopes == [f"{BASE}/", None, "#DiagnosticReport/r", "#DiagnosticReport/s"]


def test_what_is_contained_in_a_resource_without_a_name_has_no_number() -> None:
    report = REPORT | {"status": "final", "contained": [observation()]}
    del report["id"]
    (found,) = contents(report).observations
    assert (found.scope, found.resource.get("id")) == ("#", None)


def test_an_identifier_of_an_order_joins_no_two_codes() -> None:
    shared = {"id": None, "identifier": [{"system": "urn:acc", "value": "A-1"}]}
    sent = [observation(**shared, code=coded(code)) for code in ("2823-3", "6298-4")]
    names = Names(load().analytes.values())
    (first,), (second,) = (
        read_source(source, names, UNKNOWN_PERSON, Accepted())
        for source in contents(*sent).observations
    )
    assert first.lab
    assert second.lab
    assert identity(first.lab, names) != identity(second.lab, names)
