"""Requests cost what they hold and take: bodies by what comes, charts by the time of drawing."""

import socket
import time

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.server.api.panels import baseline, panel, value
from toxgrade.server.access.credentials import create_key
from toxgrade.server.http.rate_limit import BURST_SECONDS, RateLimits
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings


def _keys(url: str, *names: str) -> list[str]:
    with transaction(url) as opened:
        return [create_key(opened, name) for name in names]


@pytest.mark.parametrize(
    ("what", "seconds", "tokens"),
    [
        ("a read of 5 ms", 0.005, 0),
        ("a chart of 140 ms", 0.140, 120),
        ("a report of 3 s", 3, 2980),
    ],
)
def test_time_is_paid_for_after_the_first_20_ms(what: str, seconds: float, tokens: int) -> None:
    limits = RateLimits(500, MACHINE)
    with limits.charged("a", iter([0.0, seconds]).__next__):
        pass
    assert 5000 - limits._level("a") == pytest.approx(tokens, abs=5), what


def test_a_body_of_unannounced_length_pays_for_what_it_holds(new_sqlite: NewDatabase) -> None:
    """Ten small bodies in chunks once cost ten times 8 MiB: the fourth was refused."""
    url = new_sqlite()
    (key,) = _keys(url, "one")
    with served(Settings(database_url=url)) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        content = httpx.Request("POST", "http://x", json=panel()).content
        headers = {"Content-Type": "application/json"}
        for _ in range(10):
            sent = client.post("/v1/grade", content=iter([content]), headers=headers)
            assert sent.status_code == 200


def test_storing_is_paid_for_by_the_time_of_the_writer(new_sqlite: NewDatabase) -> None:
    """A value before the start may be a baseline: it grades all 4,000 results of its patient again,
    and others wait meanwhile.
    """
    url = new_sqlite()
    first, second = _keys(url, "first", "second")
    path = "/v1/studies/default/patients/P1/results"
    many = panel(*(value(source_id=str(i)) for i in range(4000)))
    with served(Settings(database_url=url, rate_per_second=5)) as client:
        keys = [{"Authorization": f"Bearer {key}"} for key in (first, second)]
        assert client.post(path, json=many, headers=keys[0]).status_code == 201
        before = panel(baseline())
        assert client.post(path, json=before, headers=keys[1]).status_code == 201
        later = client.post(path, json=panel(), headers=keys[1])
    assert later.status_code == 429
    assert int(later.headers["Retry-After"]) > 5


def test_a_long_body_in_chunks_waits_for_its_share(new_sqlite: NewDatabase) -> None:
    """Eight tokens a second, kept for ten: 1 MB costs 250, of which 160 are there at once."""
    url = new_sqlite()
    (key,) = _keys(url, "one")
    many = panel(*(value(source_id=str(i)) for i in range(4000)))
    content = httpx.Request("POST", "http://x", json=many).content
    tokens = len(content) / 4000
    with served(Settings(database_url=url, rate_per_second=8)) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        pieces = (content[at : at + 4000] for at in range(0, len(content), 4000))
        begun = time.monotonic()
        sent = client.post(
            "/v1/grade", content=pieces, headers={"Content-Type": "application/json"}
        )
        seconds = time.monotonic() - begun
    assert sent.status_code == 200
    assert seconds > (tokens - 8 * 2 * BURST_SECONDS) / 8 - 1


def test_an_upload_costs_little_for_its_length(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    (key,) = _keys(url, "one")
    line = "P1,ALT,50,U/L,,40,2011-04-23\n"
    file = "patient,analyte,value,unit,lln,uln,collected\n" + line * 200_000
    with served(Settings(database_url=url, rate_per_second=5, workers=0)) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        address = "/v1/studies/default/batches"
        for content in (file.encode(), iter([file.encode(), line.encode()])):
            sent = client.post(address, content=content, headers={"Content-Type": "text/csv"})
            assert sent.status_code == 202, sent.text


def test_what_is_not_read_is_not_paid_for(new_sqlite: NewDatabase) -> None:
    """A length of 15 digits, answered by 413, once took its key's share for 15 years."""
    url = new_sqlite()
    (key,) = _keys(url, "one")
    with served(Settings(database_url=url, workers=0)) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        address = client.base_url.host, client.base_url.port or 80
        for path in ("/v1/grade", "/hl7v2", "/fhir/$ctcae-grade", "/v1/studies/default/batches"):
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            head += f"Authorization: Bearer {key}\r\nContent-Length: {10**15}\r\n\r\n"
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(head.encode() + b"x" * 10_000)
                assert int(connection.recv(65536)[9:12]) in (413, 415), path
            assert client.get("/v1/studies").status_code == 200, path


@pytest.mark.parametrize("is_announced", [True, False])
def test_who_uploads_a_long_file_may_ask_how_far_it_is(
    new_sqlite: NewDatabase, is_announced: bool
) -> None:
    """It waits for its share, in which it leaves a half: 40 MB cost 160 tokens."""
    url = new_sqlite()
    (key,) = _keys(url, "one")
    content = (
        b"patient,analyte,value,unit,lln,uln,collected\n" + b"P1,ALT,50,U/L,,40,\n" * 2_200_000
    )
    with served(Settings(database_url=url, rate_per_second=100, workers=0)) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        for _ in range(70):  # It has not all of its share any more.
            client.get("/v1/studies")
        sent = content if is_announced else iter([content])
        headers = {"Content-Type": "text/csv"}
        answer = client.post("/v1/studies/default/batches", content=sent, headers=headers)
        assert answer.status_code == 202, answer.text
        assert [client.get("/v1/studies").status_code for _ in range(50)] == [200] * 50
