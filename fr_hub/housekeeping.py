"""What Fr-HUB does periodically, beside its connections: retention, sweeps, reconciliation."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from common.domain.tenant import is_uploads_source
from common.errors import FrError
from common.store.outbox import ORPHANS_COUNTED
from fr_hub.context import HubContext

T = TypeVar("T")

SWEEP_EVERY_S = 600.0
RETAIN_EVERY_S = 3600.0
WARN_EVERY_S = 3600.0


async def keep_house(hub: HubContext) -> None:
    """Run the periodic tasks until cancelled; each runs once at the start."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_sweep_periodically(hub))
        tasks.create_task(_warn_of_orphans_periodically(hub))
        if hub.settings.retention_timer:
            tasks.create_task(_retain_periodically(hub))


async def _sweep_periodically(hub: HubContext) -> None:
    while True:
        await sweep(hub)
        await asyncio.sleep(SWEEP_EVERY_S)


async def _retain_periodically(hub: HubContext) -> None:
    settings = hub.settings
    while True:
        for days, failed in (
            (settings.retention_days, False),
            (settings.retention_failed_days, True),
        ):
            if days is not None:
                await retain(hub, days, failed=failed)
        await asyncio.sleep(RETAIN_EVERY_S)


async def _warn_of_orphans_periodically(hub: HubContext) -> None:
    while True:
        await warn_of_orphans(hub)
        await asyncio.sleep(WARN_EVERY_S)


async def warn_of_orphans(hub: HubContext) -> None:
    """Log how many reports wait for a Fr-PACS that HUB_PACS does not name: nobody sends them."""
    try:
        waiting = await hub.store.orphans(tuple(hub.settings.hub_pacs))
    except Exception as error:  # noqa: BLE001 - the next time tells
        hub.log.debug("waiting reports not counted", reason=_reason(error))
        return
    for pacs, count in waiting.items():
        if is_uploads_source(pacs):  # the API delivers these
            continue
        number = f"{count:,}" if count < ORPHANS_COUNTED else f"{count:,} or more"
        hub.log.warning(f"{number} reports wait for {pacs}, which is not in HUB_PACS", pacs=pacs)


async def sweep(hub: HubContext) -> None:
    """Delete what interrupted uploads left behind, and set failed scans to ``'Done'`` that have a
    report; complete interrupted erasures; mark chunks that nobody refers to, which the next sweep
    deletes; delete label maps that no report names. Logs a failure; the next time repairs it."""
    if swept := await _tried(hub, hub.store.sweep_uploads()):
        hub.log.info("deleted the voxels of interrupted uploads", uploads=swept)
    if reconciled := await _tried(hub, hub.store.reconcile_failed()):
        hub.log.info("set failed scans to 'Done': their reports had arrived", scans=len(reconciled))
    if erased := await _tried(hub, hub.store.sweep_erased()):
        hub.log.info("completed interrupted erasures", scans=erased)
    if orphans := await _tried(hub, hub.store.mark_orphan_chunks()):
        hub.log.info("found unused voxels; the next cleanup deletes them", uploads=orphans)
    if labels := await _tried(hub, hub.store.sweep_orphan_labels()):
        hub.log.info("deleted label maps that no report names", analyses=labels)


async def _tried(hub: HubContext, part: Awaitable[T]) -> T | None:
    """What this part of a sweep returns; None if it fails. The others do not depend on it."""
    try:
        return await part
    except Exception as error:  # noqa: BLE001 - one document must not end Fr-HUB
        hub.log.warning(f"cleanup failed, next one in {SWEEP_EVERY_S:g} s", reason=_reason(error))
        return None


async def retain(hub: HubContext, days: float, *, failed: bool = False) -> None:
    """Apply retention: purge what was delivered, or has failed, more than ``days`` days ago. Logs a
    failure; the next time continues."""
    what, purged = hub.settings.retention_what, 0
    try:
        async for page in hub.store.purge(days, include_report=what == "all", failed=failed):
            purged += len(page.keys)
    except Exception as error:  # noqa: BLE001 - as above
        hub.log.warning(
            f"retention failed, next run in {RETAIN_EVERY_S:g} s", reason=_reason(error)
        )
    if purged:
        which = "failed" if failed else "delivered"
        hub.log.info("retention applied", scans=purged, which=which, what=what, days=days)


def _reason(error: Exception) -> str:
    """For the log. An unexpected error's text may quote what it met, so only its type is told."""
    return str(error) if isinstance(error, FrError) else type(error).__name__
