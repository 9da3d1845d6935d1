"""For the machines that keep the service running: is it alive, can it work."""

from contextlib import suppress

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from toxgrade.errors import Unavailable
from toxgrade.server.http.authorization import public
from toxgrade.server.http.service import TheService
from toxgrade.server.jobs.batches import batch_rows

router = APIRouter(tags=["health"], dependencies=[public()])


@router.get("/livez", summary="The process answers")
async def livez() -> dict[str, str]:
    """Always 200 while the process runs."""
    return {"status": "alive"}


@router.get("/readyz", summary="The database answers and is migrated")
async def readyz(service: TheService) -> dict[str, str]:
    """200 when requests can be served, 503 with the reason when not."""

    def migration(connection: Connection) -> str:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))

    try:
        return {"status": "ready", "migration": await service.read(migration)}
    except SQLAlchemyError:
        raise Unavailable("the database does not answer or is not migrated") from None


@router.get("/metrics", summary="For Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request, service: TheService) -> Response:
    """Counts and times by route template; nothing of any patient, study or key."""
    counts = request.app.state.metrics
    with suppress(SQLAlchemyError, Unavailable):  # without the database the rest still counts
        counts.batches(await service.read(batch_rows))
    return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)
