"""Hostile texts: values, units, dates, addresses, headers, tokens, cursors; and many results."""

import asyncio
import base64
import json
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from benchmarks.doubling.case import MIB, Case, Sent
from benchmarks.doubling.doors import answered, request
from toxgrade.criteria.reader import load
from toxgrade.grading.indicators import one_indicator
from toxgrade.grading.parse import lab_result, read_collected, read_value
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.phase import read_window
from toxgrade.grading.reference_ranges import read_range
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.specimens import specimen_kind
from toxgrade.server.access.tokens import Issuer, Tokens
from toxgrade.server.records.doubts import flag_request, twins
from toxgrade.server.records.matching import Matcher
from toxgrade.server.runtime import MACHINE

Text = Callable[[int], str]
_GRADER = Graders(load()).for_rules(Rules())
_NAMES = _GRADER.names
_ALT = load().analytes["ALT"]

_TEXTS: dict[str, tuple[Callable[[str], object], dict[str, Text]]] = {
    "value": (read_value, {
        "n digits": lambda n: "1" * n, "n digits, then a letter": lambda n: "1" * n + "x",
        "n fractional digits": lambda n: "1." + "1" * n, "n zeros": lambda n: "0" * n + "1",
        "n blanks": lambda n: "<" + " " * n + "x", "n comparators": lambda n: "<" * n,
        "an exponent of n digits": lambda n: "1e" + "9" * n}),
    "date": (read_collected, {
        "n digits": lambda n: "2" * n, "n fractional digits": lambda n: "2011-04-23T14:45:00." + "1" * n,
        "n blanks": lambda n: " " * n + "x" + " " * n}),
    "window": (lambda text: read_window(text), {"n digits": lambda n: "end+" + "1" * n + "m"}),
    "printed range": (read_range, {
        "n digits": lambda n: "1" * n + "-", "n blanks": lambda n: "1" + " " * n + "-",
        "n blanks before a unit": lambda n: "1-2" + " " * n + "1", "n blanks after less": lambda n: "<" + " " * n,
        "n letters of a unit": lambda n: "1-2 1" + "x1" * n, "n brackets": lambda n: "(" * n + "1" + ")" * n}),
    "unit": (lambda text: _NAMES.unit(_ALT, text), {
        "n braces": lambda n: "{" * n, "n annotations": lambda n: "{x}" * n, "n open annotations": lambda n: "{x" * n,
        "n powers": lambda n: "10" + "³" * n, "n tens": lambda n: "10³" * n, "n blanks": lambda n: " " * n + "x",
        "n marks": lambda n: "u" + "\u0301\u0316" * n}),
    "analyte": (_NAMES.analyte, {
        "n blanks": lambda n: " " * n + "x", "n brackets": lambda n: "(" * n, "n bars": lambda n: "|" * n,
        "n marks": lambda n: "u" + "\u0301\u0316" * n}),
    "specimen": (specimen_kind, {
        "n words": lambda n: "serum " * n, "n marks": lambda n: "u" + "\u0301\u0316" * n,
        "n letters": lambda n: "\ufdfa" * n}),
    "indicator": (lambda text: one_indicator([text]), {
        "n stars": lambda n: "*" * n, "n blanks and stars": lambda n: "* " * n + "H"}),
}  # fmt: skip


def _row(i: int, **changed: str) -> LabResult:
    return lab_result({
        "analyte": "ALT", "value": str(i), "unit": "U/L", "lln": "", "uln": "40", "limit_unit": "",
        "collected": "2011-04-23T14:45", "status": "final", "baseline": "", "specimen": "",
        "indicator": "", "source_id": "1", **changed,
    })  # fmt: skip


_RESULTS: dict[str, Callable[[int], LabResult]] = {
    "one number and minute": lambda i: _row(i),
    "one number and day": lambda i: _row(i, collected="2011-04-23"),
    "one number, n minutes": lambda i: _row(i, collected=f"2011-04-23T{i // 60 % 24:02}:{i % 60:02}"),
    "one number, n days": lambda i: _row(i, collected=f"{1950 + i // 336}-{1 + i // 28 % 12:02}-{1 + i % 28:02}"),
    "one number, no date": lambda i: _row(i, collected=""),
    "one number, n offsets": lambda i: _row(i, collected=f"2011-04-23T14:45+{i % 14:02}:{i % 60:02}"),
    "corrections of one number": lambda i: _row(i, status="corrected"),
    "corrections of one number, n days": lambda i: _row(
        i, status="corrected", collected=f"{1950 + i // 336}-{1 + i // 28 % 12:02}-{1 + i % 28:02}"),
    "withdrawals of one number": lambda i: _row(i, status="entered-in-error", collected=""),
    "no number": lambda i: _row(i, source_id=""),
    "equal ones": lambda i: _row(1),
}  # fmt: skip


def _several(one: Callable[[int], LabResult], n: int) -> list[LabResult]:
    return [one(i) for i in range(n)]


def _matched(labs: list[LabResult]) -> None:
    """Store a message, then one that may mean any of the results of the first."""
    matcher = Matcher(_NAMES)
    for part in (labs[::2], labs[1::2], labs[::2]):
        matcher.match_all(twins(part, _NAMES))


_IN_TESTS = (
    "one number and minute", "one number, n days", "one number, no date",
    "withdrawals of one number", "no number",
)  # fmt: skip
"""The other kinds go the ways of these."""
_MANY: dict[str, Callable[[list[LabResult]], object]] = {
    "matching": _matched,
    "doubts": lambda labs: flag_request(labs, _NAMES),
    "grading": lambda labs: [*grade_patient(labs, (), _GRADER, Rules().window)],
}
_PATHS: dict[str, Callable[[int], Sent]] = {
    "a path of n segments": lambda n: request("GET", "/v1" + "/x" * n),
    "a path of n letters": lambda n: request("GET", "/v1/studies/default/" + "grade" * n),
    "a path of n slashes": lambda n: request("GET", "/v1/studies" + "/" * n),
    "a known path with n slashes behind": lambda n: request("GET", "/studies" + "/" * n),
    "a method that n paths take": lambda n: request("PATCH", "/v1/studies/" + "x" * n),
    "n unknown parameters": lambda n: request("GET", "/v1/studies", query="&".join(f"k{i}=1" for i in range(n))),
    "n times one unknown parameter": lambda n: request("GET", "/v1/studies", query="k=1&" * n),
    "n times one parameter": lambda n: request(
        "GET", "/v1/studies/default/audit", query="limit=1&" * n),
    "n empty parameters": lambda n: request("GET", "/v1/studies", query="&" * n),
    "n percent signs": lambda n: request("GET", "/v1/studies", query="%" * n),
    "a cursor of n digits": lambda n: request(
        "GET", "/v1/studies/default/audit", query="cursor=" + "9" * n),
    "a cursor of n characters": lambda n: request(
        "GET", "/v1/studies/default/patients/P1/grades", query="cursor=" + "W" * n),
    "a cursor of n levels": lambda n: request(
        "GET", "/v1/studies/default/patients/P1/grades",
        query="cursor=" + base64.urlsafe_b64encode(b"[" * n).decode()),
    "an as_of of n digits": lambda n: request(
        "GET", "/v1/studies/default/patients/P1/grades", query="as_of=2011-01-01T00:00:00." + "1" * n),
    "n interpretations": lambda n: request("GET", "/v1/criteria", query="edition=" + "4" * n),
}  # fmt: skip
_HEADERS: dict[str, Callable[[int], Sent]] = {
    "a cookie of n pairs": lambda n: request("GET", "/studies", cookie="a=b; " * n),
    "a cookie of n quotes": lambda n: request("GET", "/studies", cookie='a="' + "\\" * n),
    "an Accept of n types": lambda n: request("POST", "/fhir/$ctcae-grade", b"{}", accept="a/b;q=1," * n),
    "an Accept of n details": lambda n: request("POST", "/fhir/$ctcae-grade", b"{}", accept="a/b" + ";q=1" * n),
    "an Idempotency-Key of n characters": lambda n: request(
        "POST", "/v1/studies/default/patients/P1/results", b'{"results":[]}',
        content_type="application/json", idempotency_key="x" * n),
    "an If-Match of n tags": lambda n: request(
        "PUT", "/v1/studies/default", b"{}", content_type="application/json", if_match='"x", ' * n),
    "a Content-Type of n parameters": lambda n: request(
        "POST", "/hl7v2", b"MSH|", content_type="text/plain" + "; charset" * n),
    "a Content-Length of n digits": lambda n: request(
        "POST", "/v1/grade", b"{}", content_type="application/json", content_length="9" * n),
    "an X-Forwarded-For of n addresses": lambda n: request("GET", "/v1/studies", x_forwarded_for="1.1.1.1, " * n),
    "an X-Request-Id of n characters": lambda n: request("GET", "/v1/studies", x_request_id="0" * n),
    "an Origin of n brackets": lambda n: request(
        "POST", "/v1/studies/default/batches", b"x", content_type="text/csv", origin="http://" + "[" * n),
}  # fmt: skip


async def _tokens(presented: str, keys: bytes = b"") -> None:
    async def fetch() -> bytes:
        return keys or json.dumps({"keys": [_key() | {"kid": "1"}]}).encode()

    await Tokens(Issuer("https://issuer", "toxgrade", fetch), MACHINE).check(presented)


def _encoded(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@cache
def _key() -> dict[str, Any]:
    from joserfc.jwk import ECKey  # noqa: PLC0415 - few cases need it

    return dict(ECKey.generate_key("P-256").as_dict(private=False))


_JWT: dict[str, Text] = {
    "n dots": lambda n: "." * n,
    "n characters": lambda n: "e" * n,
    "a header of n fields": lambda n: _encoded({"alg": "ES256", **{f"k{i}": i for i in range(n)}}) + ".e30.x",
    "a header of n levels": lambda n: base64.urlsafe_b64encode(b'{"alg":' + b"[" * n).decode() + ".e30.x",
    "n critical names": lambda n: _encoded({"alg": "ES256", "crit": ["x"] * n}) + ".e30.x",
    "claims of n characters": lambda n: _encoded({"alg": "ES256", "kid": "1"}) + "." + "e" * n + ".x",
}  # fmt: skip
_JWKS: dict[str, Callable[[int], bytes]] = {
    "n keys": lambda n: json.dumps({"keys": [_key() | {"kid": str(i)} for i in range(n)]}).encode(),
    "n levels": lambda n: b'{"keys":' + b"[" * n,
}


_AS_ANOTHER = (
    "value: n fractional digits", "value: n zeros", "value: n comparators", "date: n digits",
    "printed range: n digits", "printed range: n blanks after less", "unit: n open annotations",
    "unit: n powers", "unit: n blanks", "analyte: n brackets", "analyte: n bars",
    "specimen: n words", "indicator: n stars", "a path of n letters", "a path of n slashes",
    "n times one unknown parameter", "n empty parameters", "a cursor of n digits",
    "a cursor of n characters", "n interpretations", "an Accept of n details",
    "an X-Request-Id of n characters", "an Origin of n brackets",
)  # fmt: skip
"""They go the way of others, which the tests measure."""


def cases() -> list[Case]:
    """Every text, result, address, header and token."""
    token = _encoded({"alg": "ES256", "kid": "nobody's"}) + ".e30.x"
    found = [
        Case(parser, attack, build, read, in_tests=f"{parser}: {attack}" not in _AS_ANOTHER)
        for parser, (read, attacks) in _TEXTS.items()
        for attack, build in attacks.items()
    ]
    found += [
        Case(parser, f"n results: {kind}", partial(_several, one), read,
             per_byte=20_000, most=5_000, in_tests=kind in _IN_TESTS)
        for parser, read in _MANY.items()
        for kind, one in _RESULTS.items()
    ]  # fmt: skip
    # The server takes 64 KiB of a request's head.
    found += [
        Case("address", attack, build, answered, 64 << 10, in_tests=attack not in _AS_ANOTHER)
        for attack, build in _PATHS.items()
    ]
    found += [
        Case("header", attack, build, answered, 64 << 10, in_tests=attack not in _AS_ANOTHER)
        for attack, build in _HEADERS.items()
    ]
    found += [
        Case("token", attack, build, lambda text: asyncio.run(_tokens(text)), 64 << 10)
        for attack, build in _JWT.items()
    ]
    found += [
        Case("JWKS", attack, build, lambda keys: asyncio.run(_tokens(token, keys)), MIB >> 2, 1)
        for attack, build in _JWKS.items()
    ]
    return found
