"""Scans whose reports were delivered long ago, for tests of retention."""

from typing import Any

from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import (
    LONG_AGO,
    inside,
    make_report,
    make_scan,
    make_upload,
)


def deliver(store: DBManager, *scan_ids: str, long_ago: bool = True) -> None:
    """These reports have arrived at Fr-PACS, long ago."""
    store.outbox.mark_sent(scan_ids)
    if long_ago:
        inside(store, Collection.REPORTS).update_many(
            {"_id": {"$in": list(scan_ids)}}, {"$set": {"sent_at": LONG_AGO}}
        )


def make_old(store: DBManager, n: int, **overrides: Any) -> list[str]:
    """Small scans that were delivered long ago."""
    store.scans.add([NewScan(*make_scan(**overrides)) for _ in range(n)])
    claims = store.claims.claim("maker", n, 60)
    assert len(claims) == n
    store.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
    ids = [claim.scan.key for claim in claims]
    deliver(store, *ids)
    return ids


def make_old_upload(store: DBManager, *, sealed: bool = True) -> tuple[NewScan, bytes]:
    """A large scan that was delivered long ago."""
    new, voxels = make_upload(store)
    store.scans.add([new])
    if sealed:
        store.uploads.end(new.scan.key, new.blob)  # type: ignore[arg-type]
    [claim] = store.claims.claim("a", 1, 60)
    store.claims.complete([(claim, make_report(claim.scan))])
    deliver(store, new.scan.key)
    return new, voxels
