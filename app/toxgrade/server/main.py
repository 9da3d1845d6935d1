"""Build the HTTP service and wire its parts together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from toxgrade import __version__
from toxgrade.criteria.reader import load
from toxgrade.criteria.vocabulary import load_vocabularies
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server import process
from toxgrade.server.access.credentials import Credentials
from toxgrade.server.access.sessions import Sessions
from toxgrade.server.access.tokens import Issuer, Tokens
from toxgrade.server.api import (
    audit,
    batches,
    criteria,
    events,
    grading,
    health,
    history,
    liver_reviews,
    patients,
    ranges,
    reports,
    studies,
)
from toxgrade.server.ehr import cds, fhir_http, operation
from toxgrade.server.ehr.documented import OUTCOMES
from toxgrade.server.ehr.fhir_http import error_outcome
from toxgrade.server.ehr.hl7v2 import routes as hl7v2
from toxgrade.server.ehr.hl7v2.report import check_codes
from toxgrade.server.http.addresses import declared_only
from toxgrade.server.http.authorization import undeclared_routes
from toxgrade.server.http.document import complete_document
from toxgrade.server.http.guesses import Guesses
from toxgrade.server.http.lanes import Lane
from toxgrade.server.http.long_bodies import LongBodies
from toxgrade.server.http.middleware import BrowserClients, Metrics, RequestMiddleware
from toxgrade.server.http.problems import PROBLEMS, add_handlers
from toxgrade.server.http.process_events import ProcessEvents
from toxgrade.server.http.rate_limit import RateLimits
from toxgrade.server.http.readiness import Readiness
from toxgrade.server.http.service import Service
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.integrity import Integrity
from toxgrade.server.records.writer import Writer
from toxgrade.server.reports.liver_safety import KeptReports
from toxgrade.server.runtime import MACHINE, Runtime
from toxgrade.server.settings import Settings
from toxgrade.server.web import batches as batch_pages
from toxgrade.server.web import page, panel, patient, sign_in
from toxgrade.server.web import studies as study_pages

_COSTLY = 2  # threads for charts and reports: more only take each other's time
_MAX_KEYS_BYTES = 256 * 1024
_DESCRIPTION = """\
Grades laboratory values by CTCAE v4.0 (release 4.03), exactly and with the reason of every grade,
and labels each toxicity acute or late after radiotherapy. A clinician decides; this computes.

CTCAE is a work of the US National Cancer Institute.
"""

_JSON = (
    grading.router,  # These two come first, because they are called most.
    grading.panel_router,
    health.router,
    criteria.router,
    studies.router,
    ranges.router,
    patients.router,
    events.router,
    liver_reviews.router,
    reports.router,
    batches.router,
    audit.router,
    audit.installation_router,
    history.router,
)
_FHIR = (operation.router, fhir_http.capability_router, cds.router)
_PAGES = (
    sign_in.router,
    study_pages.audit_router,
    batch_pages.router,
    study_pages.router,
    patient.router,
    panel.router,
    page.router,
)


def create_app(settings: Settings | None = None, runtime: Runtime = MACHINE) -> FastAPI:
    """Return the service for ``settings`` (None: the environment's) on a migrated database.

    Raises:
        CriteriaError: a criteria file is incomplete or contradicts itself.
        RequestError: a code of ``TOXGRADE_HL7V2_CODES`` stands for something that is no analyte.
    """
    chosen = settings or Settings()
    process.configure()
    metrics = Metrics()
    app = FastAPIOffline(
        title="Toxgrade",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "MIT"},
        lifespan=_lifespan(chosen, metrics, runtime),
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # They hold pseudonyms.
        generate_unique_id_function=lambda route: route.name,  # a client's names of functions
        redirect_slashes=False,  # Clients drop the body, or the key, on their way.
    )
    add_handlers(app, {"/fhir": error_outcome, "/cds-services": error_outcome})
    if chosen.cors_origins:
        app.add_middleware(BrowserClients, origins=chosen.cors_origins)
    app.add_middleware(RequestMiddleware, metrics=metrics, runtime=runtime)
    app.state.metrics = metrics
    for router in _JSON:
        app.include_router(router, responses=PROBLEMS)
    # A misspelt ``study`` would store in another one.
    app.include_router(hl7v2.router, responses=PROBLEMS, dependencies=[declared_only()])
    for router in _FHIR:
        app.include_router(router, responses=OUTCOMES)
    for router in _PAGES:
        app.include_router(router)
    complete_document(app)
    if found := undeclared_routes(app):
        raise RuntimeError(f"these routes do not declare what they need: {', '.join(found)}")
    return app


def _lifespan(
    settings: Settings, metrics: Metrics, runtime: Runtime
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan that builds the ``Service`` of the process and closes its database."""
    graders, vocabularies = Graders(load()), load_vocabularies()
    check_codes(settings.hl7v2_codes, graders.for_rules(Rules()).names)
    rates = RateLimits(settings.rate_per_second, runtime)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        trusted = issuer(settings)
        credentials = Credentials(runtime, Tokens(trusted, runtime) if trusted else None)
        sessions = Sessions(runtime, trusted.name if trusted else None)
        engine = build_engine(settings.database_url)
        writer, integrity = Writer(engine, runtime), Integrity(engine, runtime)
        metrics.watch(writer)
        readiness = Readiness(writer, integrity, runtime, settings.batches_dir)
        long_bodies = LongBodies()
        app.state.service = Service(
            settings=settings,
            graders=graders,
            vocabularies=vocabularies,
            engine=engine,
            writer=writer,
            runtime=runtime,
            credentials=credentials,
            sessions=sessions,
            rates=rates,
            readiness=readiness,
            costly=Lane(_COSTLY),
            guesses=Guesses(runtime),
            long_bodies=long_bodies,
            liver_reports=KeptReports(),
        )
        events = ProcessEvents(settings, engine, runtime, writer, app.state.service.guesses)
        yield
        await events.stop()
        long_bodies.close()
        integrity.close()
        writer.close()
        engine.dispose()

    return lifespan


def issuer(settings: Settings) -> Issuer | None:
    """Return the issuer whose tokens are accepted; None where only API keys are."""
    if settings.jwt_issuer is None or settings.jwt_audience is None or settings.jwt_keys is None:
        return None
    keys = settings.jwt_keys
    return Issuer(settings.jwt_issuer, settings.jwt_audience, lambda: _fetch(keys))


async def _fetch(keys: str) -> bytes:
    """Read the issuer's keys (JWKS) from a file, or over HTTPS without following redirects.

    Raises:
        OSError: they cannot be read or fetched, or are too long.
    """
    if not keys.startswith("https://"):
        return Path(keys).read_bytes()
    content = bytearray()
    try:
        async with httpx.AsyncClient() as client, client.stream("GET", keys) as response:
            response.raise_for_status()
            async for block in response.aiter_bytes():
                content += block
                if len(content) > _MAX_KEYS_BYTES:
                    raise OSError("the keys are longer than keys are")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(f"the keys cannot be fetched ({type(error).__name__})") from None
    return bytes(content)
