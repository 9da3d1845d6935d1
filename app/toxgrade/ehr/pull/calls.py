"""Calls of another system: retried where that is safe, limited in time and size, not redirected."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from toxgrade.errors import SourceError
from toxgrade.server.http.body import BodyProblem, read_json

_AGAIN = (429, 502, 503, 504)
"""Answers after which the same call may succeed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take.

    A call is tried ``attempts`` times; between them the time that the server names, else
    ``first_wait`` seconds doubled each time, made uneven so that callers do not come back together.
    A server that names more than ``longest_wait`` is left for later.
    """

    answer_bytes: int = 32 * 1024 * 1024
    silence_seconds: float = 30
    answer_seconds: float = 120
    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 120


@dataclass(frozen=True, slots=True)
class Called:
    """An answer: its status, and its body where that is 200."""

    status: int
    body: bytes


class Calls:
    """Makes calls with one client; ``build`` makes each attempt's request anew."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Uncompressed: the limit of an answer then is one of memory, too.
        self._client = httpx.Client(
            timeout=httpx.Timeout(limits.silence_seconds, connect=10),
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, build: Callable[[], httpx.Request]) -> Called:
        """The answer, whatever its status, unless that says to try again.

        Raises:
            SourceError: no answer after all attempts, one too long, or a redirect.
        """
        cause = ""
        for attempt in range(self._limits.attempts):
            wait = self._limits.first_wait * 2**attempt * random.uniform(0.5, 1.5)
            try:
                answer, named = self._once(build())
            except httpx.TransportError as error:
                cause = type(error).__name__
            else:
                if answer.status not in _AGAIN:
                    return answer
                cause = f"status {answer.status}"
                wait = wait if named is None else named + random.uniform(0, 0.1)
            if wait > self._limits.longest_wait:
                raise SourceError(f"the server asks to come again in {wait:.0f} s")
            if attempt + 1 < self._limits.attempts:
                time.sleep(wait)
        raise SourceError(f"no answer after {self._limits.attempts} attempts ({cause})")

    def _once(self, request: httpx.Request) -> tuple[Called, float | None]:
        """An answer, and the seconds after which to come again, where it says so."""
        limits = self._limits
        until = time.monotonic() + limits.answer_seconds
        answer = self._client.send(request, stream=True)
        try:
            if answer.is_redirect:
                raise SourceError("the server redirects: give the address it leads to")
            if answer.status_code != 200:
                return Called(answer.status_code, b""), _named(answer.headers.get("retry-after"))
            body = bytearray()
            for piece in answer.iter_raw():
                body += piece
                if len(body) > limits.answer_bytes:
                    raise SourceError(f"an answer is longer than {limits.answer_bytes} bytes")
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer as a whole")
            return Called(200, bytes(body)), None
        finally:
            answer.close()


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer, as strictly read as what callers send us.

    Raises:
        SourceError: it is none.
    """
    try:
        found = read_json(body)
    except BodyProblem as problem:
        raise SourceError(f"an answer cannot be read: {problem.detail}") from None
    if not isinstance(found, dict):
        raise SourceError("an answer cannot be read: it is not a JSON object")
    return found


def _named(retry_after: str | None) -> float | None:
    """Seconds from now, given as such or as a date (RFC 9110, 10.2.3); None: not said."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
