"""A FHIR server (SYNTHETIC patients) that pages, throttles, stalls and breaks off when told to."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import Key

from tests.fhir.resources import ENCODER

Fault = Callable[["_Handler"], bool]
"""Does something to a request instead of answering it; False: not to this one."""


@dataclass
class FhirServer:
    """``resources`` by type; the next requests meet ``faults`` first, one each.

    ``client_key``: tokens are asked for, and given to who signs with this key. ``asked``: the
    paths that were requested, ``tokens`` those that were given. ``by_reference``: it finds only
    those who are asked for as ``Patient/1``.
    """

    port: int = 0
    resources: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    client_key: Key | None = None
    page: int = 2
    by_reference: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    @property
    def prefix(self) -> str:
        return "" if self.by_reference else "Patient/"

    def add(self, *resources: dict[str, Any]) -> None:
        for resource in resources:
            self.resources.setdefault(resource["resourceType"], []).append(resource)


def page(*found: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    """One page of a search, and where the next one lies."""
    link = [{"relation": "next", "url": following}] if following else []
    entry = [{"resource": one} for one in found]
    return {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entry}


class _Handler(BaseHTTPRequestHandler):
    """``told`` is set by the class that a server makes of this one."""

    told: FhirServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        told = self.told
        told.asked.append(self.path)
        if told.faults and told.faults.pop(0)(self):
            return
        address = urlsplit(self.path)
        if address.path == "/fhir/.well-known/smart-configuration":
            self.answer(200, {"token_endpoint": f"http://127.0.0.1:{told.port}/token"})
            return
        bearer = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        if told.client_key and bearer not in told.tokens[-1:]:
            self.answer(401, {})
            return
        kind, _, number = address.path.removeprefix("/fhir/").partition("/")
        if number:
            found = [one for one in told.resources.get(kind, []) if one["id"] == number]
            self.answer(200 if found else 404, found[0] if found else {})
        else:
            self.answer(200, self._searched(kind, parse_qs(address.query)))

    def _searched(self, kind: str, asked: dict[str, list[str]]) -> dict[str, Any]:
        told = self.told
        codes = {one.rpartition("|")[2] for one in asked["code"][0].split(",")}
        found = [
            one
            for one in told.resources.get(kind, [])
            if one["subject"]["reference"] == told.prefix + asked["patient"][0]
            and codes & {coding["code"] for coding in one["code"]["coding"]}
        ]
        first = int(asked.get("first", ["0"])[0])
        after = first + told.page
        query = f"patient={asked['patient'][0]}&code={asked['code'][0]}&first={after}"
        more = f"{told.url}/{kind}?{query}" if after < len(found) else None
        return page(*found[first:after], following=more)

    def do_POST(self) -> None:
        told = self.told
        told.asked.append(self.path)
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        assert told.client_key is not None
        (assertion,) = form["client_assertion"]
        claims = jwt.decode(assertion, told.client_key, algorithms=["ES384", "RS384"]).claims
        assert form["grant_type"] == ["client_credentials"]
        assert claims["iss"] == claims["sub"] == "toxgrade-at-hospital"
        assert claims["aud"] == f"http://127.0.0.1:{told.port}/token"
        assert claims["exp"] - time.time() <= 300
        told.tokens.append(claims["jti"])
        self.answer(200, {"access_token": claims["jti"], "expires_in": 300})

    def answer(self, status: int, body: object, **headers: str) -> None:
        written = ENCODER.encode(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def throttled(handler: _Handler) -> bool:
    handler.answer(429, {}, Retry_After="0")
    return True


def unavailable(handler: _Handler) -> bool:
    handler.answer(503, {})
    return True


def stalled(handler: _Handler) -> bool:
    time.sleep(1)
    handler.close_connection = True
    return True


def broken_off(handler: _Handler) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"resourceType": "Bun')
    handler.close_connection = True
    return True


def redirected(handler: _Handler) -> bool:
    handler.answer(302, {}, Location="http://elsewhere.example/fhir/Patient/1")
    return True


def answering(body: object, status: int = 200, **headers: str) -> Fault:
    """Answers a request with something of its own."""

    def fault(handler: _Handler) -> bool:
        handler.answer(status, body, **headers)
        return True

    return fault


def as_it_is(_: _Handler) -> bool:
    return False


@contextmanager
def fhir_server() -> Iterator[FhirServer]:
    told = FhirServer()
    handler = type("Handler", (_Handler,), {"told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()
