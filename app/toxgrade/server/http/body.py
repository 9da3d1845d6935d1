"""Strict reading of JSON requests: limited size, exact numbers, no duplicate keys."""

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.errors import FieldFault
from toxgrade.server.http.addresses import declared_parameters, refuse_other_parameters
from toxgrade.server.http.authorization import declared_access
from toxgrade.server.http.long_lists import refuse_long_lists
from toxgrade.server.http.service import service_of

# Longer integers become Decimal, because ``int`` refuses texts of more than 4,300 digits.
_MAX_INTEGER_DIGITS = 15
_MAX_FAULTS = 20  # named in one answer


class BodyProblem(HTTPException):
    """A body that cannot be read; an ``HTTPException``, as FastAPI answers any other with a 400.

    ``begun`` is what was read of it.
    """

    def __init__(self, status: int, detail: str, *faults: FieldFault, begun: bytes = b"") -> None:
        super().__init__(status, detail)
        self.faults, self.begun = list(faults), begun


async def limited_body(request: Request, max_bytes: int) -> bytes:
    """Return the body, or refuse it as soon as it is longer than ``max_bytes``.

    Raises:
        BodyProblem: it is too long (413), or has a Content-Encoding (415).
    """
    text = f"the body is longer than {max_bytes} bytes; send a batch"
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise BodyProblem(413, text)
    if "content-encoding" in request.headers:
        raise BodyProblem(415, "expected a body without Content-Encoding")
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > max_bytes:
            raise BodyProblem(413, text, begun=bytes(read))
    return bytes(read)


class JsonRoute(APIRoute):
    """A route whose body is read by ``JsonRequest`` or, for longer bodies, a subclass of it.

    Under ``/v1`` it refuses query parameters that it does not declare. FHIR ignores such ones.
    """

    @property
    def request_class(self) -> "type[JsonRequest]":
        return JsonRequest

    def checked(self) -> Callable[[Request], Coroutine[Any, Any, "JsonRequest"]]:
        """Return what checks caller and address, and gives the request whose body is then read."""
        access, declared = declared_access(self.dependencies), declared_parameters(self)
        is_strict = self.path.startswith("/v1/")

        async def check(request: Request) -> JsonRequest:
            if access is not None:  # The caller is checked before any of the body is read.
                await access(request)
            if is_strict and request.scope["query_string"]:
                refuse_other_parameters(request, declared)
            return self.request_class(request.scope, request.receive)

        return check

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, check = super().get_route_handler(), self.checked()

        async def read_strictly(request: Request) -> Response:
            return await handle(await check(request))

        return read_strictly


class JsonRequest(Request):
    """A request whose JSON body is limited in size and parsed without losing digits or keys."""

    media_type = "application/json"

    @property
    def most_bytes(self) -> int:
        return int(self.app.state.service.settings.max_body_bytes)

    async def body(self) -> bytes:
        """Return the body as ``limited_body`` reads it; raise ``BodyProblem`` unless it is JSON."""
        if not hasattr(self, "_body"):
            read = await limited_body(self, self.most_bytes)
            if read and not _is_json(self.headers.get("content-type", "")):
                raise BodyProblem(415, f"expected Content-Type: {self.media_type}")
            self._body = read
        return self._body

    async def json(self) -> Any:
        return read_json(await self.body())


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or (
        media.startswith("application/") and media.endswith("+json")
    )


@dataclass(eq=False, slots=True)
class _Refused:
    """Stands in a parsed document for an object or number that cannot be accepted."""

    detail: str
    code: str
    message: str
    key: str | None = None


def read_json(body: bytes) -> Any:
    """Parse UTF-8 JSON; fractions and long integers become ``Decimal``.

    Raises:
        BodyProblem: it is not UTF-8 or not JSON, is nested too deeply, or has duplicate keys or a
            number with an exponent beyond those of ``Decimal``.
    """
    refused: list[_Refused] = []

    def refuse(*why: str) -> _Refused:
        refused.append(_Refused(*why))
        return refused[-1]

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Refused:
        read = dict(pairs)
        if len(read) == len(pairs):
            return read
        text = "this field is there twice; send it once"
        return refuse("a field is there twice", "duplicate-key", text, _first_twice(pairs))

    def to_decimal(text: str) -> Decimal | _Refused:
        try:
            return Decimal(text)
        except InvalidOperation:
            accepted = "expected a number whose exponent has at most 3 digits"
            return refuse("a number cannot be read", "unreadable-number", accepted)

    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_float=to_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=to_object,
        )
    except RecursionError:
        raise BodyProblem(400, "the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise BodyProblem(400, f"the body is not JSON ({where})") from None
    except UnicodeDecodeError:
        raise BodyProblem(400, "the body is not UTF-8") from None
    if refused:
        raise BodyProblem(422, refused[0].detail, *_faults(document))
    return document


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _MAX_INTEGER_DIGITS else Decimal(text)


def _refuse_constant(_: str) -> None:
    raise BodyProblem(400, "the body is not JSON: NaN and Infinity are not numbers in JSON")


def _first_twice(pairs: list[tuple[str, Any]]) -> str:
    counts = Counter(key for key, _ in pairs)
    return next(key for key, count in counts.items() if count > 1)


def _faults(document: Any) -> list[FieldFault]:
    """Return the first of what was refused in a document, by its place, in one walk through it.

    A place is held as its parent's place and its key, so that none takes longer for its depth.
    """
    faults: list[FieldFault] = []
    waiting: list[tuple[Any, Any]] = [((), document)]
    while waiting and len(faults) < _MAX_FAULTS:
        place, part = waiting.pop()
        children: list[tuple[str | int, Any]] = []
        if isinstance(part, _Refused):
            key = () if part.key is None else (part.key,)
            faults.append(FieldFault((*_path(place), *key), part.code, part.message))
        elif isinstance(part, dict):
            children = list(part.items())
        elif isinstance(part, list):
            children = list(enumerate(part))
        waiting += [((place, key), child) for key, child in reversed(children)]
    return faults


def _path(place: Any) -> list[str | int]:
    path: list[str | int] = []
    while place:
        place, key = place
        path.append(key)
    return path[::-1]


class DirectRoute(JsonRoute):
    """A ``JsonRoute`` whose handler takes ``service``, path parameters and a body.

    It is called without FastAPI's resolution of dependencies, which took longer than grading a
    value. The OpenAPI document, validation and errors are those of a ``JsonRoute``.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        check, body, handle = self.checked(), self.body_field, self.endpoint
        assert body is not None
        path_params, (body_param,) = self.dependant.path_params, self.dependant.body_params

        async def call(request: Request) -> Response:
            sent = await check(request)
            document = await sent.json() if await sent.body() else None
            if document is None:
                raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": ""}])
            refuse_long_lists(document, sent.app.state.service.settings.max_results)
            content, errors = body.validate(document, {}, loc=("body",))
            arguments = {body_param.name: content}
            for field in path_params:
                text = request.path_params[field.alias]
                arguments[field.name], faults = field.validate(text, {}, loc=("path", field.alias))
                errors += faults
            if errors:
                raise RequestValidationError(errors)
            answer: Response = await handle(service=await service_of(sent), **arguments)
            return answer

        return call
