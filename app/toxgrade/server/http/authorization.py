"""Authorization of routes: each declares the role it needs, or that it is open to everyone."""

from collections.abc import Iterable

from fastapi import FastAPI, params
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer
from starlette.requests import Request

from toxgrade.errors import Forbidden, NotFound, Unauthorized
from toxgrade.server.access import ANYONE, Caller, Role
from toxgrade.server.access.credentials import ACCEPTED
from toxgrade.server.access.tokens import use_token
from toxgrade.server.http.rate_limit import BYTES_PER_TOKEN, UPLOAD_BYTES_PER_TOKEN, cost
from toxgrade.server.http.service import Service
from toxgrade.server.records.studies import STUDY_NAME

SESSION = "toxgrade_session"
"""The cookie that the sign-in page sets; only pages read it."""


class RequireRole(HTTPBearer):
    """A dependency that admits callers who have a role on the study that the request names.

    The study is the path's ``{study}`` or the query's ``study``. A request that names none needs
    the role on any study; its handler then calls ``Service.require`` with the study it finds.
    """

    def __init__(
        self, role: Role, *, tokens_once: bool = False, session: bool = False, uploads: bool = False
    ) -> None:
        super().__init__(scheme_name="bearer", description=ACCEPTED, auto_error=False)
        self.role: Role = role
        self._tokens_once, self._session = tokens_once, session
        self._bytes_per_token = UPLOAD_BYTES_PER_TOKEN if uploads else BYTES_PER_TOKEN

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Check the caller, once per request.

        Raises:
            Unauthorized: there are no credentials, or they are not valid.
            NotFound: the caller has no role on the study and must not learn whether it exists.
            Forbidden: the caller's role does not allow the request.
            TooManyRequests: the caller has used up the rate limit for now.
        """
        if hasattr(request.state, "caller"):
            return
        service: Service = request.app.state.service
        caller = await self._caller(request, service)
        if caller is not ANYONE:
            service.rates.spend(caller.name, cost(request, self._bytes_per_token))
        study = request.path_params.get("study")
        if study is None and request.scope["query_string"]:
            study = request.query_params.get("study")
        try:
            caller.require(self.role, study)
        except (Forbidden, NotFound):
            if study is None or STUDY_NAME.fullmatch(study):  # PostgreSQL takes no NUL.
                await service.audit_denial(request, caller, study)
            raise
        request.state.caller = caller

    async def _caller(self, request: Request, service: Service) -> Caller:
        """Return the caller of a request; ``ANYONE`` where the service checks nobody."""
        if service.settings.auth == "off":
            return ANYONE
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        if self._session and not scheme:
            presented = request.cookies.get(SESSION, "")
        elif scheme.lower() != "bearer":
            presented = ""
        if not presented:
            raise Unauthorized(ACCEPTED)
        return await identify(request, presented, tokens_once=self._tokens_once)


class Public:
    """A dependency that admits everyone and declares the route open."""

    async def __call__(self, request: Request) -> None:
        """Check nothing."""


def require_role(
    role: Role, *, tokens_once: bool = False, session: bool = False, uploads: bool = False
) -> params.Depends:
    """Declare the role that a route or router needs: ``dependencies=[require_role("reader")]``.

    ``tokens_once``: a token of the issuer is accepted once, by its ``jti``, as CDS Hooks requires.
    ``session``: the route is a page, where the cookie of the sign-in page is accepted too.
    ``uploads``: its body is a file, which costs less for its length.
    """
    required = RequireRole(role, tokens_once=tokens_once, session=session, uploads=uploads)
    return params.Depends(required)


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
    host = request.client.host if request.client else ""
    async with service.guesses.limited(host, was_good=credentials.was_good(presented)):
        if is_key:
            return await service.read(lambda c: credentials.check_key(c, presented))
        token = await credentials.check_token(presented)
        if tokens_once:
            await service.write(lambda c: use_token(c, token.jti, token.expires))
        return token.caller
