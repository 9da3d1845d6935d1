"""Signing in with a key or a token: pages get a cookie that no script or other site can use.

The cookie is the key itself, so that revoking the key ends every session in every process. It is
HttpOnly, SameSite=Strict and, under https, Secure, and it expires after 8 hours.
"""

from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.server.http.authorization import SESSION, identify, public
from toxgrade.server.http.service import TheService
from toxgrade.server.web.page import PageRoute, page, read_form

router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[public()])

_SESSION_SECONDS = 8 * 60 * 60


@router.get("/sign-in")
async def sign_in_page(request: Request, service: TheService) -> HTMLResponse:
    """The form, or how to sign out."""
    needed = service.settings.auth == "on"
    return page("sign_in.html", needed=needed, signed_in=SESSION in request.cookies)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Check the key, or the issuer's token, and go on to the page that asked for it.

    Raises:
        Unauthorized: it is not valid.
    """
    key = (await read_form(request)).get("key", "")
    await identify(request, key)
    answer = RedirectResponse(_came_from(request), 303)
    secure = request.url.scheme == "https"
    path = _cookie_path(request)
    answer.set_cookie(
        SESSION, key, _SESSION_SECONDS, path=path, httponly=True, samesite="strict", secure=secure
    )
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Forget the key on this browser."""
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(SESSION, path=_cookie_path(request), httponly=True, samesite="strict")
    return answer


def _cookie_path(request: Request) -> str:
    """Return the path that the cookie is limited to, because the host may have other programs."""
    return request.scope.get("root_path") or "/"


def _came_from(request: Request) -> str:
    """Return the path of our page that showed the form, else ``/``.

    It is taken from ``Referer``, so that no address has to carry an identifier.
    """
    before = urlsplit(request.headers.get("referer", ""))
    root: str = request.scope.get("root_path", "")
    ours = before.netloc == request.url.netloc and before.path.startswith(f"{root}/")
    path = before.path.removeprefix(root)
    return "/" if not ours or path.startswith(("//", "/sign-in")) else path
