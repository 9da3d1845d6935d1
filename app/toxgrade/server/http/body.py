"""Strict reading of JSON requests: limited size, exact numbers, no duplicate keys."""

import asyncio
import codecs
import json
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import TypeAlias

from fastapi import HTTPException
from starlette.requests import Request

from toxgrade.errors import FieldFault
from toxgrade.server.access import ANYONE, Caller
from toxgrade.server.http.long_bodies import count_values
from toxgrade.server.http.rate_limit import (
    BYTES_PER_TOKEN,
    UPLOAD_BYTES_PER_TOKEN,
    announced_bytes,
    is_announced,
)

# Longer integers become Decimal, because ``int`` refuses texts of more than 4,300 digits.
_MAX_INTEGER_DIGITS = 15
_MAX_DIGITS = 5000  # of any number, with sign, point and exponent
_MAX_FAULTS = 20  # named in one answer
_BLOCK_BYTES = 1 << 20
_MANY_VALUES = 300_000
"""More values than so many are scanned in Python, three times as slowly: the scanner in C lets no
other thread run, and 1,000,000 empty lists kept the event loop for 100 ms.
"""


class BodyProblem(HTTPException):
    """A body that cannot be read; an ``HTTPException``, as FastAPI answers any other with a 400.

    ``begun`` is what was read of it.
    """

    def __init__(self, status: int, detail: str, *faults: FieldFault, begun: bytes = b"") -> None:
        super().__init__(status, detail)
        self.faults, self.begun = list(faults), begun


def _paid_stream(request: Request, announced: int) -> AsyncGenerator[bytes, None]:
    """Return the body in the pieces that arrive; the caller pays, in advance if it was announced.

    Else, where the caller's bucket is far below zero, the next piece waits, and the sender with it.

    Raises:
        TooManyRequests: it was announced, and the caller's bucket holds too few tokens for it.
    """
    caller = getattr(request.state, "caller", ANYONE)
    if caller is not ANYONE:
        if not is_announced(request):
            return _paid_by_piece(request, caller)
        if tokens := announced // BYTES_PER_TOKEN:
            request.app.state.service.rates.spend(caller.name, tokens)
    return request.stream()


async def _paid_by_piece(request: Request, caller: Caller) -> AsyncGenerator[bytes, None]:
    async for piece in request.stream():
        await _pay(request, caller, len(piece) / BYTES_PER_TOKEN)
        yield piece


async def upload_stream(request: Request) -> AsyncGenerator[bytes, None]:
    """Yield a file in the pieces that arrive; it is slowed where its caller has half a bucket left.

    So an upload is never refused for its length, nor takes what other requests of its key need.
    """
    caller = getattr(request.state, "caller", ANYONE)
    async for piece in request.stream():
        if caller is not ANYONE:
            await _pay(request, caller, len(piece) / UPLOAD_BYTES_PER_TOKEN, kept=0.5)
        yield piece


async def _pay(request: Request, caller: Caller, cost: float, kept: float = -1) -> None:
    if seconds := request.app.state.service.rates.take(caller.name, cost, kept):
        await asyncio.sleep(seconds)


async def limited_body(request: Request, max_bytes: int) -> bytes:
    """Return the body, or refuse it as soon as it is longer than ``max_bytes``.

    Raises:
        BodyProblem: it is too long (413), or has a Content-Encoding (415).
        TooManyRequests: the caller's bucket holds too few tokens for it.
    """
    text = f"the body is longer than {max_bytes} bytes; send a batch"
    announced = announced_bytes(request)
    if announced > max_bytes:
        raise BodyProblem(413, text)
    if "content-encoding" in request.headers:
        raise BodyProblem(415, "expected a body without Content-Encoding")
    read = bytearray()
    async for chunk in _paid_stream(request, announced):
        read += chunk
        if len(read) > max_bytes:
            raise BodyProblem(413, text, begun=bytes(read))
    return bytes(read)


@dataclass(eq=False, slots=True)
class _Refused:
    """Stands in a parsed document for an object or number that cannot be accepted."""

    detail: str
    code: str
    message: str
    key: str | None = None


def read_json(body: bytes, most_values: int | None = None) -> object:
    """Parse UTF-8 JSON; fractions and long integers become ``Decimal``.

    ``most_values`` is how many values it may have; None: any number.

    Raises:
        BodyProblem: it is not UTF-8 or not JSON, is nested too deeply, or has duplicate keys or a
            number with an exponent beyond those of ``Decimal``; or it has too many values (413).
    """
    most = min(most_values or _MANY_VALUES, _MANY_VALUES)
    number = count_values(body, len(body)) if len(body) > most else 0
    if most_values is not None and number > most_values:
        raise BodyProblem(413, f"the body has more than {most_values} values; send a batch")
    decoder = _StrictDecoder(yields=number > _MANY_VALUES)
    try:
        document = decoder.decode(_decoded(body))
    except RecursionError:
        raise BodyProblem(400, "the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise BodyProblem(400, f"the body is not JSON ({where})") from None
    except UnicodeDecodeError:
        raise BodyProblem(400, "the body is not UTF-8") from None
    if decoder.refused:
        raise BodyProblem(422, decoder.refused[0].detail, *_faults(document))
    return document


class _StrictDecoder(json.JSONDecoder):
    """A decoder that puts a ``_Refused`` in place of what cannot be accepted; ``refused`` has them.

    ``yields``: it lets other threads run meanwhile.
    """

    def __init__(self, *, yields: bool) -> None:
        self.refused: list[_Refused] = []
        super().__init__(
            parse_float=self._to_decimal,
            parse_int=self._to_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=self._to_object,
        )
        if yields:
            self.scan_once = py_make_scanner(self)

    def _refuse(self, *why: str) -> _Refused:
        self.refused.append(_Refused(*why))
        return self.refused[-1]

    def _to_object(self, pairs: list[tuple[str, object]]) -> dict[str, object] | _Refused:
        read = dict(pairs)
        if len(read) == len(pairs):
            return read
        if len(self.refused) >= _MAX_FAULTS:
            return self.refused[-1]
        text = "this field is there twice; send it once"
        return self._refuse("a field is there twice", "duplicate-key", text, _first_twice(pairs))

    def _to_decimal(self, text: str) -> Decimal | _Refused:
        try:
            if len(text) <= _MAX_DIGITS:
                return Decimal(text)
        except InvalidOperation:
            pass
        accepted = "expected a number of at most 5,000 digits, its exponent of at most 3"
        return self._refuse("a number cannot be read", "unreadable-number", accepted)

    def _to_integer(self, text: str) -> int | Decimal | _Refused:
        return int(text) if len(text) <= _MAX_INTEGER_DIGITS else self._to_decimal(text)


def _decoded(body: bytes) -> str:
    """Return the text, decoded piece by piece, as other threads wait meanwhile."""
    if len(body) <= _BLOCK_BYTES:
        return body.decode("utf-8-sig")
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    pieces = [
        decoder.decode(body[at : at + _BLOCK_BYTES], at + _BLOCK_BYTES >= len(body))
        for at in range(0, len(body), _BLOCK_BYTES)
    ]
    return "".join(pieces)


def _refuse_constant(_: str) -> None:
    raise BodyProblem(400, "the body is not JSON: NaN and Infinity are not numbers in JSON")


def _first_twice(pairs: list[tuple[str, object]]) -> str:
    counts = Counter(key for key, _ in pairs)
    return next(key for key, count in counts.items() if count > 1)


_Place: TypeAlias = "tuple[_Place | None, str | int]"
"""Where a part lies: below a place (None: in the document itself), at a key or an index."""


def _faults(document: object) -> list[FieldFault]:
    """Return the first of what was refused in a document, by its place, in one walk through it.

    A place is held as its parent's place and its key, so that none takes longer for its depth.
    """
    faults: list[FieldFault] = []
    waiting: list[tuple[_Place | None, object]] = [(None, document)]
    while waiting and len(faults) < _MAX_FAULTS:
        place, part = waiting.pop()
        children: list[tuple[str | int, object]] = []
        if isinstance(part, _Refused):
            key = () if part.key is None else (part.key,)
            faults.append(FieldFault((*_path(place), *key), part.code, part.message))
        elif isinstance(part, dict):
            children = list(part.items())
        elif isinstance(part, list):
            children = list(enumerate(part))
        waiting += [((place, key), child) for key, child in reversed(children)]
    return faults


def _path(place: "_Place | None") -> list[str | int]:
    path: list[str | int] = []
    while place is not None:
        place, key = place
        path.append(key)
    return path[::-1]
