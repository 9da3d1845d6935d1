"""CDS Hooks: discovery, and calls of ``ctcae-labs``."""

from benchmarks.recording.asked import Asked, get, post, raw
from benchmarks.recording.doors.fhir import COURSE, bundle, coded, observation, quantity

_PATH = "/cds-services/ctcae-labs"
_PLATELETS = observation(id="p", code=coded("777-3"), valueQuantity=quantity(40, "10*9/L"),
                         referenceRange=[{"low": {"value": 150}}])  # fmt: skip
_CENSORED = observation(id="c", code=coded("1742-6"), referenceRange=[{"high": {"value": 40}}],
                        valueQuantity={**quantity(130, "U/L"), "comparator": ">"})  # fmt: skip
_HIGH = observation(valueQuantity=quantity(4.2, "mg/dL"))
_LABS = bundle(_PLATELETS, _CENSORED, _HIGH, kind="searchset")


def _call(name: str, labs: object, courses: object = None, **changed: object) -> Asked:
    body = {
        "hook": "patient-view", "hookInstance": "00000000-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "1"},
        "prefetch": {"labs": labs, "radiotherapy": courses},
    } | changed  # fmt: skip
    return post(name, _PATH, body)


REQUESTS = (
    get("discovery", "/cds-services"),
    _call("cards", _LABS),
    _call("cards with a course", _LABS, bundle(COURSE, kind="searchset")),
    _call("nothing to say", bundle(observation(valueQuantity=quantity(0.9, "mg/dL")))),
    _call("no labs", bundle(kind="searchset")),
    _call("a page of more", _LABS | {"link": [{"relation": "next", "url": "http://x"}]}),
    _call("odd course", _LABS, bundle(COURSE | {"performedPeriod": {"start": "soon"}})),
    _call("another patient", bundle(observation(subject={"reference": "Patient/2"}))),
    _call("labs failed", {"resourceType": "OperationOutcome"}),
    _call("without prefetch", _LABS, prefetch={}),
    _call("another hook", _LABS, hook="order-sign"),
    _call("without context", _LABS, context={}, hookInstance=None),
    raw("not JSON", _PATH, "{", "application/json"),
    post("no such service", "/cds-services/none", {}),
)
