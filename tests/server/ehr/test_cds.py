"""CDS Hooks: which cards a chart shows, in which order, and what they say."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import NewDatabase, served
from tests.fhir.resources import ENCODER, bundle, coded, observation, procedure, quantity
from toxgrade.criteria.reader import load
from toxgrade.errors import RequestError
from toxgrade.server.ehr.prefetch import read_prefetch
from toxgrade.server.settings import Settings

NEW = "2011-04-23"


def platelets(value: object, collected: str = NEW, **changed: object) -> dict[str, Any]:
    """Grades: 75 is 1 at the limit of 2, 60 is 2, 40 is 3, 20 is 4."""
    return observation(
        id=f"p-{value}-{collected}", code=coded("777-3"), effectiveDateTime=collected,
        valueQuantity=quantity(value, "10*9/L"),
        referenceRange=[{"low": quantity(150, "10*9/L"), "high": quantity(400, "10*9/L")}],
    ) | changed  # fmt: skip


def call(*labs: dict[str, Any], **changed: object) -> dict[str, Any]:
    return {
        "hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "1"},
        "prefetch": {"labs": bundle(*labs, type="searchset"),
                     "radiotherapy": bundle(procedure(), type="searchset")},
    } | changed  # fmt: skip


def post(client: httpx.Client, body: object) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return client.post("/cds-services/ctcae-labs", content=ENCODER.encode(body), headers=headers)


def cards(client: httpx.Client, body: object) -> list[dict[str, Any]]:
    answer = post(client, body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["cards"]
    return found


def test_discovery(stateless: httpx.Client) -> None:
    (service,) = stateless.get("/cds-services").json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", "ctcae-labs")
    assert set(service["prefetch"]) == {"labs", "radiotherapy"}
    assert "1217123003" in service["prefetch"]["radiotherapy"]
    for template in service["prefetch"].values():
        assert "patient={{context.patientId}}" in template


def test_prefetch_addresses_fit_every_server_and_ask_for_every_code(
    stateless: httpx.Client,
) -> None:
    """IIS and some proxies refuse addresses of more than 2,048 characters."""
    prefetch = stateless.get("/cds-services").json()["services"][0]["prefetch"]
    for template in prefetch.values():
        assert len(quote(template, safe="")) < 2000
    asked = parse_qs(prefetch["labs"].partition("?")[2])["code"][0].split(",")
    graded = [code for analyte in load().analytes.values() for code in analyte.loinc]
    assert sorted(asked) == sorted(graded)


@pytest.mark.parametrize(
    ("lab", "indicator"),
    [
        (platelets(160), None),
        (platelets(80), None),  # grade 1
        (platelets(60), "info"),
        (platelets(40), "warning"),
        (platelets(20), "critical"),
        (platelets(20, status="preliminary"), None),
        (platelets(20, status="entered-in-error"), None),
        # undecided: could be 4; could be 2 at most; a unit that is not known
        (platelets(60, valueQuantity=quantity(60, "10*9/L", comparator="<")), "info"),
        (platelets(80, valueQuantity=quantity(80, "10*9/L", comparator=">")), None),
        (platelets(80, valueQuantity={"value": 80}), "info"),
        (observation(referenceRange=None), "info"),  # bilirubin without ULN
        (observation(code=coded("8310-5")), None),  # a temperature
    ],
)
def test_indicators(stateless: httpx.Client, lab: dict[str, Any], indicator: str | None) -> None:
    assert [c["indicator"] for c in cards(stateless, call(lab))] == (
        [indicator] if indicator else []
    )


def test_a_card_says_value_limit_phase_and_days(stateless: httpx.Client) -> None:
    (card,) = cards(stateless, call(platelets(160, "2011-01-20"), platelets(40)))
    assert card["summary"] == (
        "Grade 3: Platelet count decreased (40 10*9/L, acute, 45 days since radiotherapy)"
    )
    assert "\\<50,000 - 25,000/mm3" in card["detail"]
    assert "10\\*9/L" in card["detail"]  # no emphasis
    assert "Baseline grade 0; worse than baseline" in card["detail"]
    assert card["source"]["label"].startswith("Toxgrade, CTCAE v4.0")
    (link,) = card["links"]
    assert link["type"] == "absolute"
    assert link["url"] == f"{stateless.base_url}/studies/default/patients/1"


def test_the_latest_result_of_a_term_counts_and_the_highest_is_told(
    stateless: httpx.Client,
) -> None:
    assert cards(stateless, call(platelets(20, "2011-03-20"), platelets(160))) == []
    (card,) = cards(stateless, call(platelets(20, "2011-03-20"), platelets(60)))
    assert card["indicator"] == "info"
    assert "Highest since radiotherapy began: grade 4 on 2011-03-20" in card["detail"]
    (card,) = cards(stateless, call(platelets(20, "2010-12-20"), platelets(60)))
    assert "Highest since" not in card["detail"]  # it was worse before


@pytest.mark.parametrize(
    ("newest", "indicator"),
    [
        ({"specimen": {"display": "Urine"}}, "critical"),
        ({"valueQuantity": quantity(160, "furlong")}, "critical"),
        ({"valueQuantity": quantity(160, "10*9/L")}, None),  # it has a grade: it counts
    ],
)
def test_a_newer_result_without_any_grade_does_not_hide_one_that_has_it(
    stateless: httpx.Client, newest: dict[str, Any], indicator: str | None
) -> None:
    found = cards(stateless, call(platelets(20, "2011-04-22"), platelets(160, **newest)))
    assert [card["indicator"] for card in found] == ([indicator] if indicator else [])


def test_a_newer_result_without_any_grade_is_told_where_the_one_before_is_no_concern(
    stateless: httpx.Client,
) -> None:
    odd = platelets(20, specimen={"display": "Tube 7"})
    (card,) = cards(stateless, call(platelets(160, "2011-04-22"), odd))
    assert card["summary"].startswith("Undecided grade")


def test_of_one_day_the_latest_if_all_are_timed_else_the_worst(stateless: httpx.Client) -> None:
    early, late = platelets(20, f"{NEW}T08:00:00+02:00"), platelets(60, f"{NEW}T20:00:00+02:00")
    assert [c["indicator"] for c in cards(stateless, call(late, early))] == ["info"]
    assert [c["indicator"] for c in cards(stateless, call(late, platelets(20)))] == ["critical"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (f"{NEW}T08:00:00+02:00", f"{NEW}T07:30:00Z"),
        (f"{NEW}T00:30:00+02:00", "2011-04-22T23:30:00Z"),
    ],
)
def test_the_latest_is_so_by_the_instant_whatever_the_offset(
    stateless: httpx.Client, earlier: str, later: str
) -> None:
    labs = platelets(60, earlier), platelets(20, later)
    assert [c["indicator"] for c in cards(stateless, call(*labs))] == ["critical"]


def test_worse_than_baseline_comes_first(stateless: httpx.Client) -> None:
    """Platelets grade 3 as before, bilirubin grade 2 that was 0: the change is the news."""
    old = observation(
        id="b0", effectiveDateTime="2011-01-20", valueQuantity=quantity("0.9", "mg/dL")
    )
    new = observation(valueQuantity=quantity("3.0", "mg/dL"))
    found = cards(stateless, call(platelets(40, "2011-01-20"), platelets(40), old, new))
    assert [c["indicator"] for c in found] == ["info", "warning"]


def test_summaries_are_shorter_than_140_characters(stateless: httpx.Client) -> None:
    lab = observation(
        code=coded("1742-6"),
        valueQuantity=quantity("100.000000000000000000000000000", "U/L"), referenceRange=None,
    )  # fmt: skip
    (card,) = cards(stateless, call(lab))
    assert len(card["summary"]) < 140


def test_without_courses_the_phase_is_not_known(stateless: httpx.Client) -> None:
    body = call(platelets(40))
    for courses in (
        None,
        bundle(type="searchset"),
        {"resourceType": "Bundle", "type": "searchset"},
    ):
        body["prefetch"]["radiotherapy"] = courses
        (card,) = cards(stateless, body)
        assert "acute or late not known" in card["summary"]


@pytest.mark.parametrize(
    ("prefetch", "missing"),
    [
        ({}, ["labs", "radiotherapy"]),
        ({"labs": bundle()}, ["radiotherapy"]),
        ({"radiotherapy": bundle()}, ["labs"]),
        ({"labs": None, "radiotherapy": bundle()}, ["labs"]),
        ({"labs": {"resourceType": "OperationOutcome"}, "radiotherapy": None}, ["labs"]),
        (None, ["labs", "radiotherapy"]),
    ],
)
def test_a_missing_prefetch_key_is_named(
    stateless: httpx.Client, prefetch: object, missing: list[str]
) -> None:
    answer = post(stateless, call(prefetch=prefetch))
    assert answer.status_code == 412
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    expressions = [issue["expression"] for issue in outcome["issue"]]
    assert expressions == [[f"prefetch.{key}"] for key in missing]


@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"hook": "order-sign"}, "hook"),
        ({"hookInstance": None}, "hookInstance"),
        ({"context": {}}, "context.patientId"),
        ({"context": {"patientId": "2"}}, "prefetch.labs.entry[0].resource.subject"),
        ({"prefetch": {"labs": [], "radiotherapy": None}}, "prefetch.labs.resourceType"),
    ],
)
def test_what_is_refused(stateless: httpx.Client, changes: dict[str, Any], expression: str) -> None:
    answer = post(stateless, call(platelets(40), **changes))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == [expression]


def test_one_page_of_many_is_said(stateless: httpx.Client) -> None:
    body = call()
    body["prefetch"]["labs"]["link"] = [{"relation": "next", "url": "urn:next"}]
    (card,) = cards(stateless, body)
    assert card["summary"] == "Not all laboratory values were graded"


def with_courses(*courses: dict[str, Any], **changed: object) -> dict[str, Any]:
    """A call about platelets of grade 3, 45 days after ``procedure``."""
    body = call(platelets(40))
    body["prefetch"]["radiotherapy"] = bundle(*courses, type="searchset") | changed
    return body


def of(reference: str | None, **more: object) -> dict[str, Any]:
    return {"subject": more | ({} if reference is None else {"reference": reference})}


OTHERS = [
    of("Patient/2"),
    of("https://ehr.example/fhir/Patient/2"),
    of("Patient/2/_history/1"),
    of("Group/1"),
    of("1"),
    of("https://ehr.example/fhir/Practitioner/1"),
    of("urn:uuid:4ea9ee31-92fd-4d9c-9b8c-0e8f1c2f4d6a"),  # beside one that is named
    of("#1"),
    of(None, identifier={"system": "urn:oid:1.2.3", "value": "1"}),
    of(None, identifier={"value": "Patient/1"}),
]
NAMELESS = of(None, display="Jane Doe")


@pytest.mark.parametrize("other", OTHERS)
def test_a_course_of_another_patient_is_refused(
    stateless: httpx.Client, other: dict[str, Any]
) -> None:
    for courses in ([procedure(**other)], [procedure(id="a"), procedure("2010-01-01", **other)]):
        answer = post(stateless, with_courses(*courses))
        assert answer.status_code == 422, answer.text
        (issue,) = answer.json()["issue"]
        where = f"prefetch.radiotherapy.entry[{len(courses) - 1}].resource.subject"
        assert (issue["expression"], issue["details"]["coding"][0]["code"]) == (
            [where], "other-patient",
        )  # fmt: skip


@pytest.mark.parametrize("other", [*OTHERS, NAMELESS])
def test_laboratory_values_of_another_patient_are_refused(
    stateless: httpx.Client, other: dict[str, Any]
) -> None:
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final"}
    for lab in (
        platelets(20, **other),
        report | other | {"contained": [platelets(20, subject=None)]},
        report | of("Patient/2") | {"contained": [platelets(20)]},
        report | of("Patient/1") | {"contained": [platelets(20, **other)]},
    ):
        if lab.get("contained") and other == NAMELESS:
            continue  # It is a report's, or nobody's.
        answer = post(stateless, call(platelets(40), lab))
        assert answer.status_code == 422, answer.text
        assert {issue["details"]["coding"][0]["code"] for issue in answer.json()["issue"]} == {
            "other-patient"
        }


@pytest.mark.parametrize("key", ["labs", "radiotherapy"])
@pytest.mark.parametrize(
    ("address", "name", "status"),
    [
        (None, "1", 200), ("https://ehr.example/fhir/Patient/1", "1", 200),
        ("urn:uuid:4ea9ee31-92fd-4d9c-9b8c-0e8f1c2f4d6a", "1", 200), (None, "2", 422),
        ("https://ehr.example/fhir/Patient/2", "2", 422),
        ("urn:uuid:4ea9ee31-92fd-4d9c-9b8c-0e8f1c2f4d6a", "2", 422),
    ],
)  # fmt: skip
def test_a_patient_resource_must_be_that_of_the_patient_in_context(
    stateless: httpx.Client, key: str, address: str | None, name: str, status: int
) -> None:
    body = call(platelets(40))
    entry = {"resource": {"resourceType": "Patient", "id": name}} | (
        {"fullUrl": address} if address else {}
    )
    body["prefetch"][key]["entry"].append(entry)
    answer = post(stateless, body)
    assert answer.status_code == status, answer.text
    if status == 422:
        (issue,) = answer.json()["issue"]
        assert issue["expression"] == [f"prefetch.{key}.entry[1].resource.subject"]


@pytest.mark.parametrize(
    "own",
    [
        of("https://ehr.example/fhir/Patient/1"),
        of("http://ehr.example:80/fhir/Patient/1"),
        of("https://ehr.example/fhir/Patient/1/_history/3"),
        of("Patient/1", identifier={"value": "7"}, display="Jane Doe"),
        {},
    ],
)
def test_references_of_the_patient_in_context_are_one_patients(
    stateless: httpx.Client, own: dict[str, Any]
) -> None:
    lab = platelets(40, subject={"reference": "https://ehr.example/fhir/Patient/1"})
    body = with_courses(procedure("2009-01-05", "2009-02-05"), procedure(id="b", **own))
    for sent in (lab, platelets(40)):
        body["prefetch"]["labs"] = bundle(sent, type="searchset")
        (card,) = cards(stateless, body)
        assert "acute, 45 days since radiotherapy" in card["summary"]


def test_the_same_id_on_two_servers_is_two_patients(stateless: httpx.Client) -> None:
    body = with_courses(procedure(**of("https://a.example/fhir/Patient/1")))
    lab = platelets(40, **of("https://b.example/fhir/Patient/1"))
    body["prefetch"]["labs"] = bundle(lab, type="searchset")
    assert post(stateless, body).status_code == 422


def test_a_urn_is_taken_only_if_nobody_else_is_named(stateless: httpx.Client) -> None:
    """The EHR asked for one patient; but beside another reference it is somebody else."""
    urn = of("urn:uuid:4ea9ee31-92fd-4d9c-9b8c-0e8f1c2f4d6a")
    body = with_courses(procedure(**urn))
    assert post(stateless, body).status_code == 422
    body["prefetch"]["labs"] = bundle(platelets(40, **urn), type="searchset")
    assert len(cards(stateless, body)) == 1
    patient = {"resource": {"resourceType": "Patient", "id": "1"}}
    patient["fullUrl"] = urn["subject"]["reference"]
    body = call(platelets(40))
    body["prefetch"]["radiotherapy"] = bundle(entry=[patient, {"resource": procedure(**urn)}])
    (card,) = cards(stateless, body)
    assert "acute, 45 days" in card["summary"]


_REFERENCES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "https://a.example/fhir/", "http://b.example/", "urn:uuid:", "#"]),
        st.sampled_from(["", "Patient/", "Patient?identifier=Patient/", "Group/", "Patient/1/"]),
        st.sampled_from(["1", "2", "11", "", "1/_history/2", "|1"]),
    ),
)


@given(labs=st.lists(_REFERENCES, max_size=3), courses=st.lists(_REFERENCES, max_size=3))
def test_only_the_patient_in_context_enters_a_card(labs: list[str], courses: list[str]) -> None:
    own = re.compile(r"(|https://a\.example/fhir/|http://b\.example/)Patient/1(/_history/2)?")
    matches = [own.fullmatch(who) for who in (*labs, *courses)]
    is_own = all(matches) and len({match[1] for match in matches if match and match[1]}) < 2
    is_one_urn = len({*labs, *courses}) == 1 and [*labs, *courses][0].startswith("urn:uuid:")
    prefetch = {
        "labs": bundle(*(platelets(40, **of(who)) for who in labs)),
        "radiotherapy": bundle(*(procedure(**of(who)) for who in courses)),
    }
    if is_own:
        read = read_prefetch("1", prefetch, 10)
        assert len(read.labs.observations) == len(labs)
        assert len(read.treatment.courses) == min(len(courses), 1)
    elif not is_one_urn:
        with pytest.raises(RequestError):
            read_prefetch("1", prefetch, 10)


OUTCOME = {
    "resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "incomplete"}],
}  # fmt: skip
LABS_LACK = "Not all laboratory values were graded"
COURSES_LACK = "Not all dates of radiotherapy were read: acute or late may be wrong"


@pytest.mark.parametrize(
    "partial",
    [
        {"entry": [{"resource": OUTCOME, "search": {"mode": "outcome"}}]},
        {"entry": [{"resource": {"resourceType": "OperationOutcome"}}]},
        {"entry": [{"response": {"status": "403", "outcome": OUTCOME}}]},
        {"entry": [{"resource": {"resourceType": "OperationOutcome", "issue": [
            {"severity": "warning", "code": "suppressed"}]}}]},
        {"link": [{"relation": "self", "url": "a"}, {"relation": "next", "url": "urn:next"}]},
        {"total": 7},
    ],
)  # fmt: skip
def test_partial_answers_are_told(stateless: httpx.Client, partial: dict[str, Any]) -> None:
    for key, summary in (("labs", LABS_LACK), ("radiotherapy", COURSES_LACK)):
        body = call(platelets(40))
        sent = body["prefetch"][key]
        added = partial | {"entry": sent["entry"] + partial.get("entry", [])}
        body["prefetch"][key] = sent | added
        card, told = cards(stateless, body)
        assert "acute, 45 days since" in card["summary"]
        assert (told["summary"], told["indicator"]) == (summary, "info")
        UUID(told["uuid"])


def test_courses_that_could_not_be_looked_for_are_told(stateless: httpx.Client) -> None:
    body = call(platelets(40))
    body["prefetch"]["radiotherapy"] = OUTCOME
    card, told = cards(stateless, body)
    assert "acute or late not known" in card["summary"]
    assert told["summary"] == COURSES_LACK


def test_a_whole_answer_is_not_called_partial(stateless: httpx.Client) -> None:
    information = {"severity": "information", "code": "informational"}
    outcome = {"resourceType": "OperationOutcome", "issue": [information]}
    for key in ("labs", "radiotherapy"):
        body = call(platelets(40))
        sent = body["prefetch"][key]
        sent["entry"].append({"resource": outcome, "search": {"mode": "outcome"}})
        sent |= {"total": 1, "link": [{"relation": "self", "url": "a"}]}
        assert len(cards(stateless, body)) == 1


def test_as_many_as_were_asked_for_may_not_be_all(stateless: httpx.Client) -> None:
    """CDS Hooks allows no page after the first: who keeps to that sends no link either."""
    labs = [platelets(160, id=f"p{i}") for i in range(200)]
    assert cards(stateless, call(*labs[:199])) == []
    (told,) = cards(stateless, call(*labs))
    assert told["summary"] == LABS_LACK


@pytest.mark.parametrize(
    "courses",
    [
        [("2011-03-09", "2011-01-24")],
        [("2009-01-24", "2009-03-09"), ("2011-03-09", "2011-01-24")],
        [("2011-01-24", "2011-03-09"), ("2011-01-24", "2011-03-11")],
        [("2011-01-24", "2011-03-09"), (None, "2010-03-11")],
    ],
)
@pytest.mark.parametrize("second", ["Patient/1", "https://ehr.example/fhir/Patient/1"])
def test_contradictory_courses_are_told_and_the_rest_is_shown(
    stateless: httpx.Client, courses: list[tuple[str, str]], second: str
) -> None:
    sent = [procedure(*days, id=f"rt{i}") for i, days in enumerate(courses)]
    sent[-1] |= of(second)
    card, told = cards(stateless, with_courses(*sent))
    assert "acute or late not known" in card["summary"]
    assert told["summary"] == COURSES_LACK
    assert "prefetch.radiotherapy.entry[" in told["detail"]


def test_what_was_not_read_of_a_course_is_told_without_a_senders_words(
    stateless: httpx.Client,
) -> None:
    course = procedure() | {"performedJaneDoe": "x", "performedPeriod": {"start": "soon"}}
    card, told = cards(stateless, with_courses(course))
    assert "acute or late not known" in card["summary"]
    assert "prefetch.radiotherapy.entry[0].resource" in told["detail"]
    assert "Jane" not in told["detail"]


def test_a_course_of_nobody_is_not_taken_and_told(stateless: httpx.Client) -> None:
    course = procedure("2011-04-01", "2011-04-08", id="nobody")
    nameless: list[dict[str, Any]] = [{}, NAMELESS["subject"]]
    for subject in nameless:
        course["subject"] = subject
        card, told = cards(stateless, with_courses(procedure(), course))
        assert "acute, 45 days" in card["summary"]
        assert "prefetch.radiotherapy.entry[1].resource.subject" in told["detail"]


def test_of_a_doubled_result_both_are_graded_and_it_is_told(stateless: httpx.Client) -> None:
    """Which of two contents is right cannot be told here: the worse one is shown."""
    first, second = platelets(160, id="p"), platelets(20, id="p")
    for labs in ([first, second], [second, first]):
        card, told = cards(stateless, call(*labs, observation(id="b")))
        assert card["indicator"] == "critical"
        assert told["summary"].startswith("A result is there twice")
        assert "prefetch.labs.entry[1]" in told["detail"]


@pytest.mark.parametrize(
    ("rules", "study", "expected"),
    [
        ({"edition": "5.0"}, "cards", ("CTCAE v5.0", "acute")),
        ({"edition": "4.03", "window": {"anchor": "end", "days": 30}}, "cards", ("v4.0", "late")),
        ({"edition": "5.0"}, "none", ("v4.0", "acute")),
    ],
)
def test_the_study_that_is_set_decides(
    new_sqlite: NewDatabase, rules: dict[str, Any], study: str, expected: tuple[str, str]
) -> None:
    settings = Settings(database_url=new_sqlite(), auth="off", cds_study=study)
    with served(settings) as client:
        assert client.put("/v1/studies/cards", json=rules).status_code == 201
        (card,) = cards(client, call(platelets(40)))
        edition, phase = expected
        assert edition in card["source"]["label"]
        assert f"{phase}, 45 days since" in card["summary"]
        changed = {"edition": "6.0"} | {k: v for k, v in rules.items() if k == "window"}
        assert client.put("/v1/studies/cards", json=changed).status_code == 200
        (card,) = cards(client, call(platelets(40)))
        assert ("v6.0" in card["source"]["label"]) == (study == "cards")


def test_how_the_study_takes_implausible_numbers_decides(new_sqlite: NewDatabase) -> None:
    settings = Settings(database_url=new_sqlite(), auth="off", cds_study="cards")
    lab = observation(valueQuantity=quantity(9999, "mg/dL"))
    with served(settings) as client:
        for implausible, summary in (("refuse", "Undecided grade"), ("flag", "Grade 4")):
            body = {"edition": "4.03", "implausible": implausible}
            assert client.put("/v1/studies/cards", json=body).status_code in (200, 201)
            (card,) = cards(client, call(lab))
            assert card["summary"].startswith(summary)


FEEDBACK = {
    "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719", "outcome": "overridden",
    "outcomeTimestamp": "2026-12-11T00:00:00Z",
    "overrideReason": {"reason": {"code": "already-known", "system": "urn:toxgrade:result"},
                       "userComment": "Jane Doe knows"},
}  # fmt: skip
ACCEPTED = {
    "card": FEEDBACK["card"], "outcome": "accepted", "outcomeTimestamp": "2026-12-11T00:00:00Z",
}  # fmt: skip


def send_feedback(client: httpx.Client, body: object) -> httpx.Response:
    return client.post("/cds-services/ctcae-labs/feedback", json=body)


def test_feedback_is_accepted_and_counted_without_what_it_says(
    stateless: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send_feedback(stateless, {"feedback": [FEEDBACK]}).status_code == 200
    suggested = ACCEPTED | {"acceptedSuggestions": [{"id": FEEDBACK["card"]}]}
    sent = {"feedback": [FEEDBACK, ACCEPTED, suggested]}
    assert send_feedback(stateless, sent).status_code == 200
    logged = capsys.readouterr().err
    assert "cards accepted" in logged
    assert "Jane" not in logged
    assert str(FEEDBACK["card"]) not in logged


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "feedback"),
        ([], "feedback"),
        ({"feedback": []}, "feedback"),
        ({"feedback": {"card": "x"}}, "feedback"),
        ({"feedback": ["x"]}, "feedback[0].card"),
        ({"feedback": [ACCEPTED, FEEDBACK | {"card": "Jane"}]}, "feedback[1].card"),
        ({"feedback": [FEEDBACK | {"outcome": "Jane"}]}, "feedback[0].outcome"),
        ({"feedback": [FEEDBACK | {"outcome": []}]}, "feedback[0].outcome"),
        ({"feedback": [FEEDBACK | {"outcomeTimestamp": "Jane"}]}, "feedback[0].outcomeTimestamp"),
        ({"feedback": [FEEDBACK | {"outcomeTimestamp": "2026-12-11"}]}, "outcomeTimestamp"),
        ({"feedback": [FEEDBACK | {"overrideReason": "Jane"}]}, "feedback[0].overrideReason"),
        ({"feedback": [ACCEPTED | {"acceptedSuggestions": 1}]}, "acceptedSuggestions"),
    ],
)
def test_feedback_that_is_none_is_refused(
    stateless: httpx.Client, body: object, named: str
) -> None:
    answer = send_feedback(stateless, body)
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["issue"][0]["details"]["text"]
    assert named in answer.json()["issue"][0]["expression"][0]
    assert "Jane" not in answer.text


def test_a_grade_can_be_overridden_for_a_reason(stateless: httpx.Client) -> None:
    """The specification asks for a text of each reason, and for an uuid to refer to."""
    (card,) = cards(stateless, call(platelets(40)))
    UUID(card["uuid"])
    assert all(reason["code"] and reason["display"] for reason in card["overrideReasons"])


@pytest.fixture
def with_browsers(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    settings = Settings(
        database_url=new_sqlite(), auth="off", cors_origins=("https://ehr.example",)
    )
    with served(settings) as client:
        yield client


def test_browsers_of_named_origins_may_call(with_browsers: httpx.Client) -> None:
    asks = {"Access-Control-Request-Method": "POST"}

    def allowed(path: str, origin: str) -> str | None:
        answer = with_browsers.options(path, headers=asks | {"Origin": origin})
        origins: str | None = answer.headers.get("Access-Control-Allow-Origin")
        return origins

    service = "/cds-services/ctcae-labs"
    assert allowed(service, "https://ehr.example") == "https://ehr.example"
    assert allowed(service, "https://else.example") is None
    assert allowed("/v1/grade", "https://ehr.example") is None


def test_no_browser_may_call_unless_it_is_set(stateless: httpx.Client) -> None:
    answer = stateless.get("/cds-services", headers={"Origin": "https://ehr.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
