"""The check that stands before every route under ``/v1``."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.access.keys import check_key
from app.http.service import TheService

_bearer = HTTPBearer(auto_error=False, description="A key of `toxgrade keys create`.")


async def with_key(
    service: TheService,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Let a caller with a valid key pass; everyone where ``TOXGRADE_AUTH=off``.

    Raises:
        Unauthorized: no key, or one that is not valid.
    """
    if service.settings.auth == "on":
        presented = credentials.credentials if credentials else ""
        await service.read(lambda connection: check_key(connection, presented))
