"""Hostile JSON, at each door that takes it."""

from benchmarks.doubling.case import MIB, Case
from benchmarks.doubling.doors import Json, answered, json_request

DOORS = {
    "POST /v1/grade": ("POST", "results", "/v1/grade"),
    "POST results": ("POST", "results", "/v1/studies/{study}/patients/{patient}/results"),
    "PUT study": ("PUT", "liver_enzymes", "/v1/studies/{study}"),
    "PUT patient": ("PUT", "radiotherapy", "/v1/studies/{study}/patients/{patient}"),
    "PUT reference-ranges": ("PUT", "ranges", "/v1/studies/{study}/reference-ranges"),
    "POST events": ("POST", "term", "/v1/studies/{study}/patients/{patient}/events"),
    "POST liver-reviews": (
        "POST",
        "verdict",
        "/v1/studies/{study}/patients/{patient}/liver-safety/reviews",
    ),
    "POST withdrawal": (
        "POST",
        "reason",
        "/v1/studies/{study}/patients/{patient}/grades/{grade}/withdrawal",
    ),
    "DELETE patient": ("DELETE", "reason", "/v1/studies/{study}/patients/{patient}"),
    "POST $ctcae-grade": ("POST", "entry", "/fhir/$ctcae-grade"),
    "POST cds-services": ("POST", "prefetch", "/cds-services/ctcae-labs"),
    "POST feedback": ("POST", "feedback", "/cds-services/ctcae-labs/feedback"),
}
"""By door: method, the field whose value is a list or may be taken for one, and path."""

_NAMES = {"study": "default", "patient": "P1", "grade": "1"}
_AT_EACH = "n numbers"
"""What the tests try at each door; for all other attacks one door stands for the others."""


def _attacks(field: str) -> dict[str, Json]:
    """By name, JSON that any door may be sent."""
    return {
        "one key, doubled n times": lambda n: "{" + ",".join(['"a":1'] * n) + "}",
        "n keys, all doubled": lambda n: "{" + ",".join(f'"{i}":1,"{i}":2' for i in range(n)) + "}",
        "n objects with a doubled key": lambda n: "[" + ",".join(['{"a":1,"a":2}'] * n) + "]",
        "n unknown fields": lambda n: {f"k{i}": i for i in range(n)},
        "n numbers where objects belong": lambda n: {field: [1] * n},
        "n empty objects": lambda n: {field: [{}] * n},
        "n levels": lambda n: "[" * n + "]" * n,
        "a number of n digits": lambda n: f'{{"{field}":{"9" * n}}}',
        "n long exponents": lambda n: {field: 0} if n < 2 else f'{{"{field}":[{",".join(["1e99999999999999999999"] * n)}]}}',
        "an escaped text of n characters": lambda n: f'{{"{field}":"{chr(92)}u00e9' + "\\u00e9" * n + '"}',
        "an open text of n quotes": lambda n: '{"a":"' + '\\"' * n,
    }  # fmt: skip


def _lab(i: int, **more: object) -> dict[str, object]:
    return {
        "analyte": "ALT", "value": str(i % 900), "unit": "U/L", "uln": "40",
        "collected": f"20{10 + i % 10}-0{1 + i % 9}-1{i % 10}", **more,
    }  # fmt: skip


_PANELS: dict[str, Json] = {
    "n results of one number and minute": lambda n: {"results": [
        _lab(i, source_id="1", collected="2011-04-23T14:45") for i in range(n)]},
    "n results of one number": lambda n: {"results": [_lab(i, source_id="1") for i in range(n)]},
    "n results of one day": lambda n: {"results": [_lab(i, collected="2011-04-23") for i in range(n)]},
    "n results and n baselines": lambda n: {
        "results": [_lab(i) for i in range(n)], "baseline": [_lab(i) for i in range(n)]},
    "n analytes that nobody knows": lambda n: {"results": [
        {"analyte": f"x{i}", "collected": "2011-04-23", "value": 1} for i in range(n)]},
    "n names in the dictionary": lambda n: {"results": [], "dictionary": {
        "analytes": {f"x{i}": "ALT" for i in range(n)}, "units": {f"u{i}": "U/L" for i in range(n)},
        "specimens": {f"s{i}": "serum" for i in range(n)}}},
    "n wrong names in the dictionary": lambda n: {"results": [], "dictionary": {
        "analytes": {f"x{i}": "nothing" for i in range(n)}}},
}  # fmt: skip
_STORED_IN_TESTS = ("n results of one number and minute", "n analytes that nobody knows")
_RULES: dict[str, Json] = {
    "n rows of terms": lambda n: {"rows": [{"label": str(i), "terms": ["Anemia"] * 50} for i in range(n)]},
    "n terms": lambda n: {"clinical_terms": ["Nausea"] * n},
    "n unknown terms": lambda n: {"clinical_terms": [f"Nauseaa{i}" for i in range(n)]},
    "n enzymes": lambda n: {"liver_enzymes": [f"x{i}" for i in range(n)]},
}  # fmt: skip
_PATIENT: dict[str, Json] = {
    "n courses of radiotherapy": lambda n: {"radiotherapy": [
        {"start": f"20{i % 90 + 10}-01-24", "end": f"20{i % 90 + 10}-03-09"} for i in range(n)]},
    "n courses that overlap": lambda n: {"radiotherapy": [
        {"start": "2011-01-24", "end": "2011-03-09"} for i in range(n)]},
}  # fmt: skip
_RANGES: dict[str, Json] = {
    "n rows that overlap": lambda n: {"ranges": [
        {"analyte": "ALT", "uln": "45", "unit": "U/L", "lab": str(i // 100), "age_from": i % 100}
        for i in range(n)]},
    "n rows of one kind": lambda n: {"ranges": [
        {"analyte": "ALT", "uln": "45", "unit": "U/L"} for i in range(n)]},
}  # fmt: skip


def cases() -> list[Case]:
    """Every door with every attack, then those of single doors."""
    found = []
    for parser, (method, field, template) in DOORS.items():
        path = template.format(**_NAMES)
        most = 32 * MIB if path.startswith(("/fhir", "/cds")) else 8 * MIB
        found += [
            Case(
                parser,
                attack,
                json_request(method, path, build),
                answered,
                most,
                in_tests=parser == "POST /v1/grade" or attack.startswith(_AT_EACH),
            )
            for attack, build in _attacks(field).items()
        ]
    for parsers, attacks in (
        (("POST /v1/grade", "POST results"), _PANELS), (("PUT study",), _RULES),
        (("PUT patient",), _PATIENT), (("PUT reference-ranges",), _RANGES),
    ):  # fmt: skip
        for parser in parsers:
            method, _, template = DOORS[parser]
            path = template.format(**_NAMES)
            found += [
                Case(parser, attack, json_request(method, path, build), answered,
                     in_tests=parser != "POST results" or attack in _STORED_IN_TESTS)
                for attack, build in attacks.items()
            ]  # fmt: skip
    return found
