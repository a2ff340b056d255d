"""Scans, reports and stores for tests."""

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from bson import ObjectId
from pymongo.collection import Collection as MongoCollection
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from common.domain.findings import Findings, Lesions, Quality, Verdict
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan, Signal
from common.domain.types import hash_voxels, utc_now
from common.mongod.embedded import RunningMongod, find_mongod, start_mongod
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import HEAD_START, Claim, NewScan
from common.store.migrations.runner import Migrator
from common.wire.constants import CHUNK_BYTES

T = TypeVar("T")

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def make_scan(**overrides: Any) -> tuple[BrainScan, bytes]:
    """A grid scan of 10 x 10 and its voxels; ``voxels=`` gives others."""
    voxels: bytes = overrides.pop("voxels", bytes(range(100)))
    fields = {
        "scan_id": f"scan-{uuid.uuid4().hex}",
        "pacs": "pacs-1",
        "scan_type": "grid",
        "acquired_at": utc_now(),
        "shape": (10, len(voxels) // 10),
        "dtype": "uint8",
        "voxels_bytes": len(voxels),
        "voxels_hash": hash_voxels(voxels),
    }
    return BrainScan.model_validate(fields | overrides), voxels


def make_ecg(
    samples: npt.NDArray[np.float32], leads: tuple[str, ...] = (), **overrides: Any
) -> tuple[BrainScan, bytes]:
    """An ECG of these samples (samples, leads), in mV at 250 Hz, and its voxels; ``units=`` and
    ``hz=`` give others."""
    signal = Signal(
        sampling_rate_hz=overrides.pop("hz", 250.0),
        leads=leads or tuple(f"V{n + 1}" for n in range(samples.shape[1])),
        units=overrides.pop("units", "mV"),
    )
    fields = {"scan_type": "ecg", "shape": samples.shape, "dtype": "float32", "signal": signal}
    return make_scan(voxels=samples.tobytes(order="F"), **fields, **overrides)


def make_report(scan: BrainScan, **overrides: Any) -> BrainReport:
    """A report on a scan without lesions."""
    fields = {
        "scan_id": scan.scan_id,
        "pacs": scan.pacs,
        "scan_type": scan.scan_type,
        "voxels_hash": scan.voxels_hash,
        "signal": scan.signal,
        "shape": scan.shape,
        "voxel_size_mm": scan.voxel_size_mm,
        "orientation": scan.orientation,
        "analyzer": AnalyzerId(name="grid", version="1"),
        "analysed_at": utc_now(),
        "run_time_ms": 1.5,
        "findings": Findings(
            quality=Quality(verdict=Verdict.PASS),
            lesions=Lesions(count=0, voxels=0, volume_ml=None),
        ),
    }
    return BrainReport.model_validate(fields | overrides)


def make_claimable(store: DBManager, n: int, **overrides: Any) -> list[BrainScan]:
    """Scans that are ``'To Do'``, the first one the oldest."""
    new = [NewScan(*make_scan(**overrides)) for _ in range(n)]
    store.scans.add(new)
    for age, item in enumerate(new):
        received = LONG_AGO.replace(microsecond=1000 * age)
        turn = received - HEAD_START[item.scan.priority]
        edit(store, item.scan.key, received_at=received, turn_at=turn, not_before=received)
    return [item.scan for item in new]


def make_reports(store: DBManager, n: int, **overrides: Any) -> list[BrainReport]:
    """Reports that are ready to be sent, of scans that are ``'Done'``."""
    scans = make_claimable(store, n, **overrides)
    done = [(claim, make_report(claim.scan)) for claim in store.claims.claim("maker", n, 60)]
    assert {claim.scan.key for claim, _ in done} == {scan.key for scan in scans}
    store.claims.complete(done)
    return [report for _, report in done]


def make_failed(
    store: DBManager,
    n: int,
    cause: str = "no brain in it",
    owner: str = "worker-1",
    **overrides: Any,
) -> list[str]:
    """Ids of scans in ``'Error'``, the first one the oldest."""
    make_claimable(store, n, **overrides)
    claims = store.claims.claim(owner, n, 60)
    for claim in claims:
        store.claims.fail(claim, cause, 0)
    return ids_of(claims)


def taken_over(store: DBManager) -> tuple[Claim, Claim]:
    """A claim whose owner let the lease expire, and the claim of the next owner."""
    make_claimable(store, 1)
    [old] = store.claims.claim("old", 1, 60)
    expire(store, old.scan.key)
    [new] = store.claims.claim_expired("new", 60)
    return old, new


def ids_of(claims: Iterable[Claim]) -> list[str]:
    """The ids of claimed scans."""
    return [claim.scan.key for claim in claims]


def make_upload(store: DBManager, chunks: int = 3) -> tuple[NewScan, bytes]:
    """A large scan that is not stored yet, but its chunks are; and its voxels."""
    size = (chunks - 1) * CHUNK_BYTES + 1000
    voxels = (bytes(range(251)) * (size // 251 + 1))[:size]
    scan, _ = make_scan(voxels=voxels, shape=(40, size // 40))
    blob = store.uploads.begin()
    store.uploads.add_chunks(blob, 0, pieces_of(voxels))
    return NewScan(scan, blob=blob), voxels


def pieces_of(voxels: bytes) -> list[bytes]:
    """Voxels in chunks."""
    return [voxels[at : at + CHUNK_BYTES] for at in range(0, len(voxels), CHUNK_BYTES)]


# --- the store's collections ---------------------------------------------------------------------


def migrate(uri: str, database: str) -> None:
    """Bring the database to the schema of this release, as an administrator does."""
    with Migrator(uri, database) as migrator:
        assert migrator.apply()


@contextlib.contextmanager
def opened(uri: str, database: str, timeout_s: float = 10.0) -> Iterator[DBManager]:
    """A store on a migrated database; closed afterwards."""
    migrate(uri, database)
    store = DBManager(uri, database, timeout_s)
    try:
        yield store
    finally:
        store.close()


def inside(store: DBManager, name: Collection = Collection.SCANS) -> MongoCollection[Any]:
    """A collection of the store, to inspect it and to change it as a store never does."""
    return store.connection.database[name]


def document_of(store: DBManager, scan_id: str, name: Collection = Collection.SCANS) -> Any:
    """The document of a scan, or of its report; None if there is none."""
    return inside(store, name).find_one({"_id": scan_id})


def state_of(store: DBManager, scan_id: str) -> str:
    """The state of a scan."""
    return str(document_of(store, scan_id)["report_generated"])


def edit(store: DBManager, scan_id: str, **fields: Any) -> None:
    """Change a scan's document directly in MongoDB."""
    assert inside(store).update_one({"_id": scan_id}, {"$set": fields}).matched_count == 1


def expire(store: DBManager, *scan_ids: str) -> None:
    """End the leases of these scans."""
    for scan_id in scan_ids:
        edit(store, scan_id, lease_until=LONG_AGO)


def chunks_of(store: DBManager, blob: ObjectId | None) -> int:
    """Stored chunks of a blob."""
    return inside(store, Collection.CHUNKS).count_documents({"_id.blob": blob})


# --- concurrency, and the commands sent ----------------------------------------------------------


def together(n: int, work: Callable[[int], T]) -> list[T]:
    """Run ``work(0)`` … ``work(n - 1)`` in threads that begin at the same moment."""
    barrier = threading.Barrier(n)

    def begin(i: int) -> T:
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(n) as threads:
        return list(threads.map(begin, range(n)))


class Commands(CommandListener):
    """Records the commands that are sent to MongoDB, in order."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.seen.append({"name": event.command_name, **event.command})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def writes(self) -> list[dict[str, Any]]:
        """The commands that write, without those of notifications and events."""
        kinds = ("insert", "update", "delete", "findAndModify")
        written = [c for c in self.seen if c["name"] in kinds]
        told = (Collection.NOTIFICATIONS, Collection.EVENTS)
        return [c for c in written if c[c["name"]] not in told]


@contextlib.contextmanager
def own_mongod(folder: Path, *extra: str) -> Iterator[RunningMongod]:
    """A mongod for one test, which may kill it."""
    running = start_mongod(folder, find_mongod(), *extra)
    try:
        yield running
    finally:
        running.kill()
