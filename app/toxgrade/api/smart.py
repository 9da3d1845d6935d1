"""Where clients get tokens for this service: SMART App Launch's well-known document."""

from typing import Any

from fastapi import APIRouter

from toxgrade.errors import NotFound
from toxgrade.server.access.tokens import ALGORITHMS
from toxgrade.server.http.authorization import public
from toxgrade.server.http.service import TheService

router = APIRouter(tags=["health"], dependencies=[public()])


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
