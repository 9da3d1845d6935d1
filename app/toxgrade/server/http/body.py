"""Reading a request's JSON: exact numbers, nothing read twice, nothing silently dropped."""

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
from toxgrade.server.http.authorization import need
from toxgrade.server.http.service import service_of

_INTEGER_DIGITS = 15  # longer ones stay decimals: Python refuses integers above 4,300 digits


class BodyProblem(HTTPException):
    """A body that cannot be read; an ``HTTPException`` because FastAPI lets only those through."""

    def __init__(self, status: int, detail: str, *faults: FieldFault) -> None:
        super().__init__(status, detail)
        self.faults = list(faults)


async def limited_body(request: Request, most: int) -> bytes:
    """The body, refused as soon as it is longer than ``most`` bytes.

    Raises:
        BodyProblem: it is too long, or compressed.
    """
    too_long = BodyProblem(413, f"the body is longer than {most} bytes; send a batch")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise too_long
    if "content-encoding" in request.headers:
        raise BodyProblem(415, "expected a body without Content-Encoding")
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > most:
            raise too_long
    return bytes(read)


class JsonRoute(APIRoute):
    """A route whose body is read by ``JsonRequest``, or a kind of it that takes longer ones."""

    @property
    def request_class(self) -> "type[JsonRequest]":
        return JsonRequest

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, declared = super().get_route_handler(), need(self.dependencies)

        async def read_strictly(request: Request) -> Response:
            if declared is not None:  # before anything of the body is read
                await declared(request)
            return await handle(self.request_class(request.scope, request.receive))

        return read_strictly


class JsonRequest(Request):
    """A request whose JSON body is limited in size and read without losing anything."""

    media_type = "application/json"

    @property
    def most_bytes(self) -> int:
        return int(self.app.state.service.settings.max_body_bytes)

    async def body(self) -> bytes:
        """The body, as ``limited_body`` reads it."""
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


class _Twice(dict[str, Any]):
    """An object with a key that is there twice; kept to say where."""

    def __init__(self, key: str) -> None:
        self.key = key


def read_json(body: bytes) -> Any:
    """Parse UTF-8 JSON with decimal numbers.

    Raises:
        BodyProblem: it is not JSON, is nested too deeply, or an object has a key twice.
    """
    twice: list[_Twice] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(found)
        if len(read) == len(found):
            return read
        keys = [key for key, _ in found]
        twice.append(_Twice(next(key for key in keys if keys.count(key) > 1)))
        return twice[-1]

    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=pairs,
        )
        faults = [_fault(item, document) for item in twice]
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
    return int(text) if len(text) <= _INTEGER_DIGITS else Decimal(text)


def _refuse_constant(_: str) -> None:
    raise BodyProblem(400, "the body is not JSON: NaN and Infinity are not numbers in JSON")


def _fault(item: _Twice, document: Any) -> FieldFault:
    loc = (*(_path(item, document) or ()), item.key)
    return FieldFault(loc, "duplicate-key", "this field is there twice; send it once")


def _path(item: _Twice, within: Any) -> tuple[str | int, ...] | None:
    """Where an object lies in a document; None if it is not there (itself inside a dropped one)."""
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
    """A ``JsonRoute`` whose handler takes ``service``, what its path names, and a body.

    It is called without FastAPI's resolving of dependencies, which cost more than grading a value;
    documentation, validation and errors are the same.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        declared, body, handle = need(self.dependencies), self.body_field, self.endpoint
        assert body is not None
        named, (asked_as,) = self.dependant.path_params, self.dependant.body_params

        async def call(request: Request) -> Response:
            if declared is not None:
                await declared(request)
            sent = self.request_class(request.scope, request.receive)
            document = await sent.json() if await sent.body() else None
            if document is None:
                raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": ""}])
            asked, errors = body.validate(document, {}, loc=("body",))
            given = {asked_as.name: asked}
            for field in named:
                text = request.path_params[field.alias]
                given[field.name], wrong = field.validate(text, {}, loc=("path", field.alias))
                errors += wrong
            if errors:
                raise RequestValidationError(errors)
            answer: Response = await handle(service=await service_of(sent), **given)
            return answer

        return call
