"""What a client sends beside bodies: trailers are no headers, nothing is kept or endless."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.ports import free_port
from tests.server.api.panels import panel
from toxgrade.server.access.credentials import create_key
from toxgrade.server.http.server import SlowClientProtocol
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_POST = b"POST /v1/grade HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n"
_PANEL = json.dumps(panel()).encode()
_LAST = b"0\r\n"


def _chunk(content: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(content), extension, content)


def _head(key: str) -> bytes:
    return _CHUNKED + f"Authorization: Bearer {key}\r\n\r\n".encode()


@pytest.fixture(scope="module")
def checked(new_sqlite: NewDatabase) -> Iterator[tuple[httpx.Client, str]]:
    """A service that asks for a key and reads on for a second at most; and a key."""
    url = new_sqlite()
    with transaction(url) as opened:
        key = create_key(opened, "one")
    with served(Settings(database_url=url, slow_client_seconds=2)) as client:
        yield client, key


@contextmanager
def _connected(client: httpx.Client) -> Iterator[socket.socket]:
    address = client.base_url.host, client.base_url.port or 80
    with socket.create_connection(address, timeout=10) as connection:
        yield connection


def _statuses(connection: socket.socket) -> list[int]:
    """The statuses of all answers until the connection is closed."""
    said = b""
    try:
        while more := connection.recv(65536):
            said += more
    except ConnectionResetError:
        pass
    return [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]


def _sent_until_closed(connection: socket.socket, piece: bytes, most: int) -> tuple[int, float]:
    """How many bytes could be sent, and for how many seconds, until the connection was closed."""
    sent, since = 0, time.monotonic()
    try:
        while sent < most:
            connection.sendall(piece)
            sent += len(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent, time.monotonic() - since


@pytest.mark.parametrize(
    ("trailer", "status"),
    [
        ("", 401),
        ("Authorization: Bearer {key}\r\n", 401),
        ("Cookie: toxgrade_session={key}\r\n", 401),
    ],
)
def test_credentials_in_a_trailer_are_none(
    checked: tuple[httpx.Client, str], trailer: str, status: int
) -> None:
    client, key = checked
    with _connected(client) as connection:
        sent = trailer.format(key=key).encode()
        connection.sendall(_CHUNKED + b"Connection: close\r\n\r\n" + _chunk(_PANEL) + _LAST)
        connection.sendall(sent + b"\r\n")
        assert _statuses(connection) == [status]


def test_a_trailer_is_not_the_idempotency_key_nor_the_address(
    checked: tuple[httpx.Client, str],
) -> None:
    client, key = checked
    headers = {"Authorization": f"Bearer {key}"}
    assert client.put("/v1/studies/trailers", json={}, headers=headers).status_code < 300
    path = b"POST /v1/studies/trailers/patients/P1/results HTTP/1.1\r\n"
    head = path + _head(key).partition(b"\r\n")[2]
    trailers = b"Idempotency-Key: one\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    for content in (_PANEL, _PANEL.replace(b"1.8", b"1.9")):
        with _connected(client) as connection:
            connection.sendall(head + _chunk(content) + _LAST + trailers)
            assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
    audit = client.get("/v1/studies/trailers/audit", headers=headers).text
    assert "6.6.6.6" not in audit


@pytest.mark.parametrize(
    ("what", "begun", "piece"),
    [
        ("trailers", _chunk(_PANEL) + _LAST, b"x-name: value\r\n" * 1000),
        ("one trailer", _chunk(_PANEL) + _LAST + b"x: ", b"v" * 16_000),
        ("extensions of chunks", b"", _chunk(b" ", b";a=" + b"x" * 16_000)),
        ("one extension", b"1;a=", b"x" * 16_000),
        ("tiny chunks with extensions", b"", _chunk(b" ", b";a=1234567890") * 1000),
    ],
)
def test_what_comes_beside_a_body_is_limited(
    checked: tuple[httpx.Client, str], what: str, begun: bytes, piece: bytes
) -> None:
    client, key = checked
    with _connected(client) as connection:
        connection.sendall(_head(key) + begun)
        sent, _ = _sent_until_closed(connection, piece, 50_000_000)
    assert sent < 10_000_000, what  # The system's own buffers take some.
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("what", "sent"),
    [
        (
            "a panel in chunks of one byte",
            b"".join(_chunk(_PANEL[i : i + 1]) for i in range(len(_PANEL))),
        ),
        ("a chunk with an extension", _chunk(_PANEL, b";signature=abc")),
        ("a trailer", _chunk(_PANEL) + _LAST + b"Content-MD5: x\r\n"),
    ],
)
def test_honest_chunks_are_read(checked: tuple[httpx.Client, str], what: str, sent: bytes) -> None:
    client, key = checked
    end = b"\r\n" if b"MD5" in sent else _LAST + b"\r\n"
    with _connected(client) as connection:
        for _ in range(2):  # The connection can be used again.
            connection.sendall(_head(key) + sent + end)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 "), what


@pytest.mark.parametrize(
    ("what", "head", "piece"),
    [
        ("a body of announced length", _POST + b"Content-Length: 1000000000\r\n\r\n", b"x" * 65536),
        ("a body in chunks", _CHUNKED + b"\r\n", _chunk(b"x" * 65536)),
        ("after its end", _POST + b"Content-Length: 0\r\n\r\n", b"\r\n" * 30_000),
    ],
)
def test_an_answered_request_does_not_go_on_for_ever(
    checked: tuple[httpx.Client, str], what: str, head: bytes, piece: bytes
) -> None:
    """Nobody has shown a key: the answer is 401 at once, and a second later the connection ends."""
    client, _ = checked
    with _connected(client) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 "), what
        _, seconds = _sent_until_closed(connection, piece, 1 << 40)
    assert seconds < 5, what


def test_requests_ahead_of_their_turn_are_limited(checked: tuple[httpx.Client, str]) -> None:
    """A read of 256 KB held 14,000 requests, each of which took 3 KB until its turn."""
    client, _ = checked
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    with _connected(client) as connection:
        connection.sendall(one * 5)
        end = time.monotonic() + 5
        said = b""
        while said.count(b"HTTP/1.1 200 ") < 5 and time.monotonic() < end:
            said += connection.recv(65536)
        assert said.count(b"HTTP/1.1 200 ") == 5
        sent, _ = _sent_until_closed(connection, one * 5000, 50_000_000)
    assert sent < 20_000_000


def test_headers_are_limited_in_number(checked: tuple[httpx.Client, str]) -> None:
    with _connected(checked[0]) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 1000 + b"\r\n")
        assert _statuses(connection) == [431]


@pytest.mark.parametrize("characters", [60_000, 70_000])
def test_a_target_is_limited_in_length(checked: tuple[httpx.Client, str], characters: int) -> None:
    with _connected(checked[0]) as connection:
        connection.sendall(
            b"GET /livez?"
            + b"a" * characters
            + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert _statuses(connection) == [431 if characters > 65_536 else 200]


def _resident(pid: int) -> float:
    """Megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells it in /proc")
def test_memory_does_not_grow_with_what_nobody_has_a_key_for(
    new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    port = free_port()
    environment = os.environ | {"TOXGRADE_DATABASE_URL": new_sqlite(), "TOXGRADE_WORKERS": "0"}
    command = [str(Path(sys.executable).parent / "toxgrade"), "serve", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen(command, env=environment, stderr=log, cwd=tmp_path)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            _wait(lambda: client.get("/livez").is_success)
            client.post("/v1/grade", json=panel())
            before = _resident(service.pid)
            for begun, piece in (
                (_CHUNKED + b"\r\n2\r\n{}\r\n0\r\n", b"x-000000: " + b"v" * 20 + b"\r\n"),
                (_CHUNKED + b"\r\n", _chunk(b"x" * 60_000)),
                (_POST + b"Content-Length: 99999999999\r\n\r\n", b"x" * 60_000),
                (_CHUNKED + b"\r\n1;x=", b"x" * 60_000),
                (b"", b"GET /livez HTTP/1.1\r\n\r\n"),
                (b"GET / HTTP/1.1\r\n", b"a:\r\n"),
            ):
                with _connected(client) as connection:
                    connection.sendall(begun)
                    piece *= 600_000 // len(piece)
                    _sent_until_closed(connection, piece, 60_000_000)
            assert _resident(service.pid) - before < 30
    finally:
        service.kill()
        service.wait()


def _wait(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the service did not start")


@pytest.mark.parametrize(
    ("line", "bytes_per_second", "seconds", "is_let_go"),
    [
        ("64 kbit/s, for a day", 8_000, 86_400, False),
        ("a modem's 600 B/s for 50 s", 600, 50, False),
        ("600 B/s for 4 hours, as 8 MB could take", 600, 14_400, True),
        ("5 kB/s for an hour", 5_000, 3_600, True),
    ],
)
def test_a_whole_body_has_a_deadline_that_grows_with_it(
    line: str, bytes_per_second: int, seconds: int, is_let_go: bool
) -> None:
    refused: list[int] = []
    protocol = SlowClientProtocol.__new__(SlowClientProtocol)
    protocol.transport = _Transport()  # type: ignore[assignment]
    protocol.flow = _Flow()  # type: ignore[assignment]
    protocol.loop = _Loop()  # type: ignore[assignment]
    protocol.refuse = lambda status, *_: refused.append(status)  # type: ignore[method-assign]
    protocol._sending, protocol._received, protocol._drained = True, 0, 0
    protocol._behind = 0.0
    protocol._begin_period()
    for _ in range(int(seconds / protocol.patience)):
        protocol._received += int(bytes_per_second * protocol.patience)
        protocol._check_progress()
    assert bool(refused) == is_let_go, line


class _Transport:
    def is_closing(self) -> bool:
        return False


class _Flow:
    read_paused = write_paused = False


class _Loop:
    def call_later(self, *_: object) -> None:
        """Nothing is timed here."""


_H2C = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
)
_WEBSOCKET = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"


@pytest.mark.parametrize(
    "offer", [_H2C, _WEBSOCKET, b"Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n"]
)
@pytest.mark.parametrize("size", [1, 50, 1 << 20])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_offer_of_another_protocol_takes_nothing_from_the_body(
    checked: tuple[httpx.Client, str], offer: bytes, size: int, is_chunked: bool
) -> None:
    """Java's client offers HTTP/2 with its first request; its body was dropped, and it got 422."""
    client, key = checked
    length = b"Content-Length: %d\r\n" % len(_PANEL)
    body = _chunk(_PANEL) + _LAST + b"\r\n" if is_chunked else _PANEL
    head = _POST + offer + (b"Transfer-Encoding: chunked\r\n" if is_chunked else length)
    head += f"Authorization: Bearer {key}\r\n".encode()
    last = head + b"Connection: close\r\n\r\n" + body
    sent = head + b"\r\n" + body + last
    with _connected(client) as connection:
        for at in range(0, len(sent), size):
            connection.sendall(sent[at : at + size])
        assert _statuses(connection) == [200, 200]


def test_an_offer_takes_nothing_from_the_limits(checked: tuple[httpx.Client, str]) -> None:
    client, _ = checked
    with _connected(client) as connection:
        connection.sendall(b"CONNECT /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert _statuses(connection) == [400]
    with _connected(client) as connection:
        connection.sendall((b"GET /livez HTTP/1.1\r\nHost: x\r\n" + _H2C + b"\r\n") * 40)
        assert set(_statuses(connection)) <= {200, 429}
