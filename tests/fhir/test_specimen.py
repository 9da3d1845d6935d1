"""Whose specimen an Observation is of, however it is named: urine is never graded as blood."""

from typing import Any

import pytest

from tests.fhir.resources import bundle, observation
from toxgrade.criteria.reader import load
from toxgrade.fhir.bundle import read_bundle
from toxgrade.grading.units import Names

_NAMES = Names(load().analytes.values())
_BASE = "https://ehr.example/fhir"
_URN = "urn:uuid:3afaeb2a-0000-4000-8000-000000000001"
_OWN = {"system": "urn:tubes", "value": "7"}


def _specimen(code: str = "122575003", **more: object) -> dict[str, Any]:
    kind = {"coding": [{"system": "http://snomed.info/sct", "code": code}]}
    return {"resourceType": "Specimen", "id": "s1", "type": kind} | more


_SERUM = _specimen("119364003")


def _kind(*entries: dict[str, Any]) -> str:
    given = [one if "resource" in one else {"resource": one} for one in entries]
    (found,) = read_bundle(bundle(entry=given), "Bundle", 100).observations
    return _NAMES.specimen(_NAMES.one_specimen(found.specimen))


def _at(url: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": url, "resource": resource}


def _of(reference: str, **more: Any) -> dict[str, Any]:
    return observation(id="o1", specimen={"reference": reference}, **more)


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ([_of("#s1", contained=[_specimen()])], "other"),
        ([_of("Specimen/s1"), _specimen()], "other"),
        ([_of("Specimen/s1"), _SERUM], "blood"),
        ([_of("Specimen/s1"), _at(f"{_BASE}/Specimen/s1", _specimen())], "other"),
        ([_of(f"{_BASE}/Specimen/s1"), _at(f"{_BASE}/Specimen/s1", _specimen())], "other"),
        # An absolute reference, and an entry whose server is not told.
        ([_of(f"{_BASE}/Specimen/s1"), _specimen()], "other"),
        ([_of(_URN), _at(_URN, _specimen())], "other"),
        # Of two servers, that of the Observation; where it is not told, none is taken for it.
        ([_at(f"{_BASE}/Observation/o1", _of("Specimen/s1")), _at(f"{_BASE}/Specimen/s1", _SERUM),
          _at("https://b.example/Specimen/s1", _specimen())], "blood"),
        ([_of("Specimen/s1"), _at(f"{_BASE}/Specimen/s1", _SERUM),
          _at("https://b.example/Specimen/s1", _specimen())], "other"),
        ([observation(specimen={"identifier": _OWN}), _specimen(identifier=[_OWN])], "other"),
        ([observation(specimen={"identifier": _OWN}), _specimen(accessionIdentifier=_OWN)],
         "other"),
        ([observation(specimen={"display": "Urine"})], "other"),
        ([observation(specimen={"display": "Serum"})], "blood"),
        ([_of("Specimen/elsewhere")], "blood"),  # nothing is told
        ([observation()], "blood"),
    ],
)  # fmt: skip
def test_what_the_reference_leads_to(entries: list[dict[str, Any]], kind: str) -> None:
    assert _kind(*entries) == kind


def _report(*specimens: str, **more: object) -> dict[str, Any]:
    named = [{"reference": f"Specimen/{name}"} for name in specimens]
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "specimen": named}
    return report | {"result": [{"reference": "Observation/o1"}]} | more


@pytest.mark.parametrize(
    ("own", "specimens", "kind"),
    [
        (None, ["s1"], "other"),
        ("Specimen/s2", ["s1"], "blood"),  # the result's own goes first
        (None, ["s1", "s2"], "blood"),  # which of them it is of is not told
        (None, [], "blood"),
    ],
)
def test_a_report_of_one_specimen_tells_it_of_its_results(
    own: str | None, specimens: list[str], kind: str
) -> None:
    result = _of(own) if own else observation(id="o1")
    serum = _specimen("119364003", id="s2")
    assert _kind(_report(*specimens), result, _specimen(), serum) == kind


def test_a_report_that_contains_its_results() -> None:
    inner = observation(id="o1")
    report = _report("s1", contained=[inner], result=[{"reference": "#o1"}])
    assert _kind(report, _specimen()) == "other"


def test_a_panel_tells_it_of_its_members() -> None:
    panel = {"resourceType": "Observation", "id": "p", "status": "final", "code": {"text": "x"},
             "specimen": {"reference": "Specimen/s1"},
             "hasMember": [{"reference": "Observation/o1"}]}  # fmt: skip
    given = [{"resource": one} for one in (panel, observation(id="o1"), _specimen())]
    _, member = read_bundle(bundle(entry=given), "Bundle", 100).observations
    assert _NAMES.specimen(_NAMES.one_specimen(member.specimen)) == "other"


@pytest.mark.parametrize(
    ("kind", "is_blood"),
    [
        ({"coding": [{"code": "119364003", "display": "Serumprobe"}]}, True),
        ({"coding": [{"code": "119364003"}], "text": "gelbe Monovette"}, True),
        ({"coding": [{"code": "119364003"}, {"code": "S1"}]}, True),
        ({"coding": [{"code": "S1"}, {"code": "S2"}], "text": "Serum"}, True),
        ({"coding": [{"code": "S1"}, {"code": "S2"}], "text": "Urine"}, False),
        ({"coding": [{"code": "119364003"}, {"code": "122575003"}]}, False),
        ({"coding": [{"code": "119297000", "display": "Cord blood"}]}, False),
        ({"coding": [{"code": "S1"}]}, False),
        ({"text": "Urine"}, False),
        ({}, True),
    ],
)
def test_the_type_of_a_specimen(kind: dict[str, Any], *, is_blood: bool) -> None:
    assert (_kind(_of("Specimen/s1"), _specimen(type=kind)) == "blood") is is_blood
