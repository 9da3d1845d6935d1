"""The issuer's keys over HTTPS: from the address that is set, of limited size, in limited time."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.coroutines import awaited
from tests.tls import certified
from toxgrade.errors import Unavailable
from toxgrade.server.access import tokens
from toxgrade.server.main import issuer
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings

_KEYS = b'{"keys": []}'


class _Published(BaseHTTPRequestHandler):
    """What an issuer could answer, by path."""

    gone = threading.Event()

    def do_GET(self) -> None:
        status = {"/moved": 302, "/broken": 500}.get(self.path, 200)
        self.send_response(status)
        self.send_header("Location", "/keys")
        self.end_headers()
        try:
            if self.path == "/long":
                for _ in range(1000):
                    self.wfile.write(b"x" * 1024)
            while self.path == "/drop-by-drop" and not self.gone.wait(0.05):
                self.wfile.write(b" ")
        except OSError:  # the other side has had enough
            return
        self.wfile.write(_KEYS)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An HTTPS server whose certificate this process trusts."""
    certificate = certified(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    _Published.gone.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Published) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}"
        _Published.gone.set()
        server.shutdown()


def _fetch(keys: str) -> bytes:
    found = issuer(Settings(jwt_issuer="i", jwt_audience="a", jwt_keys=keys))
    assert found is not None
    return awaited(_whole(found))


async def _whole(found: tokens.Issuer) -> bytes:
    return await found.fetch()


def test_the_keys_come_from_the_address(address: str) -> None:
    assert _fetch(f"{address}/keys") == _KEYS


@pytest.mark.parametrize("path", ["/moved", "/broken", "/long"])
def test_nothing_else_is_taken_for_keys(address: str, path: str) -> None:
    """A redirect could lead to anybody."""
    with pytest.raises(OSError, match="the keys"):
        _fetch(f"{address}{path}")


@pytest.mark.parametrize("keys", ["https://localhost:1/keys", "https://[", "/no/such/file"])
def test_where_there_are_none(keys: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - a file's error says what the system says
        _fetch(keys)


def test_somebody_else_s_certificate_is_not_taken(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certified(tmp_path, "other")))
    with pytest.raises(OSError, match="the keys cannot be fetched"):
        _fetch(f"{address}/keys")


def test_an_answer_drop_by_drop_is_not_waited_for(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each drop comes in time; all of it must."""
    monkeypatch.setattr(tokens, "_FETCH_SECONDS", 0.5)
    found = issuer(Settings(jwt_issuer="i", jwt_audience="a", jwt_keys=f"{address}/drop-by-drop"))
    assert found is not None
    with pytest.raises(Unavailable):
        awaited(tokens.Tokens(found, MACHINE).check("a.b.c"))
