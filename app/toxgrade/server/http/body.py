"""Strict reading of JSON requests: limited size, exact numbers, no duplicate keys."""

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.errors import FieldFault
from toxgrade.server.http.authorization import declared_access
from toxgrade.server.http.service import service_of

# Longer integers become Decimal, because ``int`` refuses texts of more than 4,300 digits.
_MAX_INTEGER_DIGITS = 15


class BodyProblem(HTTPException):
    """A body that cannot be read; an ``HTTPException``, as FastAPI answers any other with a 400."""

    def __init__(self, status: int, detail: str, *faults: FieldFault) -> None:
        super().__init__(status, detail)
        self.faults = list(faults)


async def limited_body(request: Request, max_bytes: int) -> bytes:
    """Return the body, or refuse it as soon as it is longer than ``max_bytes``.

    Raises:
        BodyProblem: it is too long (413), or has a Content-Encoding (415).
    """
    too_long = BodyProblem(413, f"the body is longer than {max_bytes} bytes; send a batch")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_long
    if "content-encoding" in request.headers:
        raise BodyProblem(415, "expected a body without Content-Encoding")
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > max_bytes:
            raise too_long
    return bytes(read)


class JsonRoute(APIRoute):
    """A route whose body is read by ``JsonRequest`` or, for longer bodies, a subclass of it."""

    @property
    def request_class(self) -> "type[JsonRequest]":
        return JsonRequest

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, access = super().get_route_handler(), declared_access(self.dependencies)

        async def read_strictly(request: Request) -> Response:
            if access is not None:  # The caller is checked before any of the body is read.
                await access(request)
            return await handle(self.request_class(request.scope, request.receive))

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


class _DuplicateKey(dict[str, Any]):
    """An object in which ``key`` occurs twice; it marks the place in the parsed document."""

    def __init__(self, key: str) -> None:
        self.key = key


def read_json(body: bytes) -> Any:
    """Parse UTF-8 JSON; fractions and long integers become ``Decimal``.

    Raises:
        BodyProblem: it is not UTF-8 or not JSON, is nested too deeply, or has duplicate keys.
    """
    duplicates: list[_DuplicateKey] = []

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(pairs)
        if len(read) == len(pairs):
            return read
        keys = [key for key, _ in pairs]
        duplicates.append(_DuplicateKey(next(key for key in keys if keys.count(key) > 1)))
        return duplicates[-1]

    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=to_object,
        )
        faults = [_fault(item, document) for item in duplicates]
    except RecursionError:
        raise BodyProblem(400, "the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise BodyProblem(400, f"the body is not JSON ({where})") from None
    except UnicodeDecodeError:
        raise BodyProblem(400, "the body is not UTF-8") from None
    if faults:
        raise BodyProblem(422, "a field is there twice", *faults)
    return document


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _MAX_INTEGER_DIGITS else Decimal(text)


def _refuse_constant(_: str) -> None:
    raise BodyProblem(400, "the body is not JSON: NaN and Infinity are not numbers in JSON")


def _fault(item: _DuplicateKey, document: Any) -> FieldFault:
    loc = (*(_path(item, document) or ()), item.key)
    return FieldFault(loc, "duplicate-key", "this field is there twice; send it once")


def _path(item: _DuplicateKey, within: Any) -> tuple[str | int, ...] | None:
    """Return an object's path in a document; None if it lies within another duplicate's object."""
    if within is item:
        return ()
    if isinstance(within, dict):
        children: list[tuple[str | int, Any]] = list(within.items())
    elif isinstance(within, list):
        children = list(enumerate(within))
    else:
        return None
    for key, child in children:
        if (below := _path(item, child)) is not None:
            return (key, *below)
    return None


class DirectRoute(JsonRoute):
    """A ``JsonRoute`` whose handler takes ``service``, path parameters and a body.

    It is called without FastAPI's resolution of dependencies, which took longer than grading a
    value. The OpenAPI document, validation and errors are those of a ``JsonRoute``.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        access, body, handle = declared_access(self.dependencies), self.body_field, self.endpoint
        assert body is not None
        path_params, (body_param,) = self.dependant.path_params, self.dependant.body_params

        async def call(request: Request) -> Response:
            if access is not None:
                await access(request)
            sent = self.request_class(request.scope, request.receive)
            document = await sent.json() if await sent.body() else None
            if document is None:
                raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": ""}])
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
