"""The HTTP server around the application: what uvicorn is told, in one place."""

import uvicorn
from starlette.types import ASGIApp

from toxgrade.garbage import collect_rarely
from toxgrade.http.connection import PatientProtocol
from toxgrade.settings import Settings

_GRACE = 25  # seconds for what is being answered at SIGTERM; supervisors kill after 30


def run(app: ASGIApp, settings: Settings) -> None:
    """Serve until told to stop."""
    collect_rarely()
    uvicorn.Server(server_config(app, settings)).run()


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration: deadlines for slow clients, our own log, no name of the software."""

    class Protocol(PatientProtocol):
        patience = settings.slow_client_seconds / 2

    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path or "",
        http=Protocol,
        ws="none",
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE,
    )
