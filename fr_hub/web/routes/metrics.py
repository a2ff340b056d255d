"""Metrics for Prometheus."""

import hmac

from fastapi import APIRouter, Request
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from common.settings.hosts import is_loopback
from fr_hub.web.access import anyone, recorded_as
from fr_hub.web.context import Context, WebContext
from fr_hub.web.openapi import a_file
from fr_hub.web.problems import Problem

router = APIRouter(tags=["health"])

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[anyone(), recorded_as(None)],
    responses={200: a_file("text/plain", description="The metrics")},
)
def metrics(context: Context, request: Request) -> Response:
    """Metrics in Prometheus' text format: with the token in METRICS_TOKEN_FILE, or without such a
    file to clients on this host."""
    _check(context, request)
    content = generate_latest(request.app.state.metrics.registry)
    return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _check(context: WebContext, request: Request) -> None:
    wanted = context.settings.metrics_token
    if wanted is not None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), wanted.encode()):
            raise Problem(
                401,
                "unauthenticated",
                "Send the token in METRICS_TOKEN_FILE as 'Authorization: Bearer TOKEN'.",
                {"WWW-Authenticate": "Bearer"},
            )
        return
    # A proxy on this host speaks for clients that are elsewhere.
    client = request.client.host if request.client is not None else ""
    if not is_loopback(client) or any(name in request.headers for name in _FORWARDED):
        raise Problem(
            403,
            "forbidden",
            "Only clients on the API's own host may read metrics; for other clients, set "
            "METRICS_TOKEN_FILE.",
        )
