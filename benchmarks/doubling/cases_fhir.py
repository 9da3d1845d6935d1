"""Hostile FHIR: resources that refer to, hold or repeat one another, for every door that has them."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.doubling.case import MIB, Case
from benchmarks.doubling.doors import answered, json_request
from toxgrade.criteria.reader import load
from toxgrade.fhir.concept_map import read_concept_map
from toxgrade.server.ehr.pull.http_client import read_object

Resource = dict[str, Any]
_LOINC = "http://loinc.org"


def observation(i: int, **changed: Any) -> Resource:
    return {
        "resourceType": "Observation", "id": f"o{i}", "status": "final",
        "code": {"coding": [{"system": _LOINC, "code": "1975-2"}]},
        "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2011-04-23",
        "valueQuantity": {"value": 1.8, "code": "mg/dL", "system": "http://unitsofmeasure.org"},
    } | changed  # fmt: skip


def bundle(resources: list[Resource], url: Callable[[int], str] | None = None) -> Resource:
    entry = [
        {"resource": one} | ({"fullUrl": url(i)} if url else {}) for i, one in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entry}


def _observations(n: int, **changed: Any) -> list[Resource]:
    return [observation(i, **changed) for i in range(n)]


def _refers(kind: str, i: object) -> Resource:
    return {"reference": f"{kind}/{i}"}


def _course(i: int, **changed: Any) -> Resource:
    return {
        "resourceType": "Procedure", "id": f"p{i}", "status": "completed",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1217123003"}]},
        "subject": {"reference": "Patient/1"},
        "performedPeriod": {"start": f"{1950 + i % 250}-01-{1 + i % 27:02}",
                            "end": f"{1950 + i % 250}-01-{1 + i % 27:02}"},
    } | changed  # fmt: skip


def _nested(n: int, name: str, leaf: Any) -> Any:
    """JSON text of n levels: the writer of the standard library takes a thousand."""
    return f'{{"{name}":' * n + json.dumps(leaf) + "}" * n


def _coding(n: int, system: str = _LOINC) -> Resource:
    return {"coding": [{"system": system, "code": f"{i}-1"} for i in range(n)]}


def _specimen(**changed: Any) -> Resource:
    return {"resourceType": "Specimen", "id": "s", "type": {"text": "serum"}} | changed


ATTACKS: dict[str, Callable[[int], Any]] = {
    "n Observations contained, whose subject is": lambda n: bundle([observation(0, contained=[
        {"resourceType": "Patient", "id": "p"},
        *_observations(n, subject={"reference": "#p"})])]),
    "n Observations of a contained Patient with n names": lambda n: bundle([observation(0, contained=[
        {"resourceType": "Patient", "id": "p", "name": [{"text": "x"}] * n},
        *_observations(n, subject={"reference": "#p"})])]),
    "n contained, n focused": lambda n: bundle([observation(0, contained=[
        {"resourceType": "Device", "id": str(i)} for i in range(n)],
        focus=[{"reference": "#x"}] * n)]),
    "n contained Observations of n contained Specimens": lambda n: bundle([observation(0, contained=[
        *[_specimen(id=f"s{i}") for i in range(n)],
        *_observations(n, specimen={"reference": "#s"})])]),
    "n contained results of a report with n specimens": lambda n: bundle([{
        "resourceType": "DiagnosticReport", "specimen": [{"reference": "Specimen/s"}] * n,
        "contained": _observations(n)}]),
    "n contained results of a report's contained Specimen": lambda n: bundle([{
        "resourceType": "DiagnosticReport", "specimen": [{"reference": "#s"}],
        "contained": [*_observations(n), _specimen(note=[{"text": "x"}] * n)]}]),
    "n Observations of a Specimen with n codes": lambda n: bundle([
        _specimen(type=_coding(n)), *_observations(n, specimen=_refers("Specimen", "s"))]),
    "n Observations of a Specimen with n notes": lambda n: bundle([
        _specimen(note=[{"text": "x"}] * n), *_observations(n, specimen=_refers("Specimen", "s"))]),
    "n Observations of n Specimens of one id": lambda n: bundle([
        *[_specimen()] * n, *_observations(n, specimen=_refers("Specimen", "s"))]),
    "n Specimens with n identifiers that are the same": lambda n: bundle([
        *[_specimen(identifier=[{"value": "1"}] * 8)] * n,
        *_observations(n, specimen={"identifier": {"value": "1"}})]),
    "n members of n Observations of one id": lambda n: bundle([
        {"resourceType": "DiagnosticReport", "status": "final", "result": [_refers("Observation", "o")] * n,
         "specimen": [{"display": "serum"}]},
        *_observations(n, id="o")]),
    "n panels of n Observations of one id": lambda n: bundle([
        *[{"resourceType": "Observation", "id": f"x{i}", "hasMember": [_refers("Observation", "o")],
           "specimen": {"display": "serum"}} for i in range(n)],
        *[observation(0, id="o", issued=str(i)) for i in range(n)]]),
    "n withdrawn reports of n Observations of one id": lambda n: bundle([
        *[{"resourceType": "DiagnosticReport", "status": "cancelled",
           "result": [_refers("Observation", "o")]}] * n,
        *[observation(0, id="o", effectiveDateTime=f"2011-04-{i % 28 + 1:02}") for i in range(n)]]),
    "n Observations without a server, n servers": lambda n: bundle(
        _observations(n) + [{"resourceType": "Patient", "id": "1"}] * n,
        lambda i: f"urn:uuid:{i}" if i < n else f"https://h{i}/Patient/1"),
    "n Patients of one identifier, n contained": lambda n: bundle([
        *[{"resourceType": "Patient", "id": f"p{i}", "identifier": [{"value": "1"}]} for i in range(n)],
        *[observation(i, subject={"reference": "#p"}, contained=[
            {"resourceType": "Patient", "id": "p", "identifier": [{"value": "1"}]}]) for i in range(n)]]),
    "n identifiers of a contained Patient, n Patients": lambda n: bundle([
        *[{"resourceType": "Patient", "id": f"p{i}", "identifier": [{"value": "1"}]} for i in range(n)],
        observation(0, subject={"reference": "#p"}, contained=[
            {"resourceType": "Patient", "id": "p", "identifier": [{"value": "1"}] * n}])]),
    "n Observations in a circle": lambda n: bundle([
        observation(i, hasMember=[_refers("Observation", f"o{(i + 1) % n}")]) for i in range(n)]),
    "n Observations that name each other's subject": lambda n: bundle([
        observation(i, subject=_refers("Observation", f"o{(i + 1) % n}")) for i in range(n)]),
    "n subjects by identifier": lambda n: bundle([
        observation(i, subject={"identifier": {"value": str(i)}}) for i in range(n)]),
    "n versions of one resource": lambda n: bundle([
        observation(0, meta={"versionId": str(i)}) for i in range(n)], lambda _: "https://h/Observation/o0"),
    "n versions of which none is the last": lambda n: bundle([
        observation(0, note=[{"text": str(i)}]) for i in range(n)], lambda _: "https://h/Observation/o0"),
    "n deletions in a history": lambda n: {"resourceType": "Bundle", "type": "history", "entry": [
        *[{"fullUrl": f"x{i}", "request": {"method": "DELETE", "url": f"Observation/o{i}"}} for i in range(n)],
        *[{"resource": one} for one in _observations(n)]]},
    "n courses": lambda n: bundle([*map(_course, range(n)), observation(0)]),
    "n courses that overlap, n results": lambda n: bundle([
        *[_course(i, performedPeriod={"start": "2011-01-24", "end": f"20{11 + i % 80}-03-09"}) for i in range(n)],
        *_observations(n)]),
    "n courses of one day": lambda n: bundle([
        *[_course(i, performedPeriod={"start": "2011-01-24"}) for i in range(n)], *_observations(n)]),
    "n courses, n results": lambda n: bundle([*map(_course, range(min(n, 6_000))), *_observations(n)]),
    "n Procedures with n codes": lambda n: bundle([_course(i, category=[_coding(8)] * 8) for i in range(n)]),
    "n LOINC codes": lambda n: bundle([observation(0, code=_coding(n))]),
    "n LOINC codes, n local ones": lambda n: bundle([observation(0, code={
        "coding": [*_coding(n)["coding"], *_coding(n, "x")["coding"]]})]),
    "n components of n codes": lambda n: bundle([observation(0, component=[
        {"code": _coding(4), "valueQuantity": {"value": 1}} for _ in range(n)])]),
    "n components of one code": lambda n: bundle([observation(0, component=[
        {"code": _coding(1), "valueQuantity": {"value": i}} for i in range(n)])]),
    "n reference ranges": lambda n: bundle([observation(0, referenceRange=[
        {"low": {"value": i}, "high": {"value": i + 1}} for i in range(n)])]),
    "n reference ranges in words": lambda n: bundle([observation(0, referenceRange=[
        {"text": f"{i} to 7 mg/dL"} for i in range(n)])]),
    "a reference range of n words": lambda n: bundle([observation(0, referenceRange=[
        {"low": {"value": 1, "unit": "m"}, "text": "m " * n}])]),
    "a reference range of n units": lambda n: bundle([observation(0, referenceRange=[
        {"low": {"value": 1, "unit": "m" * 199}, "text": "m" * n}])]),
    "n ranges for n sexes": lambda n: bundle([observation(0, referenceRange=[
        {"low": {"value": 1}, "appliesTo": [_coding(4)] * 4, "age": {"low": {"value": i}}} for i in range(n)])]),
    "n interpretations": lambda n: bundle([observation(0, interpretation=[_coding(4)] * n)]),
    "n extensions": lambda n: bundle([observation(0, extension=[{"url": "x", "valueString": "y"}] * n)]),
    "n modifierExtensions": lambda n: bundle([observation(0, component=[
        {"modifierExtension": [{"url": "x"}], "code": _coding(1)}] * n)]),
    "n levels of extensions": lambda n: json.dumps(bundle([observation(0, note="@")])).replace(
        '"@"', _nested(n, "extension", [])),
    "n levels in two equal resources": lambda n: json.dumps(bundle([observation(0, note="@")] * 2)).replace(
        '"@"', _nested(min(n, 900), "extension", [])),
    "n empty entries": lambda n: bundle([]) | {"entry": [{}] * min(n, 10_000)},
    "n resources that are not read": lambda n: bundle([{"resourceType": "X"}] * min(n, 10_000)),
    "a text of n characters": lambda n: bundle([observation(0, valueString="1" * n, valueQuantity=None)]),
    "a printed value of n blanks": lambda n: bundle([observation(0, valueString=" " * n + "1 x", valueQuantity=None)]),
    "a number of n digits": lambda n: json.dumps(bundle([observation(0)])).replace("1.8", "1." + "8" * n),
    "a reference of n slashes": lambda n: bundle([observation(0, subject={"reference": "https://x" + "/A" * n})]),
    "n fullUrls of n slashes": lambda n: bundle(_observations(n), lambda i: "https://x" + "/Aa" * 60 + str(i)),
    "a date of n digits": lambda n: bundle([observation(0, effectiveDateTime="2011-04-23T14:45:00." + "1" * n)]),
    "n parameters": lambda n: {"resourceType": "Parameters", "parameter": [
        {"name": "study", "valueString": "x"}] * n},
    "n other Patients' subjects": lambda n: {"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueReference": {"reference": "Patient/x"}},
        {"name": "bundle", "resource": bundle([observation(i, subject=_refers("Patient", i)) for i in range(n)])}]},
}  # fmt: skip
_STORED = {
    f"stored: {attack}": lambda n, build=build: {"resourceType": "Parameters", "parameter": [
        {"name": "persist", "valueBoolean": True}, {"name": "patient", "valueString": "P1"},
        {"name": "bundle", "resource": build(n)}]}
    for attack, build in {
        "n Observations of one id": lambda n: bundle(_observations(min(n, 2500), id="o")),
        "n Observations of one id and n times": lambda n: bundle([
            observation(0, effectiveDateTime=f"2011-04-23T{i // 60 % 24:02}:{i % 60:02}:00Z")
            for i in range(min(n, 2500))]),
        "n corrections": lambda n: bundle(_observations(min(n, 2500), id="o", status="corrected")),
    }.items()
}  # fmt: skip


_NOT_IN_TESTS = (
    "n contained Observations of n contained Specimens", "n versions of which none is the last",
    "n contained results of a report's contained Specimen", "n Observations of a Specimen with n codes",
    "n panels of n Observations of one id", "n LOINC codes, n local ones", "n reference ranges in words",
    "n deletions in a history", "n interpretations", "n resources that are not read", "n fullUrls of n slashes",
    "stored: n Observations of one id and n times", "n Procedures with n codes",
    "n Observations contained, whose subject is", "n contained results of a report with n specimens",
    "n Observations of a Specimen with n notes", "n Observations of n Specimens of one id",
    "n members of n Observations of one id", "n identifiers of a contained Patient, n Patients",
    "n Observations in a circle", "n subjects by identifier", "n versions of one resource", "n courses",
    "n courses of one day", "n courses, n results", "n LOINC codes", "n components of one code",
    "n reference ranges", "a reference range of n units", "n extensions", "n empty entries",
    "n levels in two equal resources", "a text of n characters", "n parameters",
    "stored: n Observations of one id", "n Observations that name each other's subject",
)  # fmt: skip
"""They go the way of another, which is measured."""


def _hook(document: Any, courses: Any = None) -> Resource:
    return {
        "hook": "patient-view", "hookInstance": "1", "context": {"patientId": "1"},
        "prefetch": {"labs": document, "radiotherapy": courses},
    }  # fmt: skip


def _concept_map(n: int) -> Resource:
    same = {"target": [{"code": "1975-2", "equivalence": "equal"}]}
    return {"resourceType": "ConceptMap", "group": [
        {"source": "x", "target": _LOINC, "element": [{"code": str(i), **same} for i in range(n)]}]}  # fmt: skip


_MAPS: dict[str, Callable[[int], Any]] = {
    "n elements": _concept_map,
    "n targets": lambda n: {"group": [{"target": _LOINC, "element": [
        {"code": "1", "target": [{"code": str(i)} for i in range(n)]}]}]},
    "n groups of units": lambda n: {"group": [{"target": "http://unitsofmeasure.org", "element": [
        {"code": str(i), "target": [{"code": "x" * 100}]}]} for i in range(n)]},
}  # fmt: skip


def _hooked(build: Callable[[int], Resource], n: int) -> Resource:
    return _hook(build(n))


def _treated(build: Callable[[int], Resource], n: int) -> Resource:
    return _hook(bundle([observation(0)]), build(n))


def _map_of(build: Callable[[int], Any], n: int) -> str:
    return json.dumps(build(n))


def _read_map(text: str) -> None:
    read_concept_map(json.loads(text), load().analytes.values())


def cases() -> list[Case]:
    """The operation with every attack, CDS Hooks with Bundles, what is pulled, and ConceptMaps."""
    most = 32 * MIB
    operation = [
        Case("POST $ctcae-grade", attack, json_request("POST", "/fhir/$ctcae-grade", build), answered, most, 16,
             in_tests=attack not in _NOT_IN_TESTS)
        for attack, build in (ATTACKS | _STORED).items()
    ]  # fmt: skip
    courses = ("n courses", "n courses that overlap, n results", "n Procedures with n codes")
    hooked = {
        attack: build
        for attack, build in ATTACKS.items()
        if not attack.startswith(("n levels", "a number", "n parameters", "n other"))
    }
    hooks = [
        Case("POST cds-services", attack, json_request(
            "POST", "/cds-services/ctcae-labs", partial(_hooked, build)), answered, most, 16,
            in_tests=attack == courses[0])
        for attack, build in hooked.items()
    ]  # fmt: skip
    hooks += [
        Case("POST cds-services", f"radiotherapy: {attack}", json_request(
            "POST", "/cds-services/ctcae-labs",
            partial(_treated, ATTACKS[attack])), answered, most, 16, in_tests=attack == courses[1])
        for attack in courses
    ]  # fmt: skip
    maps = [
        Case("ConceptMap", attack, partial(_map_of, build), _read_map)
        for attack, build in _MAPS.items()
    ]
    doubled: dict[str, Callable[[int], bytes]] = {
        "n doubled keys": lambda n: b'{"a":[' + b",".join([b'{"b":1,"b":2}'] * n) + b"]}",
        "n levels": lambda n: b'{"a":' * n,
    }
    pulled = [Case("pull", attack, build, read_object) for attack, build in doubled.items()]
    return [*operation, *hooks, *maps, *pulled]
