"""The issuer of tokens that the settings name, and how its keys are fetched."""

from pathlib import Path

import httpx

from toxgrade.access.tokens import Issuer
from toxgrade.settings import Settings

_MOST_BYTES = 256 * 1024


def issuer(settings: Settings) -> Issuer | None:
    """The issuer whose tokens are accepted; None where only keys are."""
    if settings.jwt_issuer is None or settings.jwt_audience is None or settings.jwt_keys is None:
        return None
    keys = settings.jwt_keys
    return Issuer(settings.jwt_issuer, settings.jwt_audience, lambda: _fetch(keys))


async def _fetch(keys: str) -> bytes:
    """The JWKS from a file, or over HTTPS (never redirected elsewhere).

    Raises:
        OSError: it cannot be had.
    """
    if not keys.startswith("https://"):
        return Path(keys).read_bytes()
    read = bytearray()
    try:
        async with httpx.AsyncClient() as client, client.stream("GET", keys) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                read += piece
                if len(read) > _MOST_BYTES:
                    raise OSError("the keys are longer than keys are")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(f"the keys cannot be fetched ({type(error).__name__})") from None
    return bytes(read)
