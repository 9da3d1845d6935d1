"""Requests that a page of another site makes a browser send: what changes something is refused."""

from starlette.requests import Request

from toxgrade.errors import Forbidden
from toxgrade.server.http.middleware import is_of_browser_clients

_SAFE = ("GET", "HEAD", "OPTIONS")
_OURS = ("same-origin", "none")  # none: typed by a person
_TOLD = {b"sec-fetch-site", b"origin"}
_PORTS = {"http": ":80", "https": ":443"}


def refuse_other_sites(request: Request) -> None:
    """Raise ``Forbidden`` if a page of another site made a browser send what changes something.

    Browsers tell by ``Sec-Fetch-Site``; older ones, and those that reach us without TLS, by
    ``Origin``, whose host must be the one that was asked. Programs send neither. What carries an
    Authorization header is not looked at: no page can add it without asking us first (CORS).
    """
    sent = {name for name, _ in request.scope["headers"]}
    if request.method in _SAFE or b"authorization" in sent or sent.isdisjoint(_TOLD):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site in _OURS or (site is None and (origin is None or _is_ours(request, origin))):
        return
    if origin is not None and _is_allowed(request, origin):
        return
    raise Forbidden("this request was sent by a page of another site")


def _is_ours(request: Request, origin: str) -> bool:
    """Return whether an origin's host is ours; its scheme is the proxy's, and ``null`` has none."""
    scheme, _, host = origin.lower().partition("://")
    port = _PORTS.get(scheme, "")
    return host != "" and host.removesuffix(port) == request.url.netloc.lower().removesuffix(port)


def _is_allowed(request: Request, origin: str) -> bool:
    """Return whether a browser client of this origin may call this route (``cors_origins``)."""
    allowed = request.app.state.service.settings.cors_origins
    return is_of_browser_clients(request.scope) and (origin in allowed or "*" in allowed)
