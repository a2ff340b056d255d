"""The audit trail, as far as it concerns one's tenant."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from common.domain.audit_events import Kind
from common.domain.types import ScanName
from common.domain.user import Right, UserName
from common.store.audit_search import FoundEvent, Place, WantedEvents
from fr_hub.web.access import CurrentTenant, requires
from fr_hub.web.context import Context
from fr_hub.web.models import Answer, ListAnswer, Time, one_of
from fr_hub.web.problems import Problem

router = APIRouter(prefix="/audit", tags=["audit"])

_SHOWN = ("kind", "at", "ids", "outcome", "peer", "by", "route", "cause", "tenant")


class AuditEvent(Answer):
    """An event of the audit trail."""

    at: datetime
    recorded_at: datetime
    """When its entry was written; the list is sorted by this time."""
    entry: str
    """The place of its entry in the trail, as `fr audit` names it."""
    kind: Kind | Literal["unknown"]
    outcome: str | None
    by: str | None
    """The user who caused it; null if a unit did."""
    peer: str | None
    """The other party: an address, or the name of a Fr-PACS."""
    route: str | None
    scans: list[str]
    cause: str | None
    facts: dict[str, str | int | float | bool | None]
    """Further facts."""


class AuditPage(ListAnswer):
    """A page of events, the newest first. It may be empty although `next` leads to another one."""

    items: list[AuditEvent]


@router.get("", dependencies=[requires(Right.AUDIT)])
def find_events(
    context: Context,
    tenant: CurrentTenant,
    scan: Annotated[ScanName | None, Query(description="key of a scan")] = None,
    user: UserName | None = None,
    kind: Annotated[list[Kind] | None, Query(max_length=len(Kind))] = None,
    since: Time | None = None,
    until: Time | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[str | None, Query(max_length=600)] = None,
) -> AuditPage:
    """Events of the tenant's users, Fr-PACS and scans."""
    wanted = WantedEvents(
        tenant=tenant,
        scan=scan,
        user=user,
        kinds=tuple(map(str, kind or ())),
        since=since,
        until=until,
    )
    place = None if after is None else _place_in(after)
    found, following = context.store.audit_search.find(wanted, limit, place)
    return AuditPage(
        items=[_shown(one) for one in found],
        next=None if following is None else _cursor_of(following),
    )


def _shown(found: FoundEvent) -> AuditEvent:
    event = found.event
    at = event.get("at")
    return AuditEvent(
        at=at if isinstance(at, datetime) else found.place.at,
        recorded_at=found.place.at,
        entry=found.entry,
        kind=one_of(Kind, event.get("kind")) or "unknown",
        **{name: _text(event.get(name)) for name in ("outcome", "by", "peer", "route", "cause")},
        scans=[str(key) for key in event.get("ids", ())],
        facts={
            name: value
            for name, value in event.items()
            if name not in _SHOWN and isinstance(value, str | int | float | bool)
        },
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _cursor_of(place: Place) -> str:
    milliseconds = round(place.at.timestamp() * 1000)
    text = json.dumps([milliseconds, place.writer, place.seq, place.number])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place_in(cursor: str) -> Place:
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
            case [int(milliseconds), str(writer), int(seq), int(number)] if (
                writer.isprintable() and abs(seq) < 2**53
            ):
                return Place(datetime.fromtimestamp(milliseconds / 1000, UTC), writer, seq, number)
    except (binascii.Error, ValueError, OverflowError, OSError, RecursionError):
        pass
    raise Problem(
        422, "invalid_cursor", "'after' is not the 'next' of a page of this list; start again."
    )
