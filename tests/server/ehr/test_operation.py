"""POST /fhir/$ctcae-grade: what comes out for what goes in."""

from typing import Any

import httpx
import pytest

from tests.fhir.resources import (
    ENCODER,
    answered,
    bundle,
    coded,
    components,
    derived,
    issues,
    observation,
    parameters,
    post,
    procedure,
    quantity,
    valid,
)

BASELINE = observation(
    id="o0", effectiveDateTime="2011-01-20", valueQuantity=quantity("0.9", "mg/dL")
)
_IN_PARAMETERS = "Parameters.parameter[0].resource"


def one(client: httpx.Client, sent: dict[str, Any]) -> dict[str, Any]:
    (found,) = derived(answered(client, sent))
    return found


def test_a_graded_observation(stateless: httpx.Client) -> None:
    resources = answered(stateless, bundle(procedure(), BASELINE, observation()))
    assert [r["resourceType"] for r in resources] == ["Observation"] * 2
    before, found = resources
    assert before["valueInteger"] == 0
    assert found["valueInteger"] == 1
    assert [c["code"] for c in found["code"]["coding"]] == ["10005364", "C143325"]
    assert found["code"]["text"] == "Blood bilirubin increased"
    assert "4.03" in found["method"]["text"]
    assert found["derivedFrom"][0]["reference"] == "Observation/o1"
    assert found["subject"] == {"reference": "Patient/1"}
    assert found["effectiveDateTime"] == "2011-04-23"
    assert found["referenceRange"][0]["high"] == {"value": 1.2, "unit": "mg/dL"}
    assert "above 1 x ULN" in found["note"][0]["text"]
    assert components(found) == {
        "phase": "acute", "baseline_grade": 0, "worse_than_baseline": True, "days_from_end": 45,
        "on_treatment": False, "criterion": ">ULN - 1.5 x ULN",
    }  # fmt: skip
    for resource in resources:
        valid(resource)


def test_an_undecided_observation_has_no_value(stateless: httpx.Client) -> None:
    resources = answered(stateless, bundle(observation(referenceRange=None)))
    found, _ = resources
    assert "valueInteger" not in found
    assert found["dataAbsentReason"]["text"] == "missing-uln"
    assert (components(found)["at_least"], components(found)["at_most"]) == (0, 4)
    assert issues(resources) == [("missing-uln", ["Bundle.entry[0].resource"])]
    for resource in resources:
        valid(resource)


@pytest.mark.parametrize(
    ("changes", "reason", "grade"),
    [
        ({"status": "preliminary"}, "not-final", None),
        ({"status": "registered"}, "not-final", None),
        ({"status": "cancelled"}, "not-final", None),
        ({"status": "entered-in-error"}, "not-final", None),
        ({"status": "unknown"}, "not-final", None),
        ({"status": None}, "not-final", None),
        ({"status": "amended"}, None, 1),
        ({"status": "corrected"}, None, 1),
        ({"code": coded("1968-7")}, "unknown-analyte", None),  # direct bilirubin
        ({"code": {"text": "bilirubin"}}, "unknown-analyte", None),
        ({"valueQuantity": quantity("1.8")}, "missing-unit", None),
        ({"valueQuantity": quantity("1.8", "U/L")}, "unknown-unit", None),
        ({"valueQuantity": None, "valueString": "hemolysed"}, "missing-value", None),
        ({"valueQuantity": None, "dataAbsentReason": {"text": "QNS"}}, "missing-value", None),
        ({"valueQuantity": quantity(-1, "mg/dL")}, "unreadable-value", None),
        ({"valueQuantity": {"value": "high", "unit": "mg/dL"}}, "unreadable-value", None),
        ({"effectiveDateTime": "yesterday"}, "unreadable-date", None),
        ({"effectiveDateTime": None}, None, 1),
        ({"effectiveDateTime": None, "issued": "2011-04-25T00:00:00Z"}, None, 1),
        ({"valueQuantity": quantity("1.3", "mg/dL", comparator="<")}, "censored-value", None),
        ({"valueQuantity": quantity("0.3", "mg/dL", comparator="<")}, None, 0),
        ({"valueQuantity": {"value": "1.8", "unit": "mg/dL"}}, None, 1),
        ({"referenceRange": [{"low": quantity(0), "high": quantity(0)}]}, "missing-uln", None),
        ({"referenceRange": [{"high": quantity(20, "umol/L")}]}, None, 2),  # 30.8 is 1.54 x
        ({"referenceRange": [{"text": "0.2-1.2"}]}, None, 1),
        ({"referenceRange": [{"text": "0-2-7.2"}]}, "missing-uln", None),
        ({"valueQuantity": quantity(30, "umol/L")}, None, 1),  # a mass code: graded by the unit
        ({"category": {"coding": [{"code": "laboratory"}]}}, None, 1),  # DSTU2's single object
        ({"modifierExtension": [{"url": "urn:x"}]}, "unreadable-value", None),
    ],
)  # fmt: skip
def test_what_is_graded_and_what_is_not(
    stateless: httpx.Client, changes: dict[str, Any], reason: str | None, grade: int | None
) -> None:
    found = one(stateless, bundle(observation(**changes)))
    assert found.get("valueInteger") == grade
    assert found.get("dataAbsentReason", {}).get("text") == reason


def test_a_lower_limit_of_zero_can_be_read(stateless: httpx.Client) -> None:
    ranges = [{"low": quantity(0, "mg/dL"), "high": quantity("1.2", "mg/dL")}]
    assert "flag" not in components(one(stateless, bundle(observation(referenceRange=ranges))))


def test_preliminary_results_are_graded_when_asked(stateless: httpx.Client) -> None:
    sent = parameters(bundle(observation(status="preliminary")), preliminary=True)
    resources = answered(stateless, sent)
    assert derived(resources)[0]["valueInteger"] == 1
    assert [code for code, _ in issues(resources)] == ["preliminary-graded"]


def test_warnings_name_the_element(stateless: httpx.Client) -> None:
    resources = answered(
        stateless, bundle(observation(valueQuantity=quantity(30, "umol/L"), referenceRange=[{
            "appliesTo": [coded("female")], "high": quantity("1.2", "mg/dL")}]))
    )  # fmt: skip
    where = "Bundle.entry[0].resource"
    assert issues(resources) == [
        ("missing-uln", [where]),
        ("code-unit-mismatch", [f"{where}.valueQuantity"]),
        ("range-not-applicable", [f"{where}.referenceRange[0]"]),
    ]


def test_a_range_for_the_patient_s_sex_is_used(stateless: httpx.Client) -> None:
    woman = {"resourceType": "Patient", "id": "1", "gender": "female"}
    ranges = [{"appliesTo": [coded("female")], "high": quantity("0.9", "mg/dL")},
              {"appliesTo": [coded("male")], "high": quantity("1.2", "mg/dL")}]  # fmt: skip
    found = one(stateless, bundle(woman, observation(referenceRange=ranges)))
    assert found["valueInteger"] == 2


@pytest.mark.parametrize(
    ("born", "grade"),
    [
        ("1993-04-23", 1),  # 18 on the day of the sample
        ("1993-04-24", 2),  # 17
        ("1960", None),  # of full age for certain, yet on no day of birth to count from
        (None, None),
    ],
)
def test_a_range_for_the_patient_s_age_is_used(
    stateless: httpx.Client, born: str | None, grade: int | None
) -> None:
    someone = {"resourceType": "Patient", "id": "1", "birthDate": born}
    ranges = [{"age": {"high": quantity(17, "a")}, "high": quantity("0.9", "mg/dL")},
              {"age": {"low": quantity(18, "a")}, "high": quantity("1.2", "mg/dL")}]  # fmt: skip
    found = one(stateless, bundle(someone, observation(referenceRange=ranges)))
    assert found.get("valueInteger") == grade


def test_components_and_panels(stateless: httpx.Client) -> None:
    panel = observation(
        id="cbc", code=coded("58410-2"), valueQuantity=None, referenceRange=None,
        component=[{"code": coded("6690-2"), "valueQuantity": quantity("2.8", "10*9/L")},
                   {"code": coded("777-3"), "valueQuantity": quantity(40, "10*9/L")}],
    )  # fmt: skip
    group = observation(id="g", code=coded("24323-8"), valueQuantity=None, referenceRange=None,
                        hasMember=[{"reference": "Observation/o1"}])  # fmt: skip
    resources = answered(stateless, bundle(panel, group, observation()))
    by_term = {r["code"]["text"]: r for r in derived(resources)}
    assert by_term["Platelet count decreased"]["valueInteger"] == 3
    assert by_term["White blood cell decreased"]["valueInteger"] == 2
    assert by_term["Blood bilirubin increased"]["valueInteger"] == 1
    display = by_term["Platelet count decreased"]["derivedFrom"][0]["display"]
    assert display == "Bundle.entry[0].resource.component[1]"
    assert ("panel", ["Bundle.entry[1].resource"]) in issues(resources)


def test_contained_observations_are_answered(stateless: httpx.Client) -> None:
    report = {"resourceType": "DiagnosticReport", "status": "final",
              "subject": {"reference": "Patient/1"}, "contained": [observation()]}  # fmt: skip
    found = one(stateless, bundle(report))
    assert found["valueInteger"] == 1
    # It has no address of its own.
    assert found["derivedFrom"] == [{"display": "Bundle.entry[0].resource.contained[0]"}]


def test_each_person_is_graded_alone(stateless: httpx.Client) -> None:
    """By urn:uuid, by id or by the server's address: one Patient is one person."""
    patient = {"resourceType": "Patient", "id": "1"}
    entries = [
        {"fullUrl": "urn:uuid:3afaeb2a", "resource": patient},
        {"resource": procedure(subject={"reference": "urn:uuid:3afaeb2a"})},
        {"resource": observation()},
        {"resource": observation(id="o2", subject={"reference": "Patient/2"})},
    ]
    mine, other = derived(answered(stateless, bundle(entry=entries)))
    assert components(mine)["phase"] == "acute"
    assert components(other)["phase"] == "unknown"


@pytest.mark.parametrize(
    ("sent", "phase"),
    [
        ([procedure()], "acute"),
        ([procedure(end="2010-12-01", start="2010-11-01")], "late"),
        ([procedure(end=None, status="in-progress")], "acute"),
        ([procedure(status="not-done")], "unknown"),
        ([procedure(status="entered-in-error")], "unknown"),
        ([procedure(code=coded("1217123003"))], "unknown"),  # not SNOMED's system
        ([procedure(start="2011", end=None)], "unknown"),
        ([procedure(start="2009-01-05", end="2009-02-01"), procedure()], "acute"),
        ([procedure(), procedure()], "acute"),  # the same course twice
    ],
)
def test_treatment_dates_from_procedures(
    stateless: httpx.Client, sent: list[dict[str, Any]], phase: str
) -> None:
    found = one(stateless, bundle(*sent, observation()))
    assert components(found)["phase"] == phase


def test_dates_given_go_before_procedures(stateless: httpx.Client) -> None:
    sent = parameters(
        bundle(procedure(start="2009-01-05", end="2009-02-01"), observation()),
        radiotherapyStart="2011-01-24", radiotherapyEnd="2011-03-09",
    )  # fmt: skip
    assert components(one(stateless, sent))["days_from_end"] == 45


def test_a_course_of_nobody_is_told(stateless: httpx.Client) -> None:
    other = procedure(subject={"reference": "https://other.example/fhir/Patient/7"})
    resources = answered(stateless, bundle(other, observation()))
    assert components(derived(resources)[0])["phase"] == "unknown"
    assert issues(resources) == [
        ("no-results", ["Bundle.entry[0].resource.subject"]),
        ("no-course", ["Bundle.entry[1].resource.subject"]),
    ]
    nobody_s = observation(subject=None)
    resources = answered(stateless, bundle(procedure(), observation(), nobody_s))
    assert issues(resources) == [("no-course", ["Bundle.entry[2].resource.subject"])]
    two = observation(id="o2", subject={"reference": "Patient/2"})  # not treated: nothing to tell
    assert issues(answered(stateless, bundle(procedure(), observation(), two))) == []


def test_one_course_that_contradicts_itself_does_not_silence_the_rest(
    stateless: httpx.Client,
) -> None:
    resources = answered(stateless, bundle(procedure(end="2011-01-01"), observation()))
    (found,) = derived(resources)
    assert (found["valueInteger"], components(found)["phase"]) == (1, "unknown")
    where = "Bundle.entry[0].resource.performedPeriod.end"
    assert issues(resources) == [("end-before-start", [where])]


def test_a_patient_by_reference_is_compared(stateless: httpx.Client) -> None:
    def sent(who: str, subject: str) -> dict[str, Any]:
        lab = observation(subject={"reference": subject})
        given = parameters(bundle(lab))
        patient = {"name": "patient", "valueReference": {"reference": who}}
        return given | {"parameter": [*given["parameter"], patient]}

    assert post(stateless, sent("Patient/1", "https://ehr.example/Patient/1")).status_code == 200
    answer = post(stateless, sent("Patient/1", "Patient/2"))
    assert answer.status_code == 422
    assert issues([answer.json()]) == [
        ("other-patient", [f"{_IN_PARAMETERS}.entry[0].resource.subject"])
    ]


def test_a_result_of_a_withdrawn_report_is_not_graded(stateless: httpx.Client) -> None:
    report = {"resourceType": "DiagnosticReport", "status": "entered-in-error",
              "subject": {"reference": "Patient/1"}, "contained": [observation()]}  # fmt: skip
    resources = answered(stateless, bundle(report))
    assert derived(resources)[0]["dataAbsentReason"]["text"] == "not-final"
    assert [code for code, _ in issues(resources)] == ["not-final", "withdrawn"]


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({"effectiveDateTime": "2011-04-23T10:35:00+02:00"}, "2011-04-23T10:35:00+02:00"),
        ({"effectiveDateTime": "2011-04"}, "2011-04"),
        # what counted, where it is no dateTime of R4
        ({"effectiveDateTime": "2011-04-23T10:35:00"}, "2011-04-23"),
        ({"effectiveDateTime": "2011-04-23T10:35+02:00"}, "2011-04-23"),
        ({"effectiveDateTime": "2011-04-23 10:35:00"}, "2011-04-23"),
        ({"effectiveDateTime": " 2011-04-23"}, "2011-04-23"),
        ({"effectiveDateTime": None, "effectiveInstant": "2011-04-23"}, "2011-04-23"),
        ({"effectiveDateTime": None, "effectivePeriod": {"end": "2011-04-23T10:00"}}, "2011-04-23"),
        ({"effectiveDateTime": None,
          "effectivePeriod": {"start": "2011-04-24", "end": "2011-04-23"}}, "2011-04-23"),
        # none
        ({"effectiveDateTime": "20110423"}, None),
        ({"effectiveDateTime": "04/23/2011"}, None),
        ({"effectiveDateTime": "2011-02-30"}, None),
        ({"effectiveDateTime": ["2011-04-23"]}, None),
    ],
)  # fmt: skip
def test_dates_in_the_answer_are_those_of_r4(
    stateless: httpx.Client, changes: dict[str, Any], written: str | None
) -> None:
    for output in ("observation", "adverse-event"):
        sent = parameters(bundle(procedure(), observation(**changes)), output=output)
        found = answered(stateless, sent)[0]
        if found["resourceType"] == "AdverseEvent":
            assert found["date"] == written
            continue
        assert found.get("effectiveDateTime") == written
        absent = found.get("_effectiveDateTime", {}).get("extension", [{}])[0].get("valueCode")
        assert absent == (None if written else "error")


@pytest.mark.parametrize("period", [{"start": "2011-04-22", "end": "2011-04-23"}])
def test_a_period_is_repeated(stateless: httpx.Client, period: dict[str, str]) -> None:
    sent = observation(effectiveDateTime=None, effectivePeriod=period)
    assert one(stateless, bundle(sent))["effectivePeriod"] == period


@pytest.mark.parametrize("kind", ["document", "message"])
def test_documents_and_messages(stateless: httpx.Client, kind: str) -> None:
    first = {"resourceType": "Composition" if kind == "document" else "MessageHeader"}
    assert one(stateless, bundle(first, observation(), type=kind))["valueInteger"] == 1


def test_one_resource_without_a_bundle(stateless: httpx.Client) -> None:
    report = {"resourceType": "DiagnosticReport", "status": "final", "contained": [observation()]}
    for sent in (observation(), report):
        for body in (sent, parameters(sent)):
            assert one(stateless, body)["valueInteger"] == 1
    assert one(stateless, observation())["derivedFrom"][0]["display"] == "Observation"


def test_adverse_events_when_asked(stateless: httpx.Client) -> None:
    sent = bundle(procedure(), BASELINE, observation(), observation(id="o2", referenceRange=None))
    resources = answered(stateless, parameters(sent, output="adverse-event"))
    kinds = [r["resourceType"] for r in resources]
    assert kinds == ["Observation", "AdverseEvent", "Observation", "OperationOutcome"]
    event = resources[1]
    grade = event["extension"][0]
    assert grade["url"].endswith("/ae-research-ig/StructureDefinition/ae-grade")
    assert grade["valueCodeableConcept"]["coding"][0]["code"] == "C41338"
    assert event["actuality"] == "actual"
    assert event["date"] == "2011-04-23"
    assert event["suspectEntity"] == [{"instance": {"reference": "Procedure/rt"}}]
    assert "severity" not in event
    for resource in resources:
        valid(resource)


@pytest.mark.parametrize(
    ("body", "code", "expression"),
    [
        ([], "resource-type", "resourceType"),
        ({"resourceType": "Encounter"}, "resource-type", "resourceType"),
        ({"resourceType": "Bundle"}, "bundle-type", "Bundle.type"),
        (bundle(type="subscription-notification"), "bundle-type", "Bundle.type"),
        ({"resourceType": "Parameters", "parameter": [
            {"name": "bundle", "resource": bundle(), "modifierExtension": [{"url": "urn:x"}]}]},
         "not-understood", "Parameters.parameter[0].modifierExtension"),
        (bundle(entry={}), "structure", "Bundle.entry"),
        (bundle(entry=[1]), "structure", "Bundle.entry[0]"),
        (bundle(entry=[{"resource": {}}]), "resource-type",
         "Bundle.entry[0].resource.resourceType"),
        (parameters({"resourceType": "Patient"}), "resource-type",
         f"{_IN_PARAMETERS}.resourceType"),
        (bundle(implicitRules="urn:x"), "not-understood", "Bundle.implicitRules"),
        ({"resourceType": "Parameters"}, "missing", "Parameters.parameter"),
        (parameters(bundle(), output="xml"), "output", "Parameters.parameter[1].valueCode"),
        (parameters(bundle(), radiotherapyEnd="2011-03"), "unreadable-date",
         "Parameters.parameter[1].valueDate"),
        (parameters(bundle(), radiotherapyStart="2011-03-09", radiotherapyEnd="2011-01-24"),
         "end-before-start", "Parameters.parameter"),
        (parameters(bundle(), dose="50"), "unknown-parameter", "Parameters.parameter[1].name"),
        (parameters(bundle(), persist=True), "missing", "Parameters.parameter"),
        (parameters(bundle(), persist=True, patient="John Doe"), "patient-name",
         "Parameters.parameter[2].valueString"),
        (parameters(bundle(), persist="yes"), "boolean", "Parameters.parameter[1].valueBoolean"),
        (parameters(bundle(observation(), observation(id="o2", subject={"reference": "Patient/2"})),
                    radiotherapyEnd="2011-03-09"),
         "several-patients", f"{_IN_PARAMETERS}.entry[1].resource.subject"),
        (parameters(bundle(observation(), procedure(subject={"reference": "Patient/2"})),
                    patient="P1"),
         "several-patients", f"{_IN_PARAMETERS}.entry[1].resource.subject"),
    ],
)  # fmt: skip
def test_what_is_refused(stateless: httpx.Client, body: object, code: str, expression: str) -> None:
    answer = post(stateless, body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/fhir+json"
    outcome = answer.json()
    assert issues([outcome]) == [(code, [expression])]
    valid(outcome)


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/fhir+json", 400),
        (b'{"resourceType": "Bundle", "type": NaN}', "application/fhir+json", 400),
        (b'{"resourceType": "Bundle", "type": "batch", "type": "batch"}', "application/fhir+json",
         422),
        (b"<Bundle/>", "application/fhir+xml", 415),
        (b"[" * 100_000, "application/fhir+json", 400),
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_read(
    stateless: httpx.Client, content: bytes, media_type: str, status: int
) -> None:
    answer = stateless.post(
        "/fhir/$ctcae-grade", content=content, headers={"Content-Type": media_type}
    )
    assert answer.status_code == status
    valid(answer.json())


def test_parameters_in_the_address_are_not_lost_in_silence(stateless: httpx.Client) -> None:
    answer = stateless.post("/fhir/$ctcae-grade?persist=true", json=bundle())
    assert answer.status_code == 422
    assert "Parameters" in answer.json()["issue"][0]["details"]["text"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("_format=json", "application/fhir+xml", 200),
        ("_format=application/fhir%2Bjson&_pretty=true", "*/*", 200),
        ("_format=application/fhir+json", "*/*", 200),  # a plus that was not escaped
        ("_summary=false&_elements=id", "*/*", 200),
        ("_format=xml", "*/*", 406),
        ("", "application/fhir+json; fhirVersion=4.0", 200),
        ("", "application/json;q=0.9, application/fhir+xml", 200),
        ("", "text/html, */*;q=0.1", 200),
        ("", "application/fhir+xml", 406),
        ("", "application/json;q=0, application/xml", 406),
        ("", "application/fhir+json; fhirVersion=5.0", 406),
    ],
)  # fmt: skip
def test_formats_that_any_client_may_ask_for(
    stateless: httpx.Client, method: str, query: str, accept: str, status: int
) -> None:
    content = ENCODER.encode(bundle(observation()))
    headers = {"Accept": accept, "Content-Type": "application/fhir+json"}
    if method == "GET":
        answer = stateless.get(f"/fhir/metadata?{query}", headers={"Accept": accept})
    else:
        url = f"/fhir/$ctcae-grade?{query}"
        answer = stateless.post(url, content=content, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/fhir+json"
    valid(answer.json())


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/OperationDefinition/ctcae-grade"])
def test_the_server_describes_itself(stateless: httpx.Client, path: str) -> None:
    answer = stateless.get(path)
    assert answer.headers["Content-Type"] == "application/fhir+json"
    valid(answer.json())


def test_other_addresses_answer_in_fhir_too(stateless: httpx.Client) -> None:
    for answer in (
        stateless.get("/fhir/Patient/1"), stateless.get("/fhir/$ctcae-grade"),
        stateless.get("/fhir"), stateless.post("/fhir", json=bundle()),
        stateless.post("/fhir/", json=bundle()),
    ):  # fmt: skip
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_two_values_of_one_result_are_both_graded_and_flagged(stateless: httpx.Client) -> None:
    """Which of them counts cannot be told: refusing the Bundle would silence all the rest."""
    twice = bundle(observation(), observation(valueQuantity=quantity("5.0", "mg/dL")))
    answers = derived(answered(stateless, twice))
    assert [one["valueInteger"] for one in answers] == [1, 3]
    assert all("two-values-one-time" in str(one["component"]) for one in answers)
