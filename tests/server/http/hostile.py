"""What could keep an event loop busy, and a service of which its loop is watched."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from benchmarks.load import panel
from toxgrade.server.http.server import run
from toxgrade.server.main import create_app
from toxgrade.server.settings import Settings

_JSON, _FHIR, _HL7 = "application/json", "application/fhir+json", "application/hl7-v2"
_FORM = "application/x-www-form-urlencoded"
_MB = 1_000_000


@dataclass(frozen=True)
class Case:
    """A request, and the statuses that may answer it."""

    name: str
    path: str
    media: str
    content: bytes
    statuses: tuple[int, ...]
    headers: tuple[tuple[str, str], ...] = ()


def cases() -> Iterator[Case]:
    """Yield hostile requests of the sizes that each door accepts, and large honest ones."""
    for name, piece in (
        ("empty lists", b"[]"),
        ("empty objects", b"{}"),
        ("numbers", b"1"),
        ("texts", b'"ab"'),
        ("objects with a doubled key", b'{"a":1,"a":1}'),
    ):
        for size in (48_000, 8 * _MB):
            count = (size - 20) // (len(piece) + 1)
            content = b'{"results":[' + b",".join([piece] * count) + b"]}"
            yield Case(f"{name}, {size:,} bytes", "/v1/grade", _JSON, content, (413, 422))
        content = b"[" + b",".join([piece] * (30 * _MB // (len(piece) + 1))) + b"]"
        yield Case(f"{name}, 30 MB", "/fhir/$ctcae-grade", _FHIR, content, (400, 413, 422))
    yield from _of_grading()
    yield from _of_bundles()
    yield from _of_messages()
    yield from _beside_bodies()


def _of_grading() -> Iterator[Case]:
    faulty = [{"analyte": 1, "value": [], "unit": 2, "lln": {}, "collected": "x", "status": 0}]
    few, many = (json.dumps({"results": faulty * n}).encode() for n in (400, 5000))
    yield Case("400 results, all fields faulty", "/v1/grade", _JSON, few, (422,))
    yield Case("5,000 results, all fields faulty", "/v1/grade", _JSON, many, (422,))
    others = b",".join(b'"k%d":0' % i for i in range(190_000))
    content = b'{"results":[],' + others + b"}"
    yield Case("190,000 unknown fields", "/v1/grade", _JSON, content, (413, 422))
    content = b'{"results":[{' + others + b"}]}"
    yield Case("190,000 unknown fields of a result", "/v1/grade", _JSON, content, (413, 422))
    for text in (b"a", b"\\u20ac", "€".encode(), b" "):
        content = b'{"results":[],"edition":"' + text * (8 * _MB // len(text)) + b'"}'
        yield Case(f"one text of {text!r}, 8 MB", "/v1/grade", _JSON, content, (422,))
    content = b'{"results":[{"analyte":"ALT","value":' + b"9" * 8 * _MB + b"}]}"
    yield Case("one number of 8 MB", "/v1/grade", _JSON, content, (422,))
    content = b"[" * 8 * _MB
    yield Case("8 MB of brackets", "/v1/grade", _JSON, content, (400, 413))
    yield Case("8 MB of blanks", "/v1/grade", _JSON, b" " * 8 * _MB, (400, 422))
    for size in (1000, 5000):
        content = json.dumps(panel(size)).encode()
        yield Case(f"an honest panel of {size:,}", "/v1/grade", _JSON, content, (200, 422))
    path = "/v1/studies/default/patients/P{n}/results"
    content = json.dumps(panel(1000)).encode()
    yield Case("an honest panel of 1,000, stored", path, _JSON, content, (201,))
    names = {f"name {i}": "potassium" for i in range(50_000)}
    content = json.dumps({"results": [], "dictionary": {"analytes": names}}).encode()
    yield Case("a dictionary of 50,000 names", "/v1/grade", _JSON, content, (200, 413, 422))


def _observation(number: int) -> dict[str, object]:
    loinc = [{"system": "http://loinc.org", "code": "1975-2", "display": "Bilirubin"}]
    measured = {"unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
    return {
        "resourceType": "Observation", "id": f"LAB-{number}", "status": "final",
        "code": {"coding": loinc}, "subject": {"reference": f"Patient/P{number % 50}"},
        "effectiveDateTime": f"2011-04-{number % 28 + 1:02}",
        "valueQuantity": {"value": 1 + number % 900 / 100, **measured},
        "referenceRange": [{"low": {"value": 0.2, **measured}, "high": {"value": 1.2, **measured}}],
    }  # fmt: skip


def _of_bundles() -> Iterator[Case]:
    for count in (60, 9_900):
        entries = [{"resource": _observation(i)} for i in range(count)]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        content = json.dumps(bundle).encode()
        name = f"an honest Bundle of {count:,}"
        yield Case(name, "/fhir/$ctcae-grade", _FHIR, content, (200,))
        call = {
            "hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "context": {"patientId": "P1", "userId": "Practitioner/1"},
            "prefetch": {"labs": {**bundle, "type": "searchset"}, "radiotherapy": None},
        }  # fmt: skip
        content = json.dumps(call).encode()
        name = f"prefetch of {count:,} Observations"
        yield Case(name, "/cds-services/ctcae-labs", _JSON, content, (200, 412, 413, 422))
    entry = b'{"resource":{"resourceType":"Observation","component":[' + b"{}," * 100_000 + b"{}]}}"
    content = b'{"resourceType":"Bundle","type":"collection","entry":[' + entry + b"]}"
    name = "an Observation of 100,000 components"
    yield Case(name, "/fhir/$ctcae-grade", _FHIR, content, (200, 413, 422))
    content = b'{"feedback":[' + b",".join([b"{}"] * 200_000) + b"]}"
    yield Case("200,000 feedbacks", "/cds-services/ctcae-labs/feedback", _JSON, content, (413, 422))


def _of_messages() -> Iterator[Case]:
    head = "MSH|^~\\&|LIS|LAB|EHR|WARD|20110424101500+0200||ORU^R01^ORU_R01|42|P|2.5.1\rPID|1||P1\r"
    head += "OBR|1||LAB-7|24325-3^Hepatic^LN|||20110423\r"
    obx = "OBX|{}|NM|1975-2^Bilirubin^LN||1.8|mg/dL|0.2-1.2|H|||F\r"
    full = head + "".join(obx.format(i) for i in range(5000))
    for name, text in (
        ("5,000 OBX", full),
        ("8 MB of OBX", head + obx * 140_000),
        ("8 MB of fields", head + "OBX|" + "|" * 8_000_000),
        ("8 MB of repetitions", head.replace("P1", "x~" * 4_000_000)),
        ("8 MB of lines", head + "\r" * 8_000_000),
        ("5,000 headers", head * 5_000),
        ("48 kB of repetitions", head.replace("P1", "x~" * 24_000)),
    ):
        content = text.encode()[: 8 * _MB]
        yield Case(f"HL7 v2: {name}", "/hl7v2", _HL7, content, (200,))


def _beside_bodies() -> Iterator[Case]:
    many = "&".join(["a=1"] * 15_000)
    for path in ("/v1/grade", "/fhir/$ctcae-grade", "/hl7v2"):
        yield Case(
            f"60 kB of query at {path}", f"{path}?{many}", _JSON, b"{}", (200, 400, 414, 422)
        )
    nested = "%25" * 20_000
    yield Case("a path of 60 kB", f"/v1/{nested}", _JSON, b"{}", (404, 414))
    yield Case("a path of many parts", "/v1" + "/a" * 30_000, _JSON, b"{}", (404, 414))
    for name, text in (
        ("Cookie", "a=1;" * 15_000),
        ("Cookie", "toxgrade_session=" + '"\\075' * 11_000),
        ("Authorization", "Bearer " + "a." * 30_000),
        ("Accept", "a/b;q=1," * 7_500),
        ("Content-Type", "text/plain;" + "a=1;" * 15_000),
        ("X-Forwarded-For", "1.2.3.4," * 7_500),
        ("If-Match", '"a",' * 15_000),
    ):
        yield Case(f"60 kB of {name}", "/v1/grade", _JSON, b"{}", (400, 415, 422), ((name, text),))
    content = b"key=" + b"%41" * 21_000
    yield Case("a form of 64 kB", "/sign-in", _FORM, content, (303, 401, 422))
    yield Case("a form of many fields", "/sign-in", _FORM, b"a=1&" * 16_000, (401, 422))
    for name, data in (
        ("near boundaries", b"\r\n--limi" * 1_000_000),
        ("line ends", b"\r" * 8_000_000),
        ("headers", b'x: "\\"' * 1_200_000),
        ("a file", b"a,b\n" * 2_000_000),
    ):
        part = b'--limit\r\nContent-Disposition: form-data; name="labs"; filename="x.csv"\r\n\r\n'
        if name == "headers":
            part = b"--limit\r\n"
        content = part + data + b"\r\n--limit--\r\n"
        media = "multipart/form-data; boundary=limit"
        path = "/v1/studies/default/batches"
        yield Case(f"a multipart form: {name}", path, media, content, (202, 400, 422))


def serve_watched(
    port: int, url: str, watch: Callable[[], Coroutine[object, object, None]],
    tell: Callable[[], object],
) -> None:  # fmt: skip
    """Serve, with a task in the loop; ``/watched`` answers what ``tell`` returns."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    settings = Settings(database_url=url, auth="off", port=port, workers=0, rate_per_second=1e9)
    app = create_app(settings)
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def watched(inner: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(watch())
        async with lifespan(inner):
            yield
        watching.cancel()

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(tell())

    app.router.lifespan_context = watched
    app.add_route("/watched", answer)
    run(app, settings)


def send(client: httpx.Client, case: Case, number: int = 0) -> int:
    """Send a request; return the status of its answer."""
    path = case.path.replace("{n}", str(number))
    headers = {"Content-Type": case.media, **dict(case.headers)}
    return client.post(path, content=case.content, headers=headers).status_code
