"""The hottest routes, called without ceremony."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.http.body import JsonRoute
from toxgrade.http.guard import need
from toxgrade.http.service import service_of


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
