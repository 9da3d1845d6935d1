"""Signing in with a key or a token: pages get a cookie that no script or other site can use.

The cookie is a random token of a stored session, never the key. It is HttpOnly, SameSite=Strict
and, under https, Secure. The session ends after 8 hours, by signing out, or with its key or token.
"""

import re

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.errors import Unauthorized
from toxgrade.server.access import Caller
from toxgrade.server.access.sessions import SESSION_SECONDS
from toxgrade.server.http.audit_context import audit_action
from toxgrade.server.http.authorization import (
    cookie_path,
    identify_session,
    public,
    session_cookie,
    start_session,
)
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.audit_log import INSTALLATION
from toxgrade.server.web.page import PageRoute, page, read_form

_PAGE = re.compile(r"https?://(?P<host>[^/?#]+)(?P<path>/[^?#]*)")

router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[public()])


@router.get("/sign-in")
async def sign_in_page(request: Request, service: TheService) -> HTMLResponse:
    """The form, or how to sign out."""
    needed = service.settings.auth == "on"
    signed_in = needed and await _caller(service, request) is not None
    return page("sign_in.html", needed=needed, signed_in=signed_in)


@router.post("/sign-in")
async def sign_in(request: Request, service: TheService) -> Response:
    """Start a session of the key, or of the issuer's token, and go on to the page that asked.

    Raises:
        Unauthorized: it is not valid.
        TooManyRequests: it has signed in too often.
    """
    key = (await read_form(request)).get("key", "")
    session = await start_session(service, request, key)
    await _end(service, request)  # the one before of this browser, which may be another's
    answer = RedirectResponse(_came_from(request), 303)
    answer.set_cookie(
        session_cookie(request), session, SESSION_SECONDS, path=cookie_path(request),
        httponly=True, samesite="strict", secure=request.url.scheme == "https",
    )  # fmt: skip
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, service: TheService) -> Response:
    """End the session, in every process, and have this browser forget it."""
    await _end(service, request)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(
        session_cookie(request), path=cookie_path(request),
        httponly=True, samesite="strict", secure=request.url.scheme == "https",
    )  # fmt: skip
    return answer


async def _caller(service: Service, request: Request) -> Caller | None:
    """Return whose session the cookie holds; None: nobody's."""
    try:
        return await identify_session(service, request)
    except Unauthorized:
        return None


async def _end(service: Service, request: Request) -> None:
    """End the session in the cookie; a cookie without one must not cost a write."""
    if caller := await _caller(service, request):
        session = request.cookies[session_cookie(request)]
        action = audit_action(request, caller, INSTALLATION)
        await service.write(lambda c: service.sessions.end(c, session), action=action)


def _came_from(request: Request) -> str:
    """Return the path of our page that showed the form, else ``/``.

    It is taken from ``Referer``, so that no address has to carry an identifier.
    """
    before = _PAGE.match(request.headers.get("referer", ""))
    root: str = request.scope.get("root_path", "")
    if (
        not before
        or before["host"] != request.url.netloc
        or not before["path"].startswith(f"{root}/")
    ):
        return "/"
    path = before["path"].removeprefix(root)
    return "/" if path.startswith(("//", "/sign-in")) else path
