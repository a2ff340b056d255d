"""Scans: lists of them, counts, and each with its history."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from common.domain.states import shown
from common.domain.user import Right
from fr_hub.web.access import CurrentTenant, CurrentUser, requires
from fr_hub.web.context import Context
from fr_hub.web.cursors import Cursor, Limit, cursor_at, not_a_cursor, place_of
from fr_hub.web.etags import content_etag, is_known
from fr_hub.web.live.unit_hosts import sees_hosts
from fr_hub.web.openapi import ETAG, NOT_MODIFIED
from fr_hub.web.problems import not_found
from fr_hub.web.scan_models import AskedScans, ScanCount, ScanDetails, ScanPage, ScanSummary

router = APIRouter(prefix="/scans", tags=["scans"])

Key = Annotated[
    str,
    Path(
        max_length=150,
        description="key of the scan: `<scan_id>@<pacs>`",
        examples=["2026-01-31-0001@mr-1"],
    ),
]
"""The type of a route's parameter that names a scan."""


@router.get("", dependencies=[requires(Right.READ)])
def list_scans(
    context: Context,
    asked: AskedScans,
    sort: Annotated[
        Literal["received_at", "-received_at"],
        Query(description="the oldest first, or the newest first; not with `text`"),
    ] = "-received_at",
    limit: Limit = 50,
    after: Cursor = None,
) -> ScanPage:
    """List scans, the newest first. With `text`: first those whose id begins with it, then those
    whose subject does."""
    asked = replace(asked, oldest_first=sort == "received_at")
    try:
        page = context.store.scan_pages.page(asked, limit, place_of(after))
    except ValueError:  # the place is of a list with another order
        raise not_a_cursor() from None
    return ScanPage(items=list(map(ScanSummary.of, page.scans)), next=cursor_at(page.next))


@router.get("/counts", dependencies=[requires(Right.READ)])
def count_scans(context: Context, asked: AskedScans) -> ScanCount:
    """Count scans by state and Fr-PACS, and waiting scans by priority. The answer also says since
    when the oldest one has been waiting."""
    counts = context.store.scan_counts.of(asked)
    waiting = context.store.scan_counts.waiting(asked.tenant)
    return ScanCount.model_validate(
        {
            "states": {
                name: number
                for state, number in counts.states.items()
                if (name := shown(state)) != "unknown"
            },
            "pacs": counts.pacs,
            "counted_at": counts.counted_at,
            "complete": counts.complete,
            "priorities": waiting.priorities,
            "priorities_complete": waiting.complete,
            "oldest_waiting_at": waiting.oldest_at,
        }
    )


@router.get(
    "/{key}",
    dependencies=[requires(Right.READ)],
    response_model=ScanDetails,
    responses={200: {"headers": ETAG}, 304: NOT_MODIFIED},
)
def get_scan(
    context: Context, tenant: CurrentTenant, user: CurrentUser, request: Request, key: Key
) -> Response:
    """Get a scan with its history."""
    found = context.store.scan_pages.these(tenant, [key])
    if not found:
        raise not_found("scan")
    [facts] = found
    renamed = facts.document.get("renamed") is True
    history = context.store.scan_history.of(key, renamed=renamed)
    details = ScanDetails.with_history(facts, history, hosts=sees_hosts(user))
    body = details.model_dump_json()
    headers = {"ETag": content_etag(body), "Cache-Control": "private, no-cache"}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
