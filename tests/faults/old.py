"""A database with a history: many finished scans, and as many process starts in the audit trail."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from common.domain.audit_chain import FIRST, make_entry
from common.domain.audit_events import Kind, event
from common.domain.report import BrainReport, report_id_of
from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.documents import NewScan, report_document, scan_document
from tests.factories import make_report, make_scan
from tests.faults.mongods import client_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.faults.world import RECOVERS_S

OLD_SCANS = 100_000
_PAGE = 5000
_AGE = timedelta(days=100)
_LEFT_OPEN = 10
"""Each tenth writer was killed: its chain has no end."""

SOON_S = 20.0
"""Within which a unit starts and has its first acknowledgement or report, or stops. On an empty
database these take about 2 s; on a busy machine a few times as long."""


def fill(uri: str, database: str, scans: int) -> frozenset[str]:
    """Insert scans that are done and delivered, each with its own chain; their keys."""
    keys = []
    with client_of(uri, 600) as client:
        base = client[database]
        for page in _pages(scans):
            for name, documents in page.items():
                base[name].insert_many(documents, ordered=False)
            keys += [document["_id"] for document in page[Collection.SCANS]]
    return frozenset(keys)


def _pages(scans: int) -> Iterator[dict[str, list[dict[str, Any]]]]:
    scan, voxels = make_scan()
    report = make_report(scan)
    for start in range(0, scans, _PAGE):
        page: dict[str, list[dict[str, Any]]] = {
            Collection.SCANS: [],
            Collection.REPORTS: [],
            Collection.AUDIT: [],
        }
        for n in range(start, min(scans, start + _PAGE)):
            # One header, checked once: only the id differs.
            one = scan.model_copy(update={"scan_id": f"old-{n}", "pacs": f"pacs-{1 + n % 4}"})
            page[Collection.SCANS].append(
                _done(scan_document(NewScan(one, voxels), utc_now() - _AGE))
            )
            about = {"scan_id": one.scan_id, "pacs": one.pacs}
            about["report_id"] = report_id_of(one.scan_id, report.revision)
            page[Collection.REPORTS].append(_sent(report.model_copy(update=about)))
            page[Collection.AUDIT].append(_chain(n, one.key))
        yield page


def _done(document: dict[str, Any]) -> dict[str, Any]:
    done = {"report_generated": "Done", "owner": "old", "fence": 1, "attempts": 1}
    return {**document, **done, "claimed_at": utc_now() - _AGE}


def _sent(report: BrainReport) -> dict[str, Any]:
    return {**report_document(report), "status": True, "tries": 1, "sent_at": utc_now() - _AGE}


def _chain(n: int, key: str) -> dict[str, Any]:
    """The one entry of a process that received, reported and sent one scan."""
    kinds = [Kind.OPENED, Kind.RECEIVE, Kind.REPORT, Kind.SEND]
    kinds += [Kind.CLOSED] if n % _LEFT_OPEN else []
    events = [
        event(kind, [] if kind in (Kind.OPENED, Kind.CLOSED) else [key], outcome="stored")
        for kind in kinds
    ]
    return make_entry(f"fr-hub-old-{n}", 0, FIRST, events)


@CATALOGUE.add(
    "old-database",
    Place.OLD,
    f"{OLD_SCANS:,} finished scans and as many audit chains; units are killed and stopped",
    long=True,
)
def old_database(scene: Scene) -> None:
    """Nothing that a unit does at its start, its stop or for a scan grows with the history."""
    world, times = scene.world, dict[str, float]()
    for unit in ("fr_hub", "fr_brain", "fr_pacs"):
        slots = world.cluster.of(unit)
        for slot in slots:
            world.cluster.kill(slot)
        took = world.recovered()
        times[f"{unit}_started_s"] = RECOVERS_S if took is None else took
        began = time.monotonic()
        world.cluster.restart(*slots)
        times[f"{unit}_stopped_s"] = time.monotonic() - began
        scene.healed()
        scene.recoveries.wait()
    scene.row.notes.update({name: round(seconds, 1) for name, seconds in times.items()})
    for name, seconds in times.items():
        scene.demand(seconds <= SOON_S, name, f"{seconds:.1f} s, {SOON_S:g} allowed")
