"""Open routes for operation: liveness, readiness, metrics, and where tokens are issued."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from toxgrade.cohort.described import answer, described
from toxgrade.errors import NotFound, Unavailable
from toxgrade.server.access.tokens import ALGORITHMS
from toxgrade.server.http.authorization import public
from toxgrade.server.http.readiness import Ready
from toxgrade.server.http.service import TheService
from toxgrade.server.jobs.batches import batch_rows
from toxgrade.server.records.verifications import verified_at

router = APIRouter(tags=["health"], dependencies=[public()])


_KEYS = "https://login.example.org/keys"


@answer
class Alive:
    """The process answers."""

    status: str = described("Always `alive`.", "alive")


@answer
class SmartConfiguration:
    """Where clients get tokens, as SMART App Launch 2 publishes it."""

    issuer: str = described("Whose tokens are accepted.", "https://login.example.org")
    token_endpoint: str = described("Where they are issued.", "https://login.example.org/token")
    grant_types_supported: Sequence[str] = described("OAuth 2 grants.", ["client_credentials"])
    token_endpoint_auth_methods_supported: Sequence[str] = described(
        "How clients prove who they are.", ["private_key_jwt"]
    )
    token_endpoint_auth_signing_alg_values_supported: Sequence[str] = described(
        "The signatures that are accepted.", [*ALGORITHMS]
    )
    capabilities: Sequence[str] = described(
        "SMART's capabilities.", ["client-confidential-asymmetric"]
    )
    jwks_uri: Annotated[
        str | SkipJsonSchema[None],
        Field(description="The issuer's keys; absent if not published.", examples=[_KEYS]),
    ] = None


@router.get("/livez", summary="The process answers")
async def livez() -> Alive:
    """Always 200 while the process runs."""
    return Alive("alive")


@router.get("/readyz", summary="The process could store something now")
async def readyz(service: TheService) -> Ready:
    """200 when requests can be served, 503 with the reason when not; tried anew after 2 s."""
    return await service.readiness.check()


@router.get("/metrics", summary="For Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request, service: TheService) -> Response:
    """Counts and times by route template; nothing of any patient, study or key."""
    counts = request.app.state.metrics
    # Without the database, the other metrics are still reported.
    with suppress(SQLAlchemyError, Unavailable):
        counts.set_batch_rows(await service.read(batch_rows))
        counts.set_verified(await service.read(verified_at), service.runtime.now())
    return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/.well-known/smart-configuration",
    response_model_exclude_none=True,
    summary="Where clients get tokens",
)
@router.get(
    "/fhir/.well-known/smart-configuration",
    response_model_exclude_none=True,
    include_in_schema=False,
)
async def smart_configuration(service: TheService) -> SmartConfiguration:
    """The issuer whose tokens are accepted, for SMART Backend Services; 404 where none is set."""
    settings = service.settings
    if settings.jwt_issuer is None or settings.jwt_token_url is None:
        raise NotFound("no issuer of tokens is set; ask for a key")
    keys = settings.jwt_keys or ""
    return SmartConfiguration(
        issuer=settings.jwt_issuer,
        token_endpoint=settings.jwt_token_url,
        grant_types_supported=["client_credentials"],
        token_endpoint_auth_methods_supported=["private_key_jwt"],
        token_endpoint_auth_signing_alg_values_supported=ALGORITHMS,
        capabilities=["client-confidential-asymmetric"],
        jwks_uri=keys if keys.startswith("https://") else None,
    )
