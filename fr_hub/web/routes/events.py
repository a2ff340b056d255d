"""What changes, as it happens: by server-sent events and by a WebSocket."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, WebSocket
from pydantic import AwareDatetime, BaseModel
from starlette.requests import Request

from common.domain.user import Right
from fr_hub.web.access import CurrentTenant, CurrentUser, live, requires
from fr_hub.web.live.feed import LiveFeed
from fr_hub.web.live.streams import EventStream, serve_websocket
from fr_hub.web.live.unit_hosts import sees_hosts
from fr_hub.web.problems import Problem

router = APIRouter(prefix="/events", tags=["live"])

_NUMBER_MAX = 2**53


class LiveEvent(BaseModel):
    """An event; its fields depend on its kind. If an event about a scan or a report has no `state`,
    look it up. States of one scan or report come in their order, but some may be left out."""

    n: int
    """The number of its batch. Numbers rise, with gaps."""
    kind: Literal["ready", "reset", "scan", "report", "measurement", "unit", "queue"]
    """`ready`: the first event of a stream. `reset`: changes were missed; read again what you show.
    """
    at: AwareDatetime | None = None
    key: str | None = None
    """Of the scan that it is about, or whose report."""
    pacs: str | None = None
    state: str | None = None
    """Of a scan as in lists, or `removed`; of a report `ready`, `delivered` or `undeliverable`; of
    a measurement `created` or `deleted`; of a unit `running` or `stopped`."""
    priority: str | None = None
    revision: int | None = None
    """Of the report."""
    id: str | None = None
    """Of the measurement, where null stands for all of the patient, or of the unit."""
    patient_id: str | None = None
    unit: str | None = None
    host: str | None = None
    """Of the unit; null without the right `operate`."""
    version: str | None = None
    states: dict[str, int] | None = None
    """Of the queue: numbers of scans by state."""
    priorities: dict[str, int] | None = None
    """Of the queue: numbers of waiting scans by priority."""
    oldest_waiting_at: AwareDatetime | None = None


Position = Annotated[int | None, Query(alias="from", ge=0, lt=_NUMBER_MAX)]


@router.get(
    "",
    dependencies=[requires(Right.READ), live()],
    response_class=EventStream,
    status_code=200,  # the response class names none, as FastAPI expects for its document
    responses={
        200: {
            "model": LiveEvent,
            "description": "A stream of events; the `data:` of each is a JSON object",
        }
    },
)
async def events(
    request: Request,
    principal: CurrentUser,
    tenant: CurrentTenant,
    position: Position = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStream:
    """Stream changes as server-sent events. To resume, send the `id` of the last event that you got
    as `Last-Event-ID`, or as `from`: the stream continues after it, or begins with `reset`."""
    watcher = await _live(request).watch(
        tenant,
        principal.user,
        _last(last_event_id, position),
        personal=Right.PERSONAL in principal.rights,
        hosts=sees_hosts(principal),
    )
    return EventStream(watcher)


@router.websocket("/ws", dependencies=[requires(Right.READ)])
async def events_by_websocket(
    websocket: WebSocket,
    principal: CurrentUser,
    tenant: CurrentTenant,
    position: Position = None,
) -> None:
    """As `GET /events`. Each message has a `position` and its `events`; send `{"from": position}`
    to go on after it."""
    feed = _live(websocket)
    try:
        watcher = await feed.watch(
            tenant,
            principal.user,
            position,
            personal=Right.PERSONAL in principal.rights,
            hosts=sees_hosts(principal),
        )
    except Problem as problem:
        await websocket.close(4000 + problem.status)
        return
    try:
        await websocket.accept()
        await serve_websocket(websocket, watcher, lambda n: feed.resume(watcher, n))
    finally:
        watcher.end()  # also of a client that has gone before the first event


def _live(connection: Any) -> LiveFeed:
    found: LiveFeed = connection.app.state.live
    return found


def _last(header: str | None, position: int | None) -> int | None:
    """The position to go on from. A browser connects again to the same address, with a header that
    is later than what the address says."""
    if header is None or not header.strip():
        return position
    try:
        return int(header)
    except ValueError:
        return -1  # unknown
