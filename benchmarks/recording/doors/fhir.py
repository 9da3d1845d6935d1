"""FHIR R4: ``$ctcae-grade``, the capability statement, the operation's definition."""

import json

from benchmarks.recording.asked import Asked, get, raw

_PATH, _MEDIA = "/fhir/$ctcae-grade", "application/fhir+json"
_UCUM = "http://unitsofmeasure.org"


def quantity(value: object, unit: str) -> dict[str, object]:
    """Return a quantity in a UCUM unit."""
    return {"value": value, "unit": unit, "system": _UCUM, "code": unit}


def coded(code: str, system: str = "http://loinc.org") -> dict[str, object]:
    """Return a concept of one coding, LOINC's unless told."""
    return {"coding": [{"system": system, "code": code}]}


def observation(**changed: object) -> dict[str, object]:
    """Return bilirubin 1.8 mg/dL (0.2 to 1.2); a field changed to None is left out."""
    good: dict[str, object] = {
        "resourceType": "Observation", "id": "o1", "status": "final", "code": coded("1975-2"),
        "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2011-04-23",
        "valueQuantity": quantity(1.8, "mg/dL"),
        "referenceRange": [{"low": quantity(0.2, "mg/dL"), "high": quantity(1.2, "mg/dL")}],
    }  # fmt: skip
    return {name: value for name, value in (good | changed).items() if value is not None}


COURSE = {
    "resourceType": "Procedure", "id": "rt", "status": "completed",
    "code": coded("1217123003", "http://snomed.info/sct"), "subject": {"reference": "Patient/1"},
    "performedPeriod": {"start": "2011-01-24", "end": "2011-03-09"},
}  # fmt: skip


def bundle(*resources: object, kind: str = "collection") -> dict[str, object]:
    """Return a Bundle of resources."""
    entry = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entry}


def _said(name: str, what: object, **headers: str) -> Asked:
    return raw(name, _PATH, json.dumps(what), _MEDIA, **headers)


def _asked(name: str, sent: object, *values: tuple[str, str, object], **headers: str) -> Asked:
    given = [{"name": n, kind: value} for n, kind, value in values]
    whole = [{"name": "bundle", "resource": sent}, *given]
    return _said(name, {"resourceType": "Parameters", "parameter": whole}, **headers)


_WBC = observation(id="w", code=coded("6690-2"), valueQuantity=quantity(2.8, "10*9/L"),
                   referenceRange=[{"low": {"value": 4}, "high": {"value": 10}}])  # fmt: skip
_BEFORE = observation(id="b", effectiveDateTime="2011-01-20", valueQuantity=quantity(0.9, "mg/dL"))
_ALT = observation(id="a", code=coded("1742-6"), valueQuantity=quantity(90, "U/L"),
                   referenceRange=[{"text": "<40"}])  # fmt: skip
_PANEL = observation(id="p", code=coded("24325-3"), valueQuantity=None, referenceRange=None,
                     component=[{"code": coded("1742-6"), "valueQuantity": quantity(250, "U/L"),
                                 "referenceRange": [{"high": {"value": 40}}]},
                                {"code": coded("1751-7"), "valueString": "28 g/L"}])  # fmt: skip
_STORE = (("persist", "valueBoolean", True), ("study", "valueString", "trial"),
          ("patient", "valueString", "FHIR1"))  # fmt: skip
_ONE = bundle(observation())

_CHANGES: tuple[dict[str, object], ...] = (
    {"code": coded("9-9")}, {"valueQuantity": None}, {"status": "done"},
    {"effectiveDateTime": None, "effectivePeriod": {"end": "2011-04"}},
    {"valueQuantity": None, "dataAbsentReason": coded("unknown")},
    {"valueQuantity": None, "valueString": "hemolysed"}, {"valueQuantity": quantity(1.8, "stone")},
    {"referenceRange": None}, {"status": "preliminary"}, {"status": "entered-in-error"},
    {"valueQuantity": {**quantity(1.8, "mg/dL"), "comparator": "<"}},
    {"modifierExtension": [{"url": "http://x"}]}, {"subject": None},
)  # fmt: skip
_ODD = [observation(**({"id": f"odd{n}"} | changed)) for n, changed in enumerate(_CHANGES)]

REQUESTS = (
    get("capabilities", "/fhir/metadata"),
    get("operation", "/fhir/OperationDefinition/ctcae-grade"),
    get("format", "/fhir/metadata?_format=json&_pretty=true"),
    get("smart", "/.well-known/smart-configuration"),
    _said("bundle", bundle(COURSE, _BEFORE, observation(), _WBC, _ALT, _PANEL)),
    _said("searchset", bundle(observation(), kind="searchset")),
    _said("empty bundle", bundle()),
    _said("two patients", bundle(observation(), observation(subject={"reference": "Patient/2"}))),
    _said("odd observations", bundle(*_ODD)),
    *(_said(f"odd {n}", bundle(odd)) for n, odd in enumerate(_ODD)),
    _said("doubled", bundle(observation(), observation(status="preliminary"))),
    _asked("dates", _ONE, ("radiotherapyStart", "valueDate", "2011-01-24"),
           ("radiotherapyEnd", "valueDate", "2011-03-09")),
    _asked("by a study", _ONE, ("study", "valueString", "five")),
    _asked("by no study", _ONE, ("study", "valueString", "nowhere")),
    _asked("adverse events", bundle(COURSE, _BEFORE, observation(), _WBC),
           ("output", "valueCode", "adverse-event")),
    _asked("preliminary too", bundle(observation(status="preliminary")),
           ("preliminary", "valueBoolean", True)),
    _asked("stored", bundle(COURSE, _BEFORE, observation(), _WBC), *_STORE, Idempotency_Key="f"),
    _asked("stored again", bundle(COURSE, _BEFORE, observation(), _WBC), *_STORE,
           Idempotency_Key="f"),
    _asked("withdrawn", bundle(observation(status="entered-in-error")), *_STORE),
    _asked("stored without patient", _ONE, *_STORE[:2]),
    get("what was stored", "/v1/studies/trial/patients/FHIR1/grades?include_superseded=true"),
    _asked("unknown parameter", _ONE, ("colour", "valueString", "red")),
    _asked("odd date", _ONE, ("radiotherapyStart", "valueDate", "yesterday")),
    _said("another resource", observation()),
    _said("no resource", {"hello": 1}),
    _said("entry malformed", {"resourceType": "Bundle", "type": "collection", "entry": [3]}),
    _said("parameters without bundle", {"resourceType": "Parameters", "parameter": []}),
    raw("not JSON", _PATH, "{", _MEDIA),
    raw("as XML", _PATH, "<Bundle/>", "application/fhir+xml"),
    raw("parameters in the address", f"{_PATH}?study=five", json.dumps(_ONE), _MEDIA),
    get("operation by GET", _PATH),
    get("no such resource", "/fhir/Patient/1"),
)  # fmt: skip
