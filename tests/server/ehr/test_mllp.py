"""HL7 v2 over MLLP: ``toxgrade mllp`` as a process of its own, sockets as interface engines use."""

import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hl7
import httpx
import pytest
from hl7.client import MLLPClient

from tests.conftest import NewDatabase, served
from tests.crash.running import until
from tests.ports import free_port
from tests.server.ehr.oru import fields, message, obx
from tests.tls import certified
from toxgrade.server.settings import Settings

VT, FS_CR = b"\x0b", b"\x1c\r"
_TCP_REPAIR = 19  # Linux's: a socket so marked says nothing when it is closed
_TOXGRADE = Path(sys.executable).parent / "toxgrade"


@dataclass
class Engine:
    """A listener's process, and connections to it."""

    process: "subprocess.Popen[bytes]"
    port: int

    @contextmanager
    def connection(self, tls: ssl.SSLContext | None = None) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as to_plain_text:
            if tls is None:
                yield to_plain_text
                return
            with tls.wrap_socket(to_plain_text, server_hostname="localhost") as peer:
                yield peer

    def alone(self, data: bytes) -> bytes:
        """What comes back for some bytes until the listener closes."""
        with self.connection() as peer:
            peer.sendall(data)
            return b"".join(iter(lambda: peer.recv(65536), b""))


def framed(*messages: str) -> bytes:
    return b"".join(VT + text.encode() + FS_CR for text in messages)


def answers(peer: socket.socket, count: int) -> list[str]:
    """The next frames that come."""
    read = b""
    while read.count(FS_CR) < count:
        if not (more := peer.recv(65536)):
            raise ConnectionError("closed before it answered")
        read += more
    return [each.removeprefix(VT).decode() for each in read.split(FS_CR)[:count]]


def codes(told: list[str]) -> list[str]:
    return [fields(each, "MSA")[0][1] for each in told]


Start = Callable[..., Engine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a listener on a database and waits until it listens."""
    started = []

    def _start(database_url: str, *options: object, **settings: str) -> Engine:
        port = free_port()
        environment = os.environ | {"TOXGRADE_DATABASE_URL": database_url} | settings
        command = [str(_TOXGRADE), "mllp", "--port", str(port), *map(str, options)]
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stderr=log, cwd=tmp_path)
        started.append(process)
        end = time.monotonic() + 20
        while "listening" not in (tmp_path / "log").read_text():
            assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
            assert time.monotonic() < end
            time.sleep(0.05)
        return Engine(process, port)

    yield _start
    for process in started:
        process.kill()
        process.wait()


@contextmanager
def the_api(database_url: str) -> Iterator[httpx.Client]:
    with served(Settings(database_url=database_url, auth="off", workers=0)) as client:
        yield client


def test_a_message_is_stored_audited_and_acknowledged(start: Start, database_url: str) -> None:
    with start(database_url).connection() as peer:
        peer.sendall(framed(message()))
        (told,) = answers(peer, 1)
        assert fields(told, "MSA") == [
            ["MSA", "AA", "42", "1 results stored, 1 gradings, 0 undecided"]
        ]
        # two at once, a broken one between them: answered one by one, in order
        peer.sendall(b"\r\n" + framed(message(pid="PID|1||P2"), message(pid=""), message()))
        assert codes(answers(peer, 3)) == ["AA", "AE", "AA"]
    with the_api(database_url) as api:
        (grade,) = api.get("/v1/studies/default/patients/P1/grades").json()["grades"]
        assert (grade["grade"], grade["source_id"]) == (1, "LAB-7")
        entries = api.get("/v1/studies/default/audit").json()["entries"]
    listened = [e for e in entries if e["action"] == "MLLP ORU^R01"]
    assert [(e["patient"], e["from"]) for e in listened] == [
        ("P1", "127.0.0.1"), ("P2", "127.0.0.1"), ("P1", "127.0.0.1")
    ]  # fmt: skip
    assert all(e["actor"].startswith("mllp:") for e in listened)


def test_frames_may_come_byte_by_byte(start: Start, new_sqlite: NewDatabase) -> None:
    with start(new_sqlite()).connection() as peer:
        for byte in framed(message()):
            peer.sendall(bytes([byte]))
        assert codes(answers(peer, 1)) == ["AA"]


def test_what_is_no_frame_or_too_long_is_refused(start: Start, new_sqlite: NewDatabase) -> None:
    engine = start(new_sqlite(), TOXGRADE_MAX_BODY_BYTES="2000")
    told = engine.alone(b"GET / HTTP/1.1\r\n\r\n").decode()
    assert "|AR|" in told
    assert "expected MLLP" in told
    for long in (b"MSH" * 2000, b"\xff\xfe" + b"M\x00" * 2000):
        told = engine.alone(VT + long).decode()
        assert "longer than 2000 bytes" in told
    with engine.connection() as peer:  # others are served as before
        peer.sendall(framed(message()))
        assert codes(answers(peer, 1)) == ["AA"]


def test_what_did_not_end_before_another_frame_is_not_stored(
    start: Start, database_url: str
) -> None:
    """Its last value may be cut off: 1 of 12.6. The sender has no answer, and sends it again."""
    whole = message(obx(f5="12.6"), pid="PID|1||CUT")
    with start(database_url).connection() as peer:
        peer.sendall(VT + whole[: whole.index("2.6")].encode() + framed(message()))
        assert codes(answers(peer, 1)) == ["AA"]
        peer.sendall(framed(whole.replace("mg/dL", "mg/dL\x0b")))  # Elsewhere it is a character.
        assert codes(answers(peer, 1)) == ["AA"]
    with the_api(database_url) as api:
        (grade,) = api.get("/v1/studies/default/patients/CUT/grades").json()["grades"]
        assert grade["value"] == "12.6"


def test_a_frame_that_does_not_end_is_let_go(start: Start, new_sqlite: NewDatabase) -> None:
    engine = start(new_sqlite(), TOXGRADE_SLOW_CLIENT_SECONDS="0.5")
    with engine.connection() as resting:
        begun = time.monotonic()
        assert engine.alone(framed(message())[:40]) == b""
        assert time.monotonic() - begun < 5
        resting.sendall(framed(message()))  # a connection may rest between frames
        assert codes(answers(resting, 1)) == ["AA"]


def test_stopped_it_answers_what_has_begun_and_takes_nothing_more(
    start: Start, new_sqlite: NewDatabase
) -> None:
    engine = start(new_sqlite())
    with engine.connection() as begun, engine.connection() as resting:
        frame = framed(message())
        begun.sendall(frame[:60])
        resting.sendall(frame)
        assert codes(answers(resting, 1)) == ["AA"]
        engine.process.send_signal(signal.SIGTERM)
        assert resting.recv(1) == b""
        begun.sendall(frame[60:])
        assert codes(answers(begun, 1)) == ["AA"]
    assert engine.process.wait(20) == 0


def test_without_a_database_it_does_not_answer(start: Start, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'gone.db'}"
    engine = start(url)
    with sqlite_locked(tmp_path / "gone.db"):
        assert engine.alone(framed(message())) == b""  # the sender keeps the message
    assert engine.process.poll() is None


@contextmanager
def sqlite_locked(path: Path) -> Iterator[None]:
    """Nobody else can write as long as this holds."""
    connection = sqlite3.connect(path)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.rollback()
    connection.close()


def test_an_unknown_study_and_an_open_host_are_refused(
    new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    environment = os.environ | {"TOXGRADE_DATABASE_URL": new_sqlite()}

    def refused(*options: str) -> str:
        done = subprocess.run(
            [_TOXGRADE, "mllp", *options], env=environment, capture_output=True, text=True,
            cwd=tmp_path, timeout=20,
        )  # fmt: skip
        assert done.returncode == 2
        return done.stderr.splitlines()[-1]

    assert refused("--study", "nowhere").startswith("toxgrade: there is no such study")
    assert "give --certificate, --key and --clients" in refused("--host", "0.0.0.0")
    assert "are given together" in refused("--key", "ours.pem")
    assert "expected readable PEM files" in refused(
        *("--certificate", "no.pem", "--key", "no.pem", "--clients", "no.pem")
    )


def test_with_tls_a_sender_shows_a_certificate(
    start: Start, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    ours, theirs = certified(tmp_path, "localhost"), certified(tmp_path, "lis")
    engine = start(
        new_sqlite(),
        "--certificate",
        ours,
        "--key",
        ours,
        "--clients",
        theirs,
        "--host",
        "127.0.0.1",
    )
    context = ssl.create_default_context(cafile=str(ours))
    context.load_cert_chain(theirs)
    with engine.connection(context) as peer:
        peer.sendall(framed(message(obx())))
        assert codes(answers(peer, 1)) == ["AA"]
    stranger = ssl.create_default_context(cafile=str(ours))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _send(engine, stranger)


def _send(engine: Engine, tls: ssl.SSLContext) -> None:
    with engine.connection(tls) as peer:
        peer.sendall(framed(message()))
        answers(peer, 1)


def test_a_sender_that_is_gone_without_a_word_is_let_go(
    start: Start, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    """As a host that lost its power: no end is sent; a hundred such once were all there may be."""
    with start(new_sqlite()).connection() as peer:
        peer.sendall(framed(message()))
        assert codes(answers(peer, 1)) == ["AA"]
        try:
            peer.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        except OSError:
            pytest.skip("to close a connection in silence is not allowed here")
    until(lambda: "an MLLP connection ended" in (tmp_path / "log").read_text(), 15)


def test_each_acknowledgement_that_is_asked_for_is_a_frame(
    start: Start, new_sqlite: NewDatabase
) -> None:
    base = r"MSH|^~\&|LIS||||||ORU^R01|7|P|2.5.1|||"
    with start(new_sqlite()).connection() as peer:
        peer.sendall(framed(message(msh=base + "NE|NE"), message(msh=base + "AL|NE")))
        assert codes(answers(peer, 1)) == ["CA"]
        peer.sendall(framed(message(msh=base + "AL|AL")))
        assert codes(answers(peer, 2)) == ["CA", "AA"]
        peer.sendall(framed(message(pid="", msh=base + "AL|AL")))
        assert codes(answers(peer, 1)) == ["CE"]


def test_what_cannot_be_taken_answers_to_its_header(start: Start, new_sqlite: NewDatabase) -> None:
    engine = start(new_sqlite(), TOXGRADE_MAX_BODY_BYTES="2000")
    long = engine.alone(framed(message("NTE|1||" + "x" * 6000))).decode()
    assert fields(long.removeprefix("\x0b"), "MSA")[0][1:3] == ["AE", "42"]
    unframed = engine.alone(message().encode()).decode()
    assert fields(unframed.removeprefix("\x0b"), "MSA")[0][1:3] == ["AE", "42"]


def test_python_hl7_is_understood(start: Start, new_sqlite: NewDatabase) -> None:
    with MLLPClient("127.0.0.1", start(new_sqlite()).port) as client:
        told = hl7.parse(client.send_message(message()))
    assert [str(part) for part in told.segment("MSA")[1:3]] == ["AA", "42"]
