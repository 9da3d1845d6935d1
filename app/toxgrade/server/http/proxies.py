"""What declared proxies say of the client: its address and whether it came by TLS."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
_MAX_CACHED = 1024
_MAX_ADDRESS = 64  # characters, with brackets and port


class DeclaredProxies:
    """Middleware that takes ``X-Forwarded-For`` and ``X-Forwarded-Proto`` from declared proxies.

    Each proxy appends the address that it saw, so the right-most that is no declared proxy's is the
    client's: whatever stands left of it, the client may have written itself. What is not an address
    counts as nothing. uvicorn's own middleware takes any text.
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[IPv4Network | IPv6Network]) -> None:
        self._app, self._proxies = app, proxies
        self._is_proxy = lru_cache(_MAX_CACHED)(self._is_declared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["client"] and self._is_proxy(scope["client"][0]):
            self._apply(scope)
        await self._app(scope, receive, send)

    def _apply(self, scope: Scope) -> None:
        forwarded: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                forwarded += value.decode("latin-1").split(",")
            elif name == b"x-forwarded-proto":
                scheme = value.decode("latin-1").rpartition(",")[2].strip()
                scope["scheme"] = scheme if scheme in ("http", "https") else scope["scheme"]
        if client := self._client(reversed(forwarded)):
            scope["client"] = client, 0

    def _client(self, forwarded: Iterable[str]) -> str | None:
        """Return the client's address from those that proxies saw, the last proxy's first."""
        client = None
        for text in forwarded:
            address = read_address(text)
            if address is None:
                break
            client = str(address)
            if not self._is_proxy(client):
                break
        return client

    def _is_declared(self, host: str) -> bool:
        address = read_address(host)
        return address is not None and any(address in network for network in self._proxies)


def read_address(text: str) -> Address | None:
    """Return the IP address, without brackets and port; None if it is not one."""
    host = text.strip()[:_MAX_ADDRESS]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def read_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a list such as ``127.0.0.1, 10.1.0.0/16, ::1``.

    Raises:
        ValueError: a part is neither an address nor a network.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
