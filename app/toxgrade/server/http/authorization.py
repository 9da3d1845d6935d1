"""Authorization of routes: each declares the role it needs, or that it is open to everyone."""

import re
from collections.abc import Iterable

from fastapi import FastAPI, params
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer
from starlette.requests import Request

from toxgrade.errors import Forbidden, NotFound, Unauthorized
from toxgrade.server.access import ANYONE, Caller, Role
from toxgrade.server.access.credentials import ACCEPTED
from toxgrade.server.access.tokens import use_token
from toxgrade.server.http.audit_context import audit_action
from toxgrade.server.http.middleware import is_of_browser_clients
from toxgrade.server.http.service import Service
from toxgrade.server.records.audit_log import INSTALLATION
from toxgrade.server.records.studies import PATIENT_NAME, STUDY_NAME

_SIGN_IN_COST = 50  # tokens of the rate limit: ten sign-ins a second
_SAFE = ("GET", "HEAD", "OPTIONS")
_OURS = ("same-origin", "none")  # none: typed by a person
_TOLD = {b"sec-fetch-site", b"origin"}
_PORTS = {"http": ":80", "https": ":443"}


class RequireRole(HTTPBearer):
    """A dependency that admits callers who have a role on the study that the request names.

    The study is the path's ``{study}`` or the query's ``study``. A request that names none needs
    the role on any study; its handler then calls ``Service.require`` with the study it finds.
    """

    def __init__(self, role: Role, *, tokens_once: bool = False, session: bool = False) -> None:
        super().__init__(scheme_name="bearer", description=ACCEPTED, auto_error=False)
        self.role: Role = role
        self._tokens_once, self._session = tokens_once, session

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Check the caller, once per request.

        Raises:
            Unauthorized: there are no credentials, or they are not valid.
            NotFound: the caller has no role on the study and must not learn whether it exists; or
                no study or patient can have the name.
            Forbidden: the caller's role does not allow the request, or another site had it sent.
            TooManyRequests: the caller has used up the rate limit for now.
        """
        if hasattr(request.state, "caller"):
            return
        _refuse_other_sites(request)
        service: Service = request.app.state.service
        caller = await self._caller(request, service)
        if caller is not ANYONE:
            service.rates.spend(caller.name, 1)  # Who reads its body charges for that.
        names = request.path_params
        study, patient = names.get("study"), names.get("patient")
        if study is None and request.scope["query_string"]:
            study = request.query_params.get("study")
        can_exist = _can_be(study, STUDY_NAME) and _can_be(patient, PATIENT_NAME)
        if not can_exist and (self._session or "study" not in names):
            raise NotFound("there is no such study or patient")  # Elsewhere fields are checked.
        try:
            caller.require(self.role, study)
        except (Forbidden, NotFound):
            if can_exist:
                await service.audit_denial(request, caller, study)
            raise
        request.state.caller = caller

    async def _caller(self, request: Request, service: Service) -> Caller:
        """Return the caller of a request; ``ANYONE`` where the service checks nobody."""
        if service.settings.auth == "off":
            return ANYONE
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        if self._session and not scheme:
            return await identify_session(service, request)
        if scheme.lower() != "bearer":
            presented = ""
        if not presented:
            raise Unauthorized(ACCEPTED)
        return await identify(request, presented, tokens_once=self._tokens_once)


def _can_be(name: str | None, names: re.Pattern[str]) -> bool:
    """Return whether a study or patient can have the name (None: there is none to have).

    Others must not get into a query or the audit: PostgreSQL takes no NUL, and no text that is
    longer than its column.
    """
    return name is None or names.fullmatch(name) is not None


class Public:
    """A dependency that admits everyone and declares the route open."""

    async def __call__(self, request: Request) -> None:
        """Check only that no page of another site had a browser send it."""
        _refuse_other_sites(request)


def _refuse_other_sites(request: Request) -> None:
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


def require_role(role: Role, *, tokens_once: bool = False, session: bool = False) -> params.Depends:
    """Declare the role that a route or router needs: ``dependencies=[require_role("reader")]``.

    ``tokens_once``: a token of the issuer is accepted once, by its ``jti``, as CDS Hooks requires.
    ``session``: the route is a page, where the cookie of the sign-in page is accepted too.
    """
    return params.Depends(RequireRole(role, tokens_once=tokens_once, session=session))


def public() -> params.Depends:
    """Declare that a route is open to everyone: ``dependencies=[public()]``."""
    return params.Depends(Public())


def declared_access(dependencies: Iterable[params.Depends]) -> RequireRole | Public | None:
    """Return what these dependencies of a route declare; None if they declare nothing."""
    found = (each.dependency for each in dependencies)
    return next((access for access in found if isinstance(access, RequireRole | Public)), None)


def undeclared_routes(app: FastAPI) -> list[str]:
    """List the routes that declare nothing; the documentation page is exempt, as it is open."""
    found = [(context.path, context.original_route) for context in iter_route_contexts(app.routes)]
    return [
        f"{' '.join(route.methods or ())} {path}"
        for path, route in found
        if isinstance(route, APIRoute) and not route.path.startswith(app.docs_url or "/docs")
        if declared_access(route.dependencies) is None
    ]


async def identify(request: Request, presented: str, *, tokens_once: bool = False) -> Caller:
    """Return the caller who presents an API key or a token of the issuer.

    Raises:
        Unauthorized: the key or token is not valid.
        TooManyRequests: it is not, and the address of the request has sent too many such.
    """
    service: Service = request.app.state.service
    credentials, is_key = service.credentials, presented.startswith("tox_")
    if (is_key or not tokens_once) and (caller := credentials.remembered(presented)):
        return caller
    async with service.guesses.limited(_host(request), was_good=credentials.was_good(presented)):
        if is_key:
            return await service.read(lambda c: credentials.check_key(c, presented))
        token = await credentials.check_token(presented)
        if tokens_once:
            action = audit_action(request, token.caller, INSTALLATION)
            await service.write(lambda c: use_token(c, token.jti, token.expires), action=action)
        return token.caller


def _host(request: Request) -> str:
    return request.client.host if request.client else ""


def session_cookie(request: Request) -> str:
    """Return the name of the cookie with the session; only pages read it.

    Where its prefix allows it, browsers take it from this host, and under https, alone.
    """
    if request.url.scheme != "https":
        return "toxgrade_session"
    return "__Secure-toxgrade_session" if cookie_path(request) != "/" else "__Host-toxgrade_session"


def cookie_path(request: Request) -> str:
    """Return the path that the cookie is limited to, because the host may have other programs."""
    return request.scope.get("root_path") or "/"


async def identify_session(service: Service, request: Request) -> Caller:
    """Return the caller whose session is in the cookie.

    Raises:
        Unauthorized: there is no cookie, or its session has ended.
        TooManyRequests: too many others of addresses with bad credentials wait to be checked.
    """
    presented = request.cookies.get(session_cookie(request))
    if not presented:
        raise Unauthorized(ACCEPTED)
    sessions = service.sessions
    if caller := sessions.remembered(presented):
        return caller
    was_good = sessions.was_good(presented)
    async with service.guesses.limited(_host(request), was_good=was_good, is_session=True):
        return await service.read(lambda c: sessions.check(c, presented))


async def start_session(service: Service, request: Request, presented: str) -> str:
    """Start a session of a key or of a token of the issuer, and return the session's token.

    Raises:
        Unauthorized: the key or token is not valid.
        TooManyRequests: its caller has used up the rate limit for now, or its address has sent too
            many bad credentials.
    """
    caller = await identify(request, presented)
    service.rates.spend(caller.name, _SIGN_IN_COST)
    sessions, action = service.sessions, audit_action(request, caller, INSTALLATION)
    if presented.startswith("tox_"):
        return await service.write(lambda c: sessions.start_with_key(c, presented), action=action)
    token = await service.credentials.check_token(presented)
    return await service.write(lambda c: sessions.start_with_token(c, token), action=action)
