"""The same results, sent again, corrected and withdrawn, leave the same state by every door."""

from itertools import count

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fhir.resources import coded, observation, parameters, post, quantity
from tests.server.ehr.oru import fields, message, obx

_HL7 = {"preliminary": "P", "final": "F", "corrected": "C", "entered-in-error": "D"}
_TIMES = ["2011-04-23T08:00", "2011-04-23T14:00", "2011-04-23", "2011-07-23T08:00"]
_numbers = count(1)

_SENT = st.tuples(
    st.sampled_from(["6.8", "4.0", "6.80", "6.8000000000000003", "<3"]),
    st.sampled_from(list(_HL7)), st.sampled_from([*_TIMES, ""]),
).filter(lambda sent: sent[2] != "" or sent[1] == "entered-in-error")  # fmt: skip
"""Value, status and time; a withdrawal needs no time."""


def by_json(client: httpx.Client, patient: str, value: str, status: str, time: str) -> None:
    result = {
        "analyte": "2823-3", "value": value, "unit": "mmol/L", "lln": "3.5", "uln": "5.1",
        "collected": time or None, "status": status, "source_id": "LAB-7",
    }  # fmt: skip
    url = f"/v1/studies/default/patients/{patient}/results"
    assert client.post(url, json={"results": [result]}).status_code == 201


def by_hl7v2(client: httpx.Client, patient: str, value: str, status: str, time: str) -> None:
    when = "".join(c for c in time if c.isdigit())
    sent = obx(
        f3="2823-3^Potassium^LN", f5=value, f6="mmol/L", f7="3.5-5.1", f11=_HL7[status], f14=when
    )
    answer = client.post(
        "/hl7v2", content=message(sent, pid=f"PID|1||{patient}", obr="OBR|1||LAB-7")
    )
    assert fields(answer.text, "MSA")[0][1] == "AA"


def by_fhir(client: httpx.Client, patient: str, value: str, status: str, time: str) -> None:
    comparator = {"comparator": "<"} if value.startswith("<") else {}
    limits = {"low": quantity("3.5", "mmol/L"), "high": quantity("5.1", "mmol/L")}
    resource = observation(
        id="LAB-7", code=coded("2823-3"), status=status,
        effectiveDateTime=f"{time}:00Z" if "T" in time else time or None,
        valueQuantity=quantity(value.lstrip("<"), "mmol/L") | comparator, referenceRange=[limits],
    )  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
    assert post(client, parameters(bundle, persist=True, patient=patient)).status_code == 200


def state(client: httpx.Client, patient: str) -> list[str]:
    """Return what is current of a patient, whatever the order in which it is listed."""
    found = client.get(f"/v1/studies/default/patients/{patient}/grades").json()["grades"]
    shown = ("term", "value", "status", "grade", "reason", "flags")
    return sorted(str([g[name] for name in shown]).replace("6.80'", "6.8'") for g in found)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sent=st.lists(_SENT, min_size=1, max_size=5))
def test_the_door_does_not_matter_to_what_is_stored(
    stateless: httpx.Client, sent: list[tuple[str, str, str]]
) -> None:
    number = next(_numbers)
    states = []
    for name, door in (("J", by_json), ("H", by_hl7v2), ("F", by_fhir)):
        for value, status, time in sent:
            door(stateless, f"{name}{number}", value, status, time)
        states.append(state(stateless, f"{name}{number}"))
    assert states[0] == states[1] == states[2]
