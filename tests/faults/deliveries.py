"""What arrived at the Fr-PACS of a world, and what the audit trail has: each of it read anew."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pymongo.read_concern import ReadConcern

from common.domain.audit_events import Kind
from common.store.collections import Collection
from tests.faults.lines import LineReader
from tests.faults.mongods import client_of


@dataclass(frozen=True, slots=True)
class Delivery:
    """A report as a Fr-PACS took it."""

    scan_id: str
    pacs: str
    revision: int
    voxels_hash: str
    findings: str
    """Their ``essence``."""
    picture: str | None = None
    """BLAKE3 of the picture that came with it."""


class DeliveryReader:
    """Follows what each Fr-PACS records."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.seen: list[Delivery] = []
        self._readers = [LineReader(path) for path in files]

    def read(self) -> list[Delivery]:
        """All so far."""
        for reader in self._readers:
            self.seen += [Delivery(**line) for line in reader.read()]
        return self.seen


def recorded_receipts(uri: str, database: str) -> frozenset[str]:
    """The keys of the scans of which the audit trail says durably that they were received."""
    with client_of(uri, 120) as client:
        base = client.get_database(database, read_concern=ReadConcern("majority"))
        found = base[Collection.AUDIT].find(
            {"events.kind": Kind.RECEIVE}, {"events.kind": 1, "events.ids": 1}
        )
        return frozenset(
            key
            for entry in found
            for one in entry["events"]
            if one["kind"] == Kind.RECEIVE
            for key in one.get("ids", ())
        )
