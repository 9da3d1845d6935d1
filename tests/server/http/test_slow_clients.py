"""Slow clients are let go, others are served meanwhile, and honest ones are not disturbed."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel, value
from toxgrade.server.http.server import SlowClientProtocol
from toxgrade.server.settings import Settings

_HEAD = b"POST /v1/grade HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def hasty(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    """A service that lets go after one second instead of ten."""
    settings = Settings(database_url=new_sqlite(), auth="off", slow_client_seconds=1)
    with served(settings) as client:
        yield client


def _connect(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=5)


def _let_go(connection: socket.socket) -> bytes:
    """What a connection says until it is closed; fails if it stays open."""
    said = b""
    try:
        while chunk := connection.recv(65536):
            said += chunk
    except ConnectionResetError:
        pass
    return said


def test_300_half_sent_requests_are_let_go_and_others_served(hasty: httpx.Client) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(_connect(hasty)) for _ in range(300)]
        for i, connection in enumerate(held):
            connection.sendall((b"", _HEAD[:40], _HEAD)[i % 3])
        for _ in range(5):
            assert hasty.post("/v1/grade", json=panel()).status_code == 200
        said = [_let_go(connection) for connection in held]
        assert all(text.startswith(b"HTTP/1.1 408 ") for text in said)
        assert b"application/problem+json" in said[0]


def test_a_body_that_comes_byte_by_byte_is_let_go(hasty: httpx.Client) -> None:
    with _connect(hasty) as connection:
        connection.sendall(_HEAD + b"Content-Length: 1000\r\n\r\n{")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012
            for _ in range(50):
                time.sleep(0.1)
                connection.sendall(b" ")
    assert hasty.get("/livez").status_code == 200


def test_an_answer_that_is_not_taken_is_given_up(hasty: httpx.Client) -> None:
    """An answer of megabytes fills every buffer on the way, and its reader reads nothing."""
    many = panel(
        *(value(analyte="WBC", unit="10*9/L", source_id=str(i)) for i in range(5000))
    )  # 10,000 grades
    content = httpx.Request("POST", hasty.base_url, json=many).content
    with _connect(hasty) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(_HEAD + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012
            for _ in range(100):
                time.sleep(0.1)
                connection.sendall(b"\r\n")
    assert hasty.get("/livez").status_code == 200


class _Transport:
    """As much of a transport as the protocol asks for."""

    waiting, aborted = 0, False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.aborted = True


def test_an_answer_is_given_up_only_if_it_waited_a_whole_period() -> None:
    """An answer of 11 MB begun just before a period's end was cut off while it was being read."""
    protocol = SlowClientProtocol.__new__(SlowClientProtocol)
    transport = _Transport()
    protocol.transport = transport  # type: ignore[assignment]
    protocol.flow = SimpleNamespace(read_paused=False, write_paused=False)  # type: ignore[assignment]
    protocol.loop = SimpleNamespace(call_later=lambda *_: None)  # type: ignore[assignment]
    protocol._sending, protocol._received, protocol._drained = False, 0, 0
    protocol._begin_period()
    protocol.flow.write_paused, transport.waiting = True, 11_000_000
    protocol._check_progress()
    assert not transport.aborted
    transport.waiting = 8_000_000  # it is being read
    protocol._check_progress()
    assert not transport.aborted
    protocol._check_progress()
    assert transport.aborted


def test_pauses_between_requests_and_pieces_are_no_fault(hasty: httpx.Client) -> None:
    content = httpx.Request("POST", hasty.base_url, json=panel()).content
    with _connect(hasty) as connection:
        for _ in range(3):
            request = _HEAD + f"Content-Length: {len(content)}\r\n\r\n".encode() + content
            for at in (slice(0, 100), slice(100, None)):
                connection.sendall(request[at])
                time.sleep(0.2)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            time.sleep(1.2)  # idle, and nothing owed


def test_an_endless_head_is_refused(hasty: httpx.Client) -> None:
    with _connect(hasty) as connection:
        try:
            connection.sendall(_HEAD + b"X-Padding: " + b"x" * 500_000)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert _let_go(connection).startswith(b"HTTP/1.1 431 ")
    assert hasty.get("/livez").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"POST /v1/grade HTTP/1.1\r\nhost: x\r\ntransfer-encoding: T59/1\r\n\r\n",
        b"POST /v1/grade HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"hello" * 20_000,  # longer than a head may be, too: answered once
    ],
)
def test_what_is_not_http_is_refused_like_everything_else(hasty: httpx.Client, sent: bytes) -> None:
    with _connect(hasty) as connection:
        connection.sendall(sent)
        head, _, body = _let_go(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    problem = json.loads(body)
    assert (problem["status"], problem["detail"]) == (400, "the request is not valid HTTP")
