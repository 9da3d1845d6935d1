"""Browser clients of CDS Hooks: let the origins that are named call ``/cds-services``."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from toxgrade.http.root import own_path


class BrowserClients:
    """Cross-origin answers for the CDS service alone; every other route stays same-origin."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_cds = scope["type"] == "http" and own_path(scope).startswith("/cds-services")
        await (self._open if is_cds else self._app)(scope, receive, send)
