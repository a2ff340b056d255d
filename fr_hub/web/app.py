"""The application: its routes, errors and documents."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from common.errors import StoreError
from fr_hub.web.context import WebContext
from fr_hub.web.gate import Gate
from fr_hub.web.hosts import KnownHosts, local_address, names_of
from fr_hub.web.known_parameters import refuse_unknown_parameters
from fr_hub.web.live.feed import LiveFeed
from fr_hub.web.metrics import MeasuredApp, Metrics
from fr_hub.web.openapi import document, operation_id, serve_document
from fr_hub.web.page_files import FOLDER, PageFiles
from fr_hub.web.problems import ProblemDetails, handle_problems
from fr_hub.web.proxies import TrustedProxies
from fr_hub.web.recording import Recording
from fr_hub.web.route_table import RouteTable
from fr_hub.web.routes import (
    analyzers,
    audit,
    audit_check,
    docs,
    ecg_aliases,
    ecgs,
    events,
    health,
    labels,
    measurements,
    metrics,
    painkiller,
    patient_deletion,
    patients,
    registration,
    reports,
    samples,
    scan_changes,
    scans,
    session,
    system,
    tokens,
    uploads,
    users,
    voxels,
)
from fr_hub.web.security_headers import SecurityHeaders
from fr_hub.web.uploads.messages import UploadRequest

API = "/api/v1"

ROUTERS: tuple[APIRouter, ...] = (
    scans.router,
    uploads.router,
    ecgs.router,
    scan_changes.router,
    voxels.router,
    samples.router,
    reports.router,
    labels.router,
    patients.router,
    patient_deletion.router,
    measurements.router,
    painkiller.router,
    session.router,
    users.router,
    tokens.router,
    registration.router,
    analyzers.router,
    audit.router,
    audit_check.router,
    events.router,
    system.router,
)
"""The routers below ``API``."""

OTHERS: tuple[APIRouter, ...] = (
    health.router,
    docs.router,
    metrics.router,
    ecg_aliases.tokens,
    ecg_aliases.passwords,
)
"""The routers at the root."""

MESSAGES: tuple[type[BaseModel], ...] = (UploadRequest,)
"""Models of bodies and messages that FastAPI does not see in the routes."""

CORS_TAKEN = (
    *("Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "Range"),
    "Upload-Offset",
)
CORS_SHOWN = (
    *("ETag", "Location", "Retry-After", "Upload-Offset", "Upload-Length", "X-Request-Id"),
    *("Idempotency-Replayed", "Content-Range", "Content-Disposition", "X-Columns"),
)
"""Headers that pages of the origins in WEB_ORIGINS may send, and read in answers."""

_DESCRIPTION = """Patients, measurements, scans and their reports.

Errors are problem details (RFC 9457): `detail` says what to do, `code` is for programs.
"""


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    with contextlib.suppress(StoreError):  # at a later start, or when it is repeated
        await run_in_threadpool(patient_deletion.complete_all, app.state.context)
    yield
    app.state.live.rest()


def make_app(context: WebContext, page: Path = FOLDER) -> FastAPI:
    """The application of one process.

    Args:
        context: what its routes work with.
        page: the folder of the built page.
    """
    app = routes_only()
    app.state.context = context
    app.state.live = LiveFeed(context.store, context.log)
    app.state.metrics = Metrics(context.store, context.emergency)
    table = _table()
    handle_problems(app, table.methods_of)
    # The last one is the first that a request meets.
    app.add_middleware(PageFiles, folder=page)
    app.add_middleware(Gate, context=context)
    app.add_middleware(
        KnownHosts, names=names_of(context.settings), local=local_address(context.settings)
    )
    app.add_middleware(Recording, context=context, table=table)
    app.add_middleware(MeasuredApp, metrics=app.state.metrics, table=table)
    if context.settings.web_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=context.settings.web_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=CORS_TAKEN,
            expose_headers=CORS_SHOWN,
            # Cookies stay on their own site (SameSite=Strict): pages of others send tokens.
            allow_credentials=False,
            max_age=3600,
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(TrustedProxies, networks=context.settings.web_proxies, log=context.log)
    return app


def routes_only() -> FastAPI:
    """The routes, which make the OpenAPI document, without what they need to answer."""
    app = FastAPI(
        title="Fr",
        version="1",
        description=_DESCRIPTION,
        openapi_url=None,  # see serve_document
        lifespan=_lifespan,
        docs_url=None,  # these load from other hosts
        redoc_url=None,
        responses={"default": {"model": ProblemDetails, "description": "Error"}},
        generate_unique_id_function=operation_id,
    )
    for router in OTHERS:  # programs of other services may send parameters of their own
        app.include_router(router)
    for router in ROUTERS:
        app.include_router(router, prefix=API, dependencies=[Depends(refuse_unknown_parameters)])
    document(app, _table(), MESSAGES)
    serve_document(app, f"{API}/openapi.json")
    return app


def _table() -> RouteTable:
    groups = (*(("", one) for one in OTHERS), *((API, one) for one in ROUTERS))
    return RouteTable(groups, [f"{API}/openapi.json"])
