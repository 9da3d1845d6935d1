"""Error answers as ``application/problem+json`` (RFC 9457); they name fields, never values."""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import get_args

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic_core import ErrorDetails
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toxgrade.cohort.described import answer, described
from toxgrade.errors import (
    Conflict,
    FieldFault,
    Forbidden,
    NoSpace,
    NotFound,
    OutOfService,
    PreconditionMissing,
    RequestError,
    Stale,
    TooLarge,
    TooManyRequests,
    ToxgradeError,
    Unauthorized,
    Unavailable,
)
from toxgrade.server.http.addresses import allowed_methods, page_without_slash, unknown_path
from toxgrade.server.http.body import BodyProblem
from toxgrade.server.http.document import Responses
from toxgrade.server.http.json_route import JsonAnswer
from toxgrade.server.http.middleware import own_path
from toxgrade.server.process import places
from toxgrade.server.records.db.failures import is_unavailable, unavailable

_STATUS: dict[type[ToxgradeError], int] = {
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    PreconditionMissing: 428,
    TooLarge: 413,
    RequestError: 422,
    Unauthorized: 401,
    Forbidden: 403,
    TooManyRequests: 429,
    NoSpace: 507,
    Unavailable: 503,
}
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}
"""The headers that go with a status, whichever door answers."""

_MAX_FAULTS = 500  # in one answer
_FIELD_NAME = re.compile(r"[a-z][a-z_]{0,24}")  # Digits and capitals could be identifiers.
_log = structlog.get_logger()


@answer
class Fault:
    """A field that cannot be accepted."""

    loc: Sequence[str | int] = described("Where it is, from outside in.", ["results", 0, "unit"])
    code: str = described("What is wrong with it: a stable code.", "unknown-unit")
    message: str = described("What is accepted.", "expected a unit of GET /v1/analytes")


@answer
class Problem:
    """What went wrong (RFC 9457)."""

    type: str = described("Always `about:blank`.", "about:blank")
    title: str = described("The status in words.", "Unprocessable Entity")
    status: int = described("The status of the answer.", 422)
    detail: str = described("What is wrong.", "the request has fields that cannot be accepted")
    errors: Sequence[Fault] = described("The fields that cannot be accepted; may be empty.")


PROBLEMS: Responses = {
    "4XX": {"model": Problem, "content": {"application/problem+json": {}}},
    "5XX": {"model": Problem, "content": {"application/problem+json": {}}},
}
"""The error answers as every route documents them."""

ErrorForm = Callable[[int, str, Sequence[FieldFault]], Response]
"""A function that makes the answer to an error from its status, detail and faulty fields."""


def add_handlers(app: FastAPI, forms: Mapping[str, ErrorForm]) -> None:
    """Answer every error as a problem, or below the paths of ``forms`` in that path's form."""
    app.state.error_forms = forms
    app.add_exception_handler(ToxgradeError, _on_own)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(SQLAlchemyError, _on_database)
    app.add_middleware(LastResort)


def problem(status: int, detail: str, faults: Sequence[FieldFault] = ()) -> JsonAnswer:
    """Return an error as a problem; parts of ``loc`` that are not field names become ``…``."""
    errors = [Fault([shown(part) for part in f.loc], f.code, f.message) for f in faults]
    body = Problem("about:blank", HTTPStatus(status).phrase, status, detail, errors)
    return JsonAnswer(body, status, HEADERS.get(status), "application/problem+json")


def _answer(scope: Scope, status: int, detail: str, faults: Sequence[FieldFault] = ()) -> Response:
    """Return an error in the form of the route or door that the request came to."""
    if form := getattr(scope.get("route"), "error_form", None):
        answer: Response = form(status, detail)
        return answer
    forms: Mapping[str, ErrorForm] = scope["app"].state.error_forms
    path = own_path(scope) + "/"
    matching = (form for door, form in forms.items() if path.startswith(door + "/"))
    return next(matching, problem)(status, detail, faults)


def shown(part: str | int) -> str | int:
    """Return a part of a location; a text that does not look like a field's name becomes ``…``."""
    return part if isinstance(part, int) or _FIELD_NAME.fullmatch(part) else "…"


def status_of(error: Exception) -> int:
    """Return the HTTP status for an error of Toxgrade's own; 500 for any other."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


async def _on_own(request: Request, error: Exception) -> Response:
    status = status_of(error)
    if isinstance(error, RequestError):
        return _answer(request.scope, status, error.detail, error.faults)
    answer = _answer(request.scope, status, str(error) or "the request needs a valid key")
    if isinstance(error, TooManyRequests):
        answer.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, OutOfService):
        del answer.headers["Retry-After"]
    return answer


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    body = getattr(request.scope.get("route"), "body_field", None)
    model = _model(body.field_info.annotation) if body else None
    found = error.errors()
    text = "the request has fields that cannot be accepted"
    if len(found) > _MAX_FAULTS:
        text += f"; these are the first {_MAX_FAULTS} of {len(found)}"
    faults = [_fault(each, model) for each in found[:_MAX_FAULTS]]
    return _answer(request.scope, 422, text, faults)


def _fault(found: ErrorDetails, model: type[BaseModel] | None) -> FieldFault:
    loc = tuple(found["loc"])
    if loc and loc[0] == "body":
        loc = loc[1:] or ("body",)
    code, message = found["type"].replace("_", "-"), found["msg"]
    if code == "extra-forbidden":
        code, message = "unknown-field", f"not a field here; accepted: {_accepted(loc, model)}"
    elif code == "missing":
        message = "this field is required"
    return FieldFault(loc, code, message)


def _accepted(loc: tuple[str | int, ...], model: type[BaseModel] | None) -> str:
    """List the accepted fields of the object in which an unknown field lies."""
    for part in loc[:-1]:
        if isinstance(part, str) and model:
            model = _model(model.model_fields[part].annotation)
    return ", ".join(model.model_fields if model else ())


def _model(annotation: object) -> type[BaseModel] | None:
    """Return the model in an annotation: ``X | None``, ``list[X]`` or ``ReadAs``; else None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model(getattr(part, "model", part)) for part in get_args(annotation))
    return next((found for found in inner if found is not None), None)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    scope, status = request.scope, error.status_code
    if status == 404 and "route" not in scope:
        if address := page_without_slash(scope):
            return RedirectResponse(address)
        return _answer(scope, status, unknown_path(scope))
    if status == 405:
        return _on_method(scope)
    faults = error.faults if isinstance(error, BodyProblem) else []
    answer = _answer(scope, status, error.detail, faults)
    answer.headers.update(error.headers or {})
    return answer


def _on_method(scope: Scope) -> Response:
    """Answer a method that the path does not take, and OPTIONS, with those that it takes."""
    allowed = ", ".join(allowed_methods(scope))
    asked = scope["method"] == "OPTIONS"
    answer = Response(None, 204) if asked else _answer(scope, 405, f"this path takes {allowed}")
    answer.headers["Allow"] = allowed
    return answer


async def _on_database(request: Request, error: Exception) -> Response:
    """Answer for a database that cannot be used; a statement at fault is unforeseen."""
    if not is_unavailable(error):
        raise error
    _log.error("the database failed", error=type(error).__name__)
    return await _on_own(request, unavailable(error))


class LastResort:
    """Middleware that answers unforeseen errors with 500 and logs where they arose.

    It logs no message, which could hold a patient's value (``KeyError: '1.8'``).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return  # The client has gone, so nobody would get an answer.
        except Exception as error:
            _log.error("unforeseen error", error=type(error).__name__, places=places(error))
            if scope["type"] == "http" and not started:
                await _answer(scope, 500, "unforeseen error; it is logged")(scope, receive, send)
