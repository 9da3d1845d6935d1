"""Limits of what a client sends beside bodies: heads, chunk headers, trailers, requests ahead.

Offers of other protocols, which it need not take (RFC 9110, 7.8), are passed over.

uvicorn alone keeps all of it: 150 MB of trailers, sent without a key, stayed in memory, and a
trailer ``Authorization`` counted as the header (RFC 9110, 6.5.1, forbids to merge them).
"""

import asyncio
import json

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEAD_BYTES = 64 * 1024
_MAX_HEADERS = 200  # Each look-up of a header walks all of them; browsers and proxies send some 30.
_MAX_BESIDE_BYTES = 16 * 1024
_BESIDE_EACH = 6
"""Beside a chunked body there may be 16 KiB, for trailers and extensions of chunks, and six bytes
for each of its bytes: a sender that streams byte by byte takes five.
"""
_MAX_AHEAD = 16  # requests of one connection that wait for the one before them

_Refusal = tuple[int, str, str]
_INVALID: _Refusal = 400, "Bad Request", "the request is not valid HTTP"
_LONG_HEAD: _Refusal = 431, "Request Header Fields Too Large", "the headers are too long"
_BESIDE: _Refusal = 400, "Bad Request", "too much is sent beside the body"
_AHEAD: _Refusal = 429, "Too Many Requests", "too many requests wait on this connection"


class FramingProtocol(HttpToolsProtocol):
    """uvicorn's protocol with those limits.

    A client that goes on with a body after its answer is complete is read for ``linger`` seconds
    more, so that it can read the answer; then the connection is closed.
    """

    linger = 5.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_body = False
        self._beside = self._bodied = self._head = 0  # bytes: of ``_head`` those parsed already
        self._fault = _INVALID
        self._closing: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_lingering()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._beside += len(data)
        self._unset_keepalive_if_required()
        while data:
            data = self._parse(data)
        self._beside = max(self._beside, 0)  # A head and its body may have come together.
        if not self._in_body and self._beside > _MAX_HEAD_BYTES:
            self.refuse(*_LONG_HEAD)
        elif self._in_body and self._beside > _MAX_BESIDE_BYTES + _BESIDE_EACH * self._bodied:
            self.refuse(*_BESIDE)

    def _parse(self, data: bytes) -> bytes:
        """Parse what was received; return what is to be parsed again.

        An offer of another protocol is passed over. Java's client makes one with its first request,
        whose body uvicorn alone would take for that protocol and drop.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return self._without_offer() + data[offer.args[0] :]
        except httptools.HttpParserError:
            self.send_400_response("")
        return b""

    def _without_offer(self) -> bytes:
        """Return the head of the request without ``Upgrade``; nothing, if it cannot be answered."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.refuse(*_INVALID)
            return b""
        first = b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())
        kept = (b"%s: %s" % header for header in self.headers if header[0] != b"upgrade")
        self.parser = httptools.HttpRequestParser(self)  # The other may be at its end (``close``).
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return b"\r\n".join([first, *kept, b"", b""])

    def on_message_begin(self) -> None:
        self._beside = self._head = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # It is a trailer.
        self._head += len(name) + len(value)
        if self._head > _MAX_HEAD_BYTES or len(self.headers) >= _MAX_HEADERS:
            self._stop_parsing(_LONG_HEAD)
        HttpToolsProtocol.on_header(self, name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # ``_parse`` has it parsed again.
        if len(self.url) + self._head > _MAX_HEAD_BYTES:
            self._stop_parsing(_LONG_HEAD)
        if len(self.pipeline) >= _MAX_AHEAD:
            self._stop_parsing(_AHEAD)
        self._in_body, self._beside, self._bodied = True, 0, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._beside -= len(body)
        self._bodied += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._in_body, self._beside = False, 0
        self._stop_lingering()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete and self._closing is None:
            self._closing = self.loop.call_later(self.linger, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or is too much, in the form of every other error."""
        self.refuse(*self._fault)

    def refuse(self, status: int, title: str, detail: str) -> None:
        """Answer with an error, unless another answer is on its way, and close the connection."""
        if self.transport.is_closing():
            return
        if self._may_answer():
            body = json.dumps(
                {"type": "about:blank", "title": title, "status": status, "detail": detail,
                 "errors": []}
            )  # fmt: skip
            head = (
                f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write((head + body).encode())
        self.transport.close()

    def _may_answer(self) -> bool:
        """Return whether no other answer has begun, and this request has none yet."""
        if self.cycle is None:
            return True
        if self.cycle.response_complete:
            return not self._in_body
        return not (self.pipeline or self.cycle.response_started)

    def _stop_parsing(self, fault: _Refusal) -> None:
        """Stop in the midst of what was received; ``send_400_response`` then answers."""
        self._fault = fault
        raise ValueError(fault[2])

    def _stop_lingering(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
