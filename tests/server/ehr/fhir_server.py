"""A FHIR server (SYNTHETIC patients) that pages, throttles, stalls and breaks off when told to."""

import re
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

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
    those who are asked for as ``Patient/1``. ``announced``: its smart-configuration (None: it has
    none, but a web page); ``statement``: its CapabilityStatement; ``granted``: scopes of tokens.
    ``expected``: the ``Authorization`` it wants; ``shown``: those it was shown. ``since``: what it
    makes of ``_lastUpdated``.
    """

    port: int = 0
    host: str = "127.0.0.1"
    scheme: str = "http"
    resources: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    client_key: Key | None = None
    page: int = 2
    by_reference: bool = False
    announced: dict[str, Any] | None = field(default_factory=dict)
    statement: dict[str, Any] = field(default_factory=dict)
    granted: str | None = None
    expected: str | None = None
    shown: list[str | None] = field(default_factory=list)
    since: Literal["taken", "ignored", "refused"] = "taken"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/fhir"

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

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
        told.shown.append(self.headers["Authorization"])
        if told.faults and told.faults.pop(0)(self):
            return
        address = urlsplit(self.path)
        if address.path == "/fhir/.well-known/smart-configuration":
            self.announce()
            return
        if address.path == "/fhir/metadata":
            self.answer(200, told.statement)
            return
        bearer = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        if told.client_key and bearer not in told.tokens[-1:]:
            self.answer(401, {})
            return
        if told.expected and told.expected != self.headers["Authorization"]:
            self.answer(401, {})
            return
        if told.since == "refused" and "_lastUpdated" in address.query:
            self.answer(400, {})
            return
        kind, _, number = address.path.removeprefix("/fhir/").partition("/")
        if number:
            found = [one for one in told.resources.get(kind, []) if one["id"] == number]
            self.answer(200 if found else 404, found[0] if found else {})
        else:
            self.answer(200, self._searched(kind, parse_qs(address.query)))

    def announce(self) -> None:
        told = self.told
        if told.announced is None:
            self.answer(200, "<!doctype html><title>Sign in</title>", is_json=False)
        else:
            self.answer(200, {"token_endpoint": told.token_url} | told.announced)

    def _searched(self, kind: str, asked: dict[str, list[str]]) -> dict[str, Any]:
        told = self.told
        tokens = re.split(r"(?<!\\),", asked["code"][0])
        codes = {one.rpartition("|")[2].replace("\\,", ",") for one in tokens}
        found = [
            one
            for one in told.resources.get(kind, [])
            if one["subject"]["reference"] == told.prefix + asked["patient"][0]
            and codes & {coding["code"] for coding in one["code"]["coding"]}
            and self._is_new(one, asked)
        ]
        first = int(asked.get("first", ["0"])[0])
        after = first + told.page
        query = urlencode({**{k: v[0] for k, v in asked.items()}, "first": after})
        more = f"{told.url}/{kind}?{query}" if after < len(found) else None
        return page(*found[first:after], following=more)

    def _is_new(self, resource: dict[str, Any], asked: dict[str, list[str]]) -> bool:
        since = asked.get("_lastUpdated", [""])[0].removeprefix("ge")
        if not since or self.told.since == "ignored":
            return True
        changed = resource.get("meta", {}).get("lastUpdated")
        return changed is not None and (
            datetime.fromisoformat(changed) >= datetime.fromisoformat(since)
        )

    def do_POST(self) -> None:
        told = self.told
        told.asked.append(self.path)
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        assert told.client_key is not None
        (assertion,) = form["client_assertion"]
        claims = jwt.decode(assertion, told.client_key, algorithms=["ES384", "RS384"]).claims
        assert form["grant_type"] == ["client_credentials"]
        assert claims["iss"] == claims["sub"] == "toxgrade-at-hospital"
        assert claims["aud"] == told.token_url
        assert claims["exp"] - time.time() <= 300
        told.scopes.append(form["scope"][0])
        if told.faults and told.faults.pop(0)(self):
            return
        told.tokens.append(claims["jti"])
        granted = {} if told.granted is None else {"scope": told.granted}
        self.answer(200, {"access_token": claims["jti"], "expires_in": 300} | granted)

    def answer(self, status: int, body: object, *, is_json: bool = True, **headers: str) -> None:
        written = ENCODER.encode(body) if is_json else str(body).encode()
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


def answering(body: object, status: int = 200, *, is_json: bool = True, **headers: str) -> Fault:
    """Answers a request with something of its own."""

    def fault(handler: _Handler) -> bool:
        handler.answer(status, body, is_json=is_json, **headers)
        return True

    return fault


def gzipped(handler: _Handler) -> bool:
    """Eight megabytes of spaces, though no compression was asked for."""
    squeezed = zlib.compressobj(wbits=31)
    pieces = [squeezed.compress(b" " * 2**20) for _ in range(8)]
    body = b"".join([*pieces, squeezed.flush()])
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    return True


def dated(date: str, retry_after: str) -> Fault:
    """Unavailable at a time by its own clock."""

    def fault(handler: _Handler) -> bool:
        handler.send_response_only(503)
        handler.send_header("Date", date)
        handler.send_header("Retry-After", retry_after)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return fault


def as_it_is(_: _Handler) -> bool:
    return False


@contextmanager
def fhir_server(context: ssl.SSLContext | None = None) -> Iterator[FhirServer]:
    """Run a server; with ``context`` it speaks TLS."""
    told = FhirServer(scheme="https" if context else "http")
    handler = type("Handler", (_Handler,), {"told": told})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    told.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()
