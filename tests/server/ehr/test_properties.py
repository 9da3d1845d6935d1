"""What holds for anything that is sent: the doors agree, nothing is lost, nothing is guessed."""

from decimal import Decimal
from typing import Any

import httpx
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.fhir.resources import (
    answered,
    bundle,
    coded,
    components,
    derived,
    observation,
    parameters,
    post,
    procedure,
    quantity,
    valid,
)
from tests.grading.strategies import CRITERIA, END, START, rows
from toxgrade.errors import ParseError
from toxgrade.grading.parse import read_collected, read_limit, read_value
from toxgrade.grading.result import GRADED_STATUSES

CHECKED = settings(
    max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
LOINC = {name: a.loinc[0] for name, a in CRITERIA.analytes.items() if a.loinc}


def readable(row: dict[str, str | None]) -> bool:
    """Whether the JSON door takes the row: FHIR answers what that one refuses."""
    try:
        if row["value"]:
            read_value(row["value"])
        for limit in (row["lln"], row["uln"]):
            if limit:
                read_limit(limit)
        if row["collected"]:
            read_collected(row["collected"])
    except ParseError:
        return False
    return row["status"] != "odd" and row["analyte"] in LOINC


def by_json(row: dict[str, str | None], i: int) -> dict[str, Any]:
    names = ("value", "unit", "lln", "uln", "limit_unit", "collected", "status")
    sent = {name: row[name] for name in names if row[name] is not None}
    if not (row["lln"] or row["uln"]):
        sent.pop("limit_unit", None)  # FHIR has no unit without a limit
    return sent | {"analyte": LOINC[row["analyte"] or ""], "source_id": f"r{i}"}


def by_fhir(row: dict[str, str | None], i: int) -> dict[str, Any]:
    limits = {"low": row["lln"], "high": row["uln"]}
    unit = row["limit_unit"] or None
    given = {end: quantity(text.strip(), unit) for end, text in limits.items() if text}
    return observation(
        id=f"r{i}", code=coded(LOINC[row["analyte"] or ""]), status=row["status"] or "final",
        effectiveDateTime=row["collected"] or None, referenceRange=[given],
        valueQuantity=_quantity(row["value"], row["unit"] or None),
    )  # fmt: skip


def _quantity(value: str | None, unit: str | None) -> dict[str, Any]:
    if not value:
        return {"unit": unit} if unit else {"value": None}
    reported = read_value(value)
    more = {"comparator": reported.comparator} if reported.comparator else {}
    return quantity(reported.number, unit, **more)


@CHECKED
@given(drawn=st.lists(rows().filter(readable), min_size=1, max_size=6))
def test_a_result_has_one_grade_phase_and_reason_by_either_door(
    stateless: httpx.Client, drawn: list[dict[str, str | None]]
) -> None:
    dates = {"start": START.isoformat(), "end": END.isoformat()}
    sent = [by_json(row, i) for i, row in enumerate(drawn)]
    json = stateless.post("/v1/grade", json={"radiotherapy": dates, "results": sent})
    assert json.status_code == 200, json.text
    observations = [by_fhir(row, i) for i, row in enumerate(drawn)]
    fhir = answered(stateless, parameters(
        bundle(*observations), radiotherapyStart=dates["start"], radiotherapyEnd=dates["end"]
    ))  # fmt: skip
    assert [as_compared(one) for one in derived(fhir)] == [
        (g["term"], g["grade"], g["reason"], g["phase"], g["baseline_grade"], g["at_least"],
         g["at_most"], g["flags"])
        for g in json.json()["grades"]
    ]  # fmt: skip


def as_compared(one: dict[str, Any]) -> tuple[Any, ...]:
    said, grade = components(one), one.get("valueInteger")
    flags = [
        part["valueCodeableConcept"]["coding"][0]["code"]
        for part in one["component"]
        if part["code"]["coding"][0]["code"] == "flag"
    ]
    least, most = said.get("at_least", grade), said.get("at_most", grade)
    reason = one.get("dataAbsentReason", {}).get("text")
    term = one["code"]["text"] if "coding" in one["code"] else None
    return term, grade, reason, said["phase"], said.get("baseline_grade"), least, most, flags


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5) | st.sampled_from(["final", "1742-6", "mg/dL", "2011-02-30", "#a", "-1"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["value", "code", "system", "coding", "unit", "low", "high", "text",
                         "reference", "end", "comparator", "resourceType", "age"]),
        inner, max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip
GOOD = observation()
FIELDS = [*GOOD, "component", "contained", "hasMember", "dataAbsentReason", "valueString",
          "effectivePeriod", "category", "identifier", "issued", "modifierExtension"]  # fmt: skip


@st.composite
def odd_observations(draw: st.DrawFn) -> dict[str, Any]:
    """An Observation of which up to three elements are anything."""
    odd = draw(st.dictionaries(st.sampled_from(FIELDS[1:]), JUNK, max_size=3))
    return GOOD | {"id": draw(st.uuids()).hex} | odd


@CHECKED
@given(sent=st.lists(odd_observations(), min_size=1, max_size=4), course=JUNK)
def test_no_observation_is_lost_and_no_grade_is_guessed(
    stateless: httpx.Client, sent: list[dict[str, Any]], course: Any
) -> None:
    answer = post(stateless, bundle(*sent, procedure(performedPeriod=course)))
    assert answer.status_code in (200, 422), answer.text
    assert answer.json()["resourceType"] in ("Bundle", "OperationOutcome")
    assume(answer.status_code == 200)
    resources = [entry["resource"] for entry in answer.json()["entry"]]
    for i, one in enumerate(sent):
        place = f"Bundle.entry[{i}].resource"
        assert place in str(resources)
        graded = [
            r for r in derived(resources)
            if r["derivedFrom"][0]["display"] == place and "valueInteger" in r
        ]  # fmt: skip
        if graded:
            value = one["valueQuantity"]["value"]
            assert isinstance(value, int | float | Decimal | str)
            assert Decimal(str(value)) >= 0
            assert one["status"] in GRADED_STATUSES
            assert one["valueQuantity"].get("code") or one["valueQuantity"].get("unit")


ADDRESSES = st.sampled_from(
    [None, "urn:uuid:1", "https://a.example/Patient/1", "https://a.example/Observation/o1",
     "https://b.example/Patient/1", 7]
)  # fmt: skip
REFERENCES = st.sampled_from(
    ["Patient/1", "Patient/2", "#p", "#", "urn:uuid:1", "https://a.example/Patient/1",
     "Patient?identifier=a|b", "Observation/o1", "Patient/", None, 7]
)  # fmt: skip
SUBJECTS = st.fixed_dictionaries(
    {"reference": REFERENCES}, optional={"identifier": st.just({"system": "a", "value": "b"})}
)
CONTAINED = st.lists(
    st.fixed_dictionaries(
        {"resourceType": st.sampled_from(["Patient", "Observation", "Device"]),
         "id": st.sampled_from(["p", "o1", None])},
        optional={"identifier": st.just([{"system": "a", "value": "b"}]), "subject": SUBJECTS},
    ), max_size=2,
)  # fmt: skip


@st.composite
def odd_entries(draw: st.DrawFn) -> dict[str, Any]:
    """An entry of any kind, whose references and containers may be anything."""
    kinds = [
        GOOD, procedure(), {"resourceType": "Patient", "id": "1", "gender": "female"},
        {"resourceType": "DiagnosticReport", "id": "r",
         "result": [{"reference": "Observation/o1"}]},
    ]  # fmt: skip
    more = st.fixed_dictionaries({}, optional={
        "subject": SUBJECTS, "contained": CONTAINED, "identifier": CONTAINED, "status": JUNK,
        "hasMember": st.lists(SUBJECTS, max_size=2), "result": st.lists(SUBJECTS, max_size=2),
        "meta": JUNK, "id": JUNK, "modifierExtension": JUNK, "effectiveDateTime": JUNK,
        "referenceRange": JUNK, "category": JUNK, "performedPeriod": JUNK,
    })  # fmt: skip
    return {"resource": draw(st.sampled_from(kinds)) | draw(more), "fullUrl": draw(ADDRESSES)}


@CHECKED
@given(
    entries=st.lists(odd_entries(), max_size=5), kind=st.sampled_from(["collection", "document"])
)
def test_any_bundle_gets_an_answer_of_r4(
    stateless: httpx.Client, entries: list[dict[str, Any]], kind: str
) -> None:
    answer = post(stateless, bundle(entry=entries, type=kind))
    assert answer.status_code in (200, 422), answer.text
    sent = answer.json()
    for resource in [e["resource"] for e in sent.get("entry", [])] or [sent]:
        valid(resource)


@CHECKED
@given(body=JUNK, entries=JUNK, values=st.dictionaries(st.text(max_size=9), JUNK, max_size=2))
def test_any_json_gets_an_outcome(
    stateless: httpx.Client, body: Any, entries: Any, values: dict[str, Any]
) -> None:
    given_values = [{"name": "bundle", "resource": body}, values]
    for sent in (
        body, bundle(entry=entries), {"resourceType": "Parameters", "parameter": given_values},
    ):  # fmt: skip
        answer = post(stateless, sent)
        assert answer.status_code in (200, 422), answer.text
        assert answer.json()["resourceType"] in ("Bundle", "OperationOutcome")
