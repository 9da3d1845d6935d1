"""What all pages share: static files, templates, headers, error pages and the reading of forms."""

import hashlib
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import cache
from http import HTTPStatus
from importlib.metadata import version as installed
from importlib.resources import files
from urllib.parse import parse_qsl

import vl_convert
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from toxgrade import __version__
from toxgrade.errors import (
    NotFound,
    RequestError,
    TooLarge,
    TooManyRequests,
    ToxgradeError,
    Unauthorized,
)
from toxgrade.grading.phase import Window
from toxgrade.server.http.addresses import allowed_methods
from toxgrade.server.http.authorization import public
from toxgrade.server.http.problems import HEADERS, shown, status_of
from toxgrade.server.web.charts.registry import STUDY_CHARTS

router = APIRouter(include_in_schema=False, dependencies=[public()])

_VEGA = "vega.js"
_MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILE_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",  # The address changes with the file.
    "X-Content-Type-Options": "nosniff",
}
_MAX_FORM_BYTES, _MAX_FORM_FIELDS = 64 * 1024, 500
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_root = ContextVar("root", default="")  # The root path of the request that is answered.
_templates = Environment(
    loader=PackageLoader("toxgrade.server.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TABS = (
    ("", "Toxicity table"),
    *((f"/pictures/{name}", chart.tab) for name, chart in STUDY_CHARTS.items()),
    ("/patients", "Patients"),
    ("/batches", "Uploads"),
    ("/audit", "Audit"),
)
"""The pages of one study: what follows the study's address, and the title."""


@router.get("/static/{version}/{name}")
async def static(version: str, name: str) -> Response:
    """A file of ``static/``, or Vega with all it needs from vl-convert's bundle."""
    media = _MEDIA.get(name[name.rfind(".") :])
    if media is None or (name != _VEGA and name not in _names()):
        raise NotFound("there is no such file")
    content = await run_in_threadpool(_content, name)
    return Response(content, media_type=media, headers=_FILE_HEADERS)


@cache
def asset(name: str) -> str:
    """Return the address of a file of ``static/``, with its hash, or of Vega, with its version."""
    version = installed("vl-convert-python") if name == _VEGA else _digest(_content(name))
    return f"/static/{version}/{name}"


@cache
def _names() -> frozenset[str]:
    return frozenset(file.name for file in (files("toxgrade.server.web") / "static").iterdir())


@cache
def _content(name: str) -> bytes:
    if name == _VEGA:  # Building it takes 1.2 s and gives 0.9 MB.
        return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode()
    return (files("toxgrade.server.web") / "static" / name).read_bytes()


def prepare_pictures() -> None:
    """Build the script that draws pictures, which the first page with one would else wait for."""
    _content(_VEGA)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def window_text(window: Window) -> str:
    """Return the end of the acute window in words."""
    length = f"{window.days} days" if window.months is None else f"{window.months} months"
    return f"radiotherapy {window.anchor} + {length}"


_templates.globals |= {
    "version": __version__,
    "asset": asset,
    "tabs": TABS,
    "window_text": window_text,
}


def page(template: str, status: int = 200, /, **values: object) -> HTMLResponse:
    """Return a page from ``templates/``; the values that it shows are escaped."""
    content = _templates.get_template(template).render(values, root=_root.get())
    return HTMLResponse(content, status)


class PageRoute(APIRoute):
    """A route for people: nothing is cached, and errors are pages that repeat no sent value.

    In a redirect, the path that a proxy removes (``root_path``) is put before our own path.
    """

    @staticmethod
    def error_form(status: int, detail: str) -> Response:
        """Return the page for an error that no route of ours foresaw."""
        return _as_page(_refused(status, detail))

    def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            _root.set(root := request.scope.get("root_path", ""))
            try:
                response = await handle(request)
            except ToxgradeError as error:
                response = _error_page(error)
            except RequestValidationError:
                response = _refused(422, "the address has a part that cannot be accepted")
            except HTTPException as error:
                response = _refused(error.status_code, error.detail)
            if "location" in response.headers:
                response.headers["location"] = root + response.headers["location"]
            return _as_page(response)

        return answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a method that the page does not take by a page too."""
        try:
            await super().handle(scope, receive, send)
        except HTTPException as error:
            if error.status_code != 405 or scope["method"] == "OPTIONS":
                raise
            _root.set(scope.get("root_path", ""))
            allowed = ", ".join(allowed_methods(scope))
            answer = _as_page(_refused(405, f"this page takes {allowed}"))
            answer.headers["Allow"] = allowed
            await answer(scope, receive, send)


def _as_page(response: Response) -> Response:
    """Return a response with the headers of every page."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _error_page(error: ToxgradeError) -> HTMLResponse:
    if isinstance(error, Unauthorized):
        return _refused(401, "this page needs a key of `toxgrade keys create`")
    if isinstance(error, TooManyRequests):
        refused = _refused(429, str(error))
        refused.headers["Retry-After"] = str(error.retry_after)
        return refused
    faults = error.faults if isinstance(error, RequestError) else []
    fields = [f"{' '.join(str(shown(part)) for part in f.loc)}: {f.message}" for f in faults]
    return _refused(status_of(error), ": ".join([str(error), *fields][:2]))


def _refused(status: int, detail: str) -> HTMLResponse:
    answer = page(
        "error.html", status, title=HTTPStatus(status).phrase, detail=detail, status=status
    )
    answer.headers.update(HEADERS.get(status, {}))
    return answer


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a URL-encoded form, stripped; of several with one name, the last.

    Raises:
        TooLarge: the body is longer than any form of ours.
        RequestError: the body is not a form.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            raise TooLarge(f"the form is longer than {_MAX_FORM_BYTES} bytes")
    try:
        found = parse_qsl(body.decode("ascii"), max_num_fields=_MAX_FORM_FIELDS, errors="strict")
    except ValueError:
        raise RequestError("expected an urlencoded form") from None
    return {name: text.strip() for name, text in found}
