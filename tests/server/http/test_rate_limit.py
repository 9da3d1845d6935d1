"""One key cannot take the service from the others."""

import json
import socket

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.runtimes import Moved
from tests.server.api.panels import panel, value
from toxgrade.errors import TooManyRequests
from toxgrade.server.access.credentials import create_key
from toxgrade.server.http.rate_limit import BURST_SECONDS, RateLimits
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings


def test_a_bucket_holds_ten_seconds_and_refills() -> None:
    machine = Moved()
    limits = RateLimits(2, machine)
    for _ in range(2 * BURST_SECONDS):
        limits.spend("a", 1)
    with pytest.raises(TooManyRequests) as refused:
        limits.spend("a", 1)
    assert refused.value.retry_after == 1
    limits.spend("b", 1)  # another caller has a bucket of its own
    machine.seconds[0] += 0.5
    limits.spend("a", 1)
    with pytest.raises(TooManyRequests):
        limits.spend("a", 1)


def test_a_large_request_passes_when_the_bucket_is_full_and_is_paid_for() -> None:
    machine = Moved()
    limits = RateLimits(1, machine)
    limits.spend("a", 25)
    with pytest.raises(TooManyRequests) as refused:
        limits.spend("a", 1)
    assert refused.value.retry_after == 25 - BURST_SECONDS + 1
    machine.seconds[0] += refused.value.retry_after
    limits.spend("a", 1)


def test_buckets_at_rest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toxgrade.server.http.rate_limit._MAX_BUCKETS", 3)
    machine = Moved()
    limits = RateLimits(1, machine)
    for caller in "abc":
        limits.spend(caller, 1)
    machine.seconds[0] += 1
    limits.spend("d", BURST_SECONDS)
    assert limits._buckets.keys() == {"d"}


def test_a_key_over_its_share_is_told_when_to_come_again(new_sqlite: NewDatabase) -> None:
    """Two tokens a second, kept for ten: a panel of 180 values costs 10 of the 20."""
    url = new_sqlite()
    with transaction(url) as opened:
        keys = [create_key(opened, name) for name in ("one", "two")]
    large = panel(*(value(source_id=str(i)) for i in range(180)))
    with served(Settings(database_url=url, rate_per_second=2)) as client:

        def post(key: str) -> httpx.Response:
            return client.post("/v1/grade", json=large, headers={"Authorization": f"Bearer {key}"})

        answers = [post(keys[0]) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["Retry-After"]) <= 5
        assert answers[2].headers["Content-Type"] == "application/problem+json"
        assert post(keys[1]).status_code == 200


def test_a_length_with_many_zeros_before_it_is_a_length(new_sqlite: NewDatabase) -> None:
    body = json.dumps(panel()).encode()
    with served(Settings(database_url=new_sqlite(), auth="off")) as client:
        for path, kind in (
            ("/v1/grade", b"application/json"), ("/v1/studies/default/batches", b"text/csv"),
        ):  # fmt: skip
            address = client.base_url.host, client.base_url.port or 80
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(
                    b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\n"
                    b"Content-Length: %s%d\r\n\r\n%s"
                    % (path.encode(), kind, b"0" * 5000, len(body), body)
                )
                assert int(connection.recv(4096)[9:12]) in (200, 202, 422)
