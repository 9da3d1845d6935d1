"""HTTP calls to another system, with retries and limits, and the JSON objects it answers with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

from toxgrade.errors import SourceError
from toxgrade.server.http.body import BodyProblem, read_json
from toxgrade.server.runtime import Runtime

_RETRY_STATUSES = (429, 502, 503, 504)
"""Statuses after which the same call may succeed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take.

    A call is tried ``attempts`` times. Between attempts it waits for as long as the server says, or
    for ``first_wait`` seconds, doubled each time and randomised so that callers do not return
    together. A call that would have to wait longer than ``longest_wait`` seconds fails.
    """

    answer_bytes: int = 32 * 1024 * 1024
    silence_seconds: float = 30
    answer_seconds: float = 120
    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 120


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: status, body, and the time by the server's clock (``Date``; None: not told)."""

    status: int
    body: bytes
    date: datetime | None


class Calls:
    """An HTTP client that repeats calls and does not follow redirects."""

    def __init__(self, limits: Limits, runtime: Runtime) -> None:
        self._limits, self._runtime = limits, runtime
        # Answers are not compressed, so that their limit of bytes limits memory, too.
        self._client = httpx.Client(
            timeout=httpx.Timeout(limits.silence_seconds, connect=10),
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,
            mounts={"http://": None},  # Without TLS only this machine is asked, through no proxy.
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, build: Callable[[], httpx.Request]) -> HttpAnswer:
        """Return the answer to the request that ``build`` makes anew for each attempt.

        Raises:
            SourceError: no answer after all attempts, or a wait or an answer too long.
        """
        cause = ""
        for attempt in range(self._limits.attempts):
            wait = self._limits.first_wait * 2**attempt * self._runtime.random.uniform(0.5, 1.5)
            try:
                answer, retry_after = self._attempt(build())
            except httpx.TransportError as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    text = "its certificate is not of an authority that we know (SSL_CERT_FILE)"
                    raise SourceError(f"the server is not trusted: {text}") from None
                cause = type(error).__name__
            else:
                if answer.status not in _RETRY_STATUSES:
                    return answer
                cause = f"status {answer.status}"
                wait = (
                    wait
                    if retry_after is None
                    else retry_after + self._runtime.random.uniform(0, 0.1)
                )
            if wait > self._limits.longest_wait:
                raise SourceError(f"the server asks to come again in {wait:.0f} s")
            if attempt + 1 < self._limits.attempts:
                self._runtime.sleep(wait)
        raise SourceError(f"no answer after {self._limits.attempts} attempts ({cause})")

    def _attempt(self, request: httpx.Request) -> tuple[HttpAnswer, float | None]:
        """Return an answer, and the seconds to wait before the next attempt, if it says so."""
        deadline = self._runtime.monotonic() + self._limits.answer_seconds
        answer = self._client.send(request, stream=True)
        try:
            date = _parse_date(answer.headers.get("date", ""))
            if answer.status_code in _RETRY_STATUSES:
                retry_after = answer.headers.get("retry-after")
                return HttpAnswer(answer.status_code, b"", date), _seconds(
                    retry_after, date or self._runtime.now()
                )
            return HttpAnswer(answer.status_code, self._body(answer, deadline), date), None
        finally:
            answer.close()

    def _body(self, answer: httpx.Response, deadline: float) -> bytes:
        is_plain = answer.headers.get("content-encoding", "identity").lower() == "identity"
        if answer.status_code == 200 and not is_plain:
            raise SourceError("an answer is compressed, though we asked for none that is")
        most, body = self._limits.answer_bytes, bytearray()
        for piece in answer.iter_raw():
            body += piece
            if len(body) > most:
                raise SourceError(f"an answer is longer than {most} bytes")
            if self._runtime.monotonic() > deadline:
                raise httpx.ReadTimeout("the answer as a whole")
        return bytes(body)


def read_object(body: bytes) -> dict[str, object]:
    """Return the JSON object of an answer, read as strictly as what callers send to us.

    Raises:
        SourceError: the answer is not a JSON object.
    """
    try:
        found = read_json(body)
    except BodyProblem as problem:
        raise SourceError(f"an answer cannot be read: {problem.detail}") from None
    if not isinstance(found, dict):
        raise SourceError("an answer cannot be read: it is not a JSON object")
    return found


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """Return the seconds to wait, told as a number or as a date of a clock that shows ``now``.

    None: it does not say (RFC 9110, 10.2.3).
    """
    if retry_after is None or retry_after.isdecimal():
        return None if retry_after is None else float(retry_after)
    at = _parse_date(retry_after)
    return max(0.0, (at - now).total_seconds()) if at else None


def _parse_date(header: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(header)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else None
