"""Open routes for operation: liveness, readiness, metrics, and where tokens are issued."""

from contextlib import suppress
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from toxgrade.errors import NotFound, Unavailable
from toxgrade.server.access.tokens import ALGORITHMS
from toxgrade.server.http.authorization import public
from toxgrade.server.http.service import TheService
from toxgrade.server.jobs.batches import batch_rows
from toxgrade.server.records.verifications import verified_at

router = APIRouter(tags=["health"], dependencies=[public()])


@router.get("/livez", summary="The process answers")
async def livez() -> dict[str, str]:
    """Always 200 while the process runs."""
    return {"status": "alive"}


@router.get("/readyz", summary="The process could store something now")
async def readyz(service: TheService) -> dict[str, str]:
    """200 when requests can be served, 503 with the reason when not; tried anew after 2 s."""
    return await service.readiness.check()


@router.get("/metrics", summary="For Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request, service: TheService) -> Response:
    """Counts and times by route template; nothing of any patient, study or key."""
    counts = request.app.state.metrics
    # Without the database, the other metrics are still reported.
    with suppress(SQLAlchemyError, Unavailable):
        counts.set_batch_rows(await service.read(batch_rows))
        counts.set_verified(await service.read(verified_at))
    return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/.well-known/smart-configuration", summary="Where clients get tokens")
@router.get("/fhir/.well-known/smart-configuration", include_in_schema=False)
async def smart_configuration(service: TheService) -> dict[str, Any]:
    """The issuer whose tokens are accepted, for SMART Backend Services; 404 where none is set."""
    settings = service.settings
    if settings.jwt_issuer is None or settings.jwt_token_url is None:
        raise NotFound("no issuer of tokens is set; ask for a key")
    found = {
        "issuer": settings.jwt_issuer,
        "token_endpoint": settings.jwt_token_url,
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "capabilities": ["client-confidential-asymmetric"],
    }
    published = settings.jwt_keys or ""
    return found | ({"jwks_uri": published} if published.startswith("https://") else {})
