"""Routes that take JSON: caller and address are checked first, then the body is read strictly."""

from collections.abc import Callable, Coroutine
from functools import partial
from itertools import chain

import msgspec
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.errors import FieldFault, TooLarge
from toxgrade.server.http.addresses import declared_parameters, refuse_other_parameters
from toxgrade.server.http.authorization import declared_access
from toxgrade.server.http.body import BodyProblem, limited_body, read_json
from toxgrade.server.http.long_bodies import is_long
from toxgrade.server.http.service import service_of

_VALUES_EACH = 20  # A result has some 13 fields.
_VALUES_OF_ENTRY = 150
_SMALL_BYTES = 10_000
_MAX_FIELDS = 100  # No object of ours has half as many; a dictionary of names lies deeper.

Handler = Callable[[Request], Coroutine[object, None, Response]]


class JsonAnswer(Response):
    """An answer in JSON that a handler gives with a status or headers of its own."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return msgspec.json.encode(content)


class JsonRoute(APIRoute):
    """A route whose body is read by ``JsonRequest`` or, for longer bodies, a subclass of it.

    Under ``/v1`` it refuses query parameters that it does not declare. FHIR ignores such ones.
    """

    @property
    def request_class(self) -> "type[JsonRequest]":
        return JsonRequest

    def checked(self) -> "Check":
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

    @property
    def reads_json(self) -> bool:
        """Return whether the body is JSON that a handler or FastAPI reads, not a file."""
        return self.body_field is not None

    def get_route_handler(self) -> Handler:
        handle, check = super().get_route_handler(), self.checked()
        if self.reads_json:
            return handler_of(check, handle)

        async def read_strictly(request: Request) -> Response:
            return await handle(await check(request))

        return read_strictly


def handler_of(
    check: "Check", handle: "Callable[[JsonRequest], Coroutine[object, None, Response]]"
) -> Handler:
    """Return what checks a request, reads its body and handles it: a long one in another loop."""

    async def read(request: Request) -> Response:
        sent = await check(request)
        if not is_long(await sent.body()):
            return await handle(sent)
        service = await service_of(sent)
        return await service.beside_the_loop(partial(handle, sent))

    return read


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

    @property
    def most_values(self) -> int:
        """How many values the JSON may have."""
        return int(self.app.state.service.settings.max_results) * _VALUES_EACH

    async def json(self) -> object:
        return self.parse(await self.body())

    def parse(self, body: bytes) -> object:
        """Return the document in the body; raise ``BodyProblem`` as ``read_json`` does."""
        if len(body) <= _SMALL_BYTES:  # It cannot hold too much of anything.
            return read_json(body)
        document = read_json(body, self.most_values)
        _refuse_wide(document)
        return document


Check = Callable[[Request], Coroutine[object, None, JsonRequest]]
"""Checks caller and address, and gives the request whose body is then read."""


def _refuse_wide(document: object) -> None:
    """Refuse objects of too many fields: naming each unknown one takes long."""
    lists = document.values() if isinstance(document, dict) else ()
    inner = (item for each in lists if isinstance(each, list) for item in each)
    for item in chain([document], inner):
        if isinstance(item, dict) and len(item) > _MAX_FIELDS:
            raise BodyProblem(422, f"an object has more than {_MAX_FIELDS} fields")


def _refuse_long_lists(document: object, most: int) -> None:
    """Refuse a body with a field whose list has more than ``most`` items, before each is validated.

    What is found wrong of an item takes hundreds of times the memory of the item.

    Raises:
        TooLarge: it names the field, if that is a name of ours.
    """
    fields = document.items() if isinstance(document, dict) else ()
    for name, items in fields:
        if isinstance(items, list) and len(items) > most:
            fault = FieldFault((name,), "too-many", f"at most {most} in one request")
            text = f"more than {most} results: send a batch, graded by `toxgrade grade`"
            raise TooLarge(text, [fault])


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or (
        media.startswith("application/") and media.endswith("+json")
    )


class DirectRoute(JsonRoute):
    """A ``JsonRoute`` whose handler takes ``service``, path parameters and a body.

    It is called without FastAPI's resolution of dependencies, which took longer than grading a
    value. The OpenAPI document, validation and errors are those of a ``JsonRoute``.
    """

    def get_route_handler(self) -> Handler:
        check, body, endpoint = self.checked(), self.body_field, self.endpoint
        assert body is not None
        path_params, (body_param,) = self.dependant.path_params, self.dependant.body_params

        async def handle(sent: JsonRequest) -> Response:
            sent_body = await sent.body()
            document = sent.parse(sent_body) if sent_body else None
            if document is None:
                raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": ""}])
            if len(sent_body) > _SMALL_BYTES:
                _refuse_long_lists(document, sent.app.state.service.settings.max_results)
            content, errors = body.validate(document, {}, loc=("body",))
            arguments = {body_param.name: content}
            for field in path_params:
                text = sent.path_params[field.alias]
                arguments[field.name], faults = field.validate(text, {}, loc=("path", field.alias))
                errors += faults
            if errors:
                raise RequestValidationError(errors)
            answer: Response = await endpoint(service=await service_of(sent), **arguments)
            return answer

        return handler_of(check, handle)


class BundleRequest(JsonRequest):
    """A request whose body has at most ``TOXGRADE_MAX_BUNDLE_BYTES``."""

    media_type = "application/fhir+json"

    @property
    def most_bytes(self) -> int:
        return int(self.app.state.service.settings.max_bundle_bytes)

    @property
    def most_values(self) -> int:
        """How many values a Bundle may have: an Observation with all its metadata has some 80."""
        return int(self.app.state.service.settings.max_bundle_entries) * _VALUES_OF_ENTRY


class BundleRoute(JsonRoute):
    """A route whose body is read by ``BundleRequest``."""

    @property
    def reads_json(self) -> bool:
        return "POST" in (self.methods or ())

    @property
    def request_class(self) -> type[JsonRequest]:
        return BundleRequest
