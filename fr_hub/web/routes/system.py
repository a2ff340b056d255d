"""The system: its units, queue, throughput and storage."""

import asyncio
from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from starlette.requests import Request

from common.domain.states import ReportGenerated
from common.domain.tenant import Tenant
from common.domain.types import utc_now
from common.domain.user import Right
from common.store.scan_pages import Asked
from common.store.server_status import ServerStatus
from common.store.unit_parts import WebStore
from common.store.units import PACS, Unit
from fr_hub.web.access import CurrentTenant, CurrentUser, requires
from fr_hub.web.context import Context
from fr_hub.web.live.feed import LiveFeed
from fr_hub.web.live.messages import Event
from fr_hub.web.live.queue_state import queue_event
from fr_hub.web.live.statistics import Rates
from fr_hub.web.live.unit_hosts import id_without_host, sees_hosts
from fr_hub.web.models import Answer

router = APIRouter(tags=["live"])

_MINUTES = (1, 5, 15)


class UnitState(Answer):
    """A process of a unit, or a Fr-PACS as Fr-HUB knows it."""

    id: str
    unit: str
    """`fr-hub`, `fr-web`, `fr-brain` or `fr-pacs`."""
    name: str | None
    """Of a Fr-PACS."""
    host: str | None
    """Null for a Fr-PACS, and without the right `operate`."""
    version: str | None
    started_at: datetime | None
    seen_at: datetime | None
    state: str
    """`running`, `stopped`, or `gone` (no heartbeat); for a Fr-PACS, `connected` or `away`."""


class Queue(Answer):
    """Scans of the tenant."""

    states: dict[str, int]
    priorities: dict[str, int]
    """Numbers of waiting scans."""
    pacs: dict[str, int]
    """Number of waiting scans by Fr-PACS."""
    oldest_waiting_at: datetime | None


class Throughput(Answer):
    """What happened in the last minutes."""

    minutes: int
    received: int
    done: int
    failed: int
    latency_p50_s: float | None
    """From arrival to report, seconds."""
    latency_p95_s: float | None


class Disk(Answer):
    """The disk of MongoDB's data."""

    free_bytes: int | None
    """Null if MongoDB does not report it."""
    least_free_bytes: int
    """With less free space, Fr accepts no scans."""


class Durability(Answer):
    """What an acknowledged write survives."""

    acknowledged: Literal["majority, journaled"] = "majority, journaled"
    """What each acknowledgement waits for."""
    server: str
    members: int
    description: str
    warnings: list[str]


class System(Answer):
    """The system."""

    at: datetime
    units: list[UnitState]
    queue: Queue
    throughput: list[Throughput]
    disk: Disk
    durability: Durability


@router.get("/system", dependencies=[requires(Right.READ)])
async def system(
    request: Request, context: Context, tenant: CurrentTenant, user: CurrentUser
) -> System:
    """Get the state of the system: units, queue, throughput of the last minutes, disk,
    durability."""
    live: LiveFeed = request.app.state.live
    await live.ready()
    units, event, waiting, free, status = await asyncio.to_thread(_found, context.store, tenant)
    now = utc_now()
    at_us = round(now.timestamp() * 1e6)
    spans = [
        _throughput(m, live.statistics.since(at_us - m * 60_000_000, tenant.owns)) for m in _MINUTES
    ]
    return System(
        at=now,
        units=[_unit(one, hosts=sees_hosts(user)) for one in units if _is_seen(one, tenant)],
        queue=Queue(
            states=event["states"],
            priorities=event["priorities"],
            pacs=waiting,
            oldest_waiting_at=event["oldest_waiting_at"],
        ),
        throughput=spans,
        disk=Disk(
            free_bytes=free, least_free_bytes=context.settings.hub_disk_free_mib * 1024 * 1024
        ),
        durability=Durability(
            server=status.kind,
            members=status.members,
            description=status.durability,
            warnings=list(status.warnings),
        ),
    )


def _found(
    store: WebStore, tenant: Tenant
) -> tuple[list[Unit], Event, dict[str, int], int | None, ServerStatus]:
    waiting = store.scan_counts.of(Asked(tenant, states=(ReportGenerated.TO_DO,)))
    return (
        store.units.all(),
        queue_event(store, tenant),
        waiting.pacs,
        store.capacity.disk_free(),
        store.server.status(),
    )


def _is_seen(unit: Unit, tenant: Tenant) -> bool:
    return unit.unit != PACS or (unit.name is not None and tenant.owns(unit.name))


def _unit(unit: Unit, *, hosts: bool) -> UnitState:
    found = UnitState.model_validate(unit, from_attributes=True)
    if hosts or unit.unit == PACS:
        return found
    return found.model_copy(update={"id": id_without_host(unit.id), "host": None})


def _throughput(minutes: int, rates: Rates) -> Throughput:
    return Throughput(
        minutes=minutes,
        received=rates.received,
        done=rates.done,
        failed=rates.failed,
        latency_p50_s=rates.p50_s,
        latency_p95_s=rates.p95_s,
    )
