"""What is known of each scan: the ledgers of the Fr-PACS, the store's content, the completions."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pymongo.read_concern import ReadConcern

from common.domain.scan import Packing
from common.domain.scan_key import pacs_of, scan_key
from common.domain.states import PURGED
from common.domain.types import hash_voxels
from common.domain.voxel_compression import unpack
from common.errors import VoxelsDamaged
from common.store.collections import Collection as Names
from common.store.db_manager import DBManager
from tests.factories import inside
from tests.faults.essence import essence
from tests.faults.lines import LineReader
from tests.faults.mongods import client_of


@dataclass
class LedgerRecord:
    """What the ledger of a Fr-PACS records of its scans."""

    pacs: str
    sent: dict[str, datetime] = field(default_factory=dict)
    """When each scan was first sent."""
    acknowledged: dict[str, datetime] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    reported: Counter[str] = field(default_factory=Counter)
    """How often a report arrived as new, by scan; of several revisions, the most frequent one."""
    news: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How often a report arrived as new, by scan and revision."""
    endless: bool = True
    """Whether it sends as long as its world lasts."""

    def of(self, scan_ids: set[str]) -> "LedgerRecord":
        """A copy of the record, of these scans only."""
        return LedgerRecord(
            self.pacs,
            {i: at for i, at in self.sent.items() if i in scan_ids},
            {i: at for i, at in self.acknowledged.items() if i in scan_ids},
            self.refused & scan_ids,
            Counter({i: self.reported[i] for i in scan_ids if i in self.reported}),
            endless=self.endless,
        )


class LedgerReader:
    """Follows the ledger of a Fr-PACS; reads each complete line once."""

    def __init__(self, pacs: str, path: Path, *, endless: bool = True) -> None:
        self.record = LedgerRecord(pacs, endless=endless)
        self._path = path
        self._offset = 0

    def read(self) -> LedgerRecord:
        """Read up to the last complete line."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return self.record
        complete = data.rfind(b"\n") + 1
        self._offset += complete
        for line in data[:complete].splitlines():
            self._add(json.loads(line))
        return self.record

    def _add(self, entry: dict[str, Any]) -> None:
        record, scan_id = self.record, scan_key(entry["scan_id"], self.record.pacs)
        match entry["event"]:
            case "sent":
                record.sent.setdefault(scan_id, datetime.fromisoformat(entry["at"]))
            case "acknowledged":
                record.acknowledged[scan_id] = datetime.fromisoformat(entry["at"])
            case "refused":
                record.refused.add(scan_id)
            case "reported":
                revision = scan_id, int(entry.get("revision", 1))
                record.news[revision] += 1
                record.reported[scan_id] = max(record.reported[scan_id], record.news[revision])


@dataclass(frozen=True, slots=True)
class StoredScan:
    """A scan as it is stored."""

    pacs: str
    state: str
    owner: str | None
    fence: int
    voxels_hash: str = ""
    intact: bool = True
    """Whether its voxels have the hash that its header declares."""
    cause: str | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report as it is stored."""

    pacs: str
    sent: bool
    voxels_hash: str = ""
    findings: str = ""
    """Their ``essence``."""
    tries: int = 0
    """How often Fr-HUB has leased it to send it."""


@dataclass(frozen=True)
class Stored:
    """The store's content."""

    scans: dict[str, StoredScan]
    reports: dict[str, StoredReport]


@dataclass(frozen=True, slots=True)
class Completion:
    """What a processor was told when it completed a scan."""

    scan_id: str
    owner: str
    fence: int
    accepted: bool
    revision: int = 1


class CompletionReader:
    """Follows what processors record."""

    def __init__(self, path: Path) -> None:
        self.seen: list[Completion] = []
        self._lines = LineReader(path)

    def read(self) -> list[Completion]:
        """All so far."""
        self.seen += [Completion(**line) for line in self._lines.read()]
        return self.seen


def read_store(
    uri: str, database: str, *, voxels: bool, only: Collection[str] | None = None
) -> Stored:
    """What is stored, as a majority has it.

    Args:
        uri: of the server or the set.
        database: its name.
        voxels: whether to read all voxels and hash them.
        only: these scans; none: all.
    """
    with client_of(uri, 120) as client:
        base = client.get_database(database, read_concern=ReadConcern("majority"))
        scans: dict[str, StoredScan] = {}
        reports: dict[str, StoredReport] = {}
        for wanted in _pages(only):
            scans.update(_scans(base, wanted, voxels=voxels))
            reports.update(_reports(base, wanted))
        # Stored and reported on after the scans were read.
        late = list(reports.keys() - scans.keys())
        scans.update(_scans(base, {"_id": {"$in": late}}, voxels=voxels))
    return Stored(scans, reports)


def _pages(only: Collection[str] | None) -> Iterator[dict[str, Any]]:
    if only is None:
        yield {}
        return
    ids = list(only)
    for start in range(0, len(ids), 5000):
        yield {"_id": {"$in": ids[start : start + 5000]}}


def _reports(base: Any, wanted: dict[str, Any]) -> Iterator[tuple[str, StoredReport]]:
    fields = {"pacs": 1, "status": 1, "tries": 1, "report.voxels_hash": 1, "report.findings": 1}
    for found in base[Names.REPORTS].find(wanted, fields):
        report = found["report"]
        yield (
            found["_id"],
            StoredReport(
                found["pacs"],
                found["status"],
                report["voxels_hash"],
                essence(report["findings"]),
                found["tries"],
            ),
        )


def _scans(base: Any, wanted: dict[str, Any], *, voxels: bool) -> Iterator[tuple[str, StoredScan]]:
    for found in base[Names.SCANS].find(wanted, None if voxels else {"voxels": 0}):
        if found["report_generated"] == PURGED:  # a tombstone
            pacs, state = str(pacs_of(found["_id"])), found["report_generated"]
            yield found["_id"], StoredScan(pacs, state, None, found["fence"], found["voxels_hash"])
            continue
        header = found["scan"]
        yield (
            found["_id"],
            StoredScan(
                header["pacs"],
                found["report_generated"],
                found.get("owner"),
                found["fence"],
                header["voxels_hash"],
                not voxels or _hash(base, found) == header["voxels_hash"],
                (found.get("error") or {}).get("cause"),
                found.get("revision", 1),
            ),
        )


def _hash(base: Any, found: dict[str, Any]) -> str:
    """BLAKE3 of the voxels as they are stored, unpacked; '' where they cannot be."""
    if "blob" in found:
        low, high = ({"blob": found["blob"], "n": n} for n in (0, 2**31 - 1))
        chunks = base[Names.CHUNKS].find({"_id": {"$gte": low, "$lte": high}})
        stored = b"".join(chunk["voxels"] for chunk in chunks.sort("_id", 1))
    else:
        stored = found.get("voxels", b"")  # retention had them
    if found.get("packing") is None:
        return hash_voxels(stored)
    packing = Packing.model_validate(found["packing"])
    try:
        return hash_voxels(unpack(stored, packing, found["scan"]["voxels_bytes"]))
    except VoxelsDamaged:
        return ""


def history_of(store: DBManager, scan_id: str) -> str:
    """What the store and the audit trail have of a scan, for who looks into a gap."""
    scan = inside(store, Names.SCANS).find_one({"_id": scan_id}, {"scan": 0, "voxels": 0})
    report = inside(store, Names.REPORTS).find_one({"_id": scan_id}, {"report": 0})
    events = [
        {"writer": entry["_id"]["writer"], **{k: v for k, v in one.items() if k != "ids"}}
        for entry in inside(store, Names.AUDIT).find({"events.ids": scan_id})
        for one in entry["events"]
        if scan_id in one.get("ids", ())
    ]
    return f"scan {scan}, report {report}, events {events}"
