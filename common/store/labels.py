"""The label maps of reports, packed, in chunks; stored by scan and by the claim that made them.

Each is written before its report, so a report that names its label maps never lacks them. A fence
is of one claim, and a claim analyses its scan once: so writing is repeatable, and another attempt
never changes what a report names. What an attempt without a report leaves is swept
(``common.store.orphan_labels``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blake3 import blake3
from bson import MaxKey
from bson.binary import Binary
from pydantic import ValidationError

from common.domain.label_maps import PackedMap, PackedMaps, unpacked_labels
from common.domain.scan import BrainScan
from common.domain.tenant import Tenant
from common.domain.types import Document
from common.errors import VoxelsDamaged
from common.store.connection import BY_ID, Connection
from common.store.damage import find, whole
from common.store.documents import revision_of
from common.store.error_mapping import translated
from common.store.tenancy import owned, this_of

CHUNK_BYTES = 1024 * 1024
"""Size of each chunk but the last."""

_WRITTEN_AT_ONCE = 16 * 1024 * 1024
_READ_AT_ONCE = 4  # chunks
_HELD_BYTES = 8 * 1024 * 1024
"""A packed map of at most so many bytes is read once, to be hashed and unpacked."""

_DAMAGED = "stored label maps are missing, or are not those that the report names"


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The label maps that a claim of a scan made."""

    key: str
    fence: int
    packed: PackedMaps


@dataclass(frozen=True, slots=True)
class StoredLabels:
    """The label maps of a report, as they are stored."""

    scan: BrainScan
    revision: int
    """Of the report."""
    fence: int
    chunk_bytes: int
    maps: tuple[PackedMap, ...]

    def named(self, name: str) -> PackedMap | None:
        """The map of this name, if there is one."""
        return next((one for one in self.maps if one.name == name), None)


def labels_document(labels: LabelSet) -> Document:
    """What the document of a report says about its label maps."""
    maps = [one.stored() for one in labels.packed.maps]
    return {"fence": labels.fence, "chunk_bytes": CHUNK_BYTES, "maps": maps}


def chunks_of(key: str, fence: int, first: int = 0, end: int | MaxKey | None = None) -> Document:
    """A filter on ``_id`` for chunks of label maps, as a range of the index: those from the first
    to before the end, or all."""
    last = MaxKey() if end is None else end
    claim = {"scan": key, "fence": fence}
    return {"$gte": {**claim, "n": first}, "$lt": {**claim, "n": last}}


class LabelWriter:
    """Writes label maps."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, sets: Sequence[LabelSet]) -> None:
        """Store label maps, durably. Repeatable."""
        waiting: list[Document] = []
        size = 0
        for chunk in self._chunks(sets):
            if waiting and size + len(chunk["labels"]) > _WRITTEN_AT_ONCE:
                self._db.upsert(self._db.labels, waiting)
                waiting, size = [], 0
            waiting.append(chunk)
            size += len(chunk["labels"])
        if waiting:
            self._db.upsert(self._db.labels, waiting)

    def _chunks(self, sets: Sequence[LabelSet]) -> Iterator[Document]:
        # The server's clock, which the sweep uses.
        now = self._db.clock.now() if sets else None
        for one in sets:
            payload = memoryview(one.packed.payload)
            for n, start in enumerate(range(0, len(payload), CHUNK_BYTES)):
                yield {
                    "_id": {"scan": one.key, "fence": one.fence, "n": n},
                    "scan_id": one.key,
                    "created_at": now,
                    "labels": Binary(payload[start : start + CHUNK_BYTES]),
                }


class CurrentLabels:
    """Reads label maps, each only for the tenant that its scan belongs to."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def current(self, tenant: Tenant, key: str) -> StoredLabels | None:
        """The label maps of a scan's current report; without maps if the report has none. None if
        there is no report.

        Raises:
            VoxelsDamaged: nobody can tell what they are.
        """
        report = self._current(tenant, key)
        return None if report is None else self._of_report(tenant, key, report)

    def _of_report(self, tenant: Tenant, key: str, report: Document) -> StoredLabels | None:
        scan = self._scan(tenant, key)
        if scan is None:
            return None
        try:
            header = BrainScan.stored(scan.get("scan"))
            return _stored(header, report)
        except (ValidationError, TypeError, AttributeError):
            raise VoxelsDamaged("what is stored about the label maps is damaged") from None

    def read(
        self, labels: StoredLabels, one: PackedMap, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        """The labels of a map from ``start`` to before ``end``, a byte for each voxel, in pieces.

        Raises:
            VoxelsDamaged: while it is read: they are not those that were stored, or are gone.
        """
        size = labels.scan.voxels_bytes // labels.scan.voxel_bytes
        held = self._checked(labels, one)

        def read(first: int, last: int) -> bytes:
            if held is not None:
                return held[first:last]
            return self.packed(labels, one.offset + first, one.offset + last)

        last = size if end is None else end
        yield from unpacked_labels(read, one, labels.scan.shape, start, last)

    def packed(self, labels: StoredLabels, start: int, end: int) -> bytes:
        """The packed maps from ``start`` to before ``end``, as they are stored, without a check of
        their hashes. Needs the memory of that part, and of the chunks that it lies in.

        Raises:
            VoxelsDamaged: a chunk is missing, or is none.
        """
        return b"".join(self._payload(labels, start, end))

    def _checked(self, labels: StoredLabels, one: PackedMap) -> bytes | None:
        """A packed map whose hash is right; None if it is right and too large to be held.

        Each time that a map is read, as it may be damaged at any time. That costs little: a map of
        a head has some 100 KB.
        """
        hashed, held = blake3(), bytearray()
        is_held = one.end - one.offset <= _HELD_BYTES
        for piece in self._payload(labels, one.offset, one.end):
            hashed.update(piece)
            if is_held:
                held += piece
        if hashed.hexdigest() != one.packing.hash:
            raise VoxelsDamaged(_DAMAGED)
        return bytes(held) if is_held else None

    def _payload(self, labels: StoredLabels, start: int, end: int) -> Iterator[bytes]:
        size = labels.chunk_bytes
        first, last = start // size, -(-end // size)
        for n in range(first, last, _READ_AT_ONCE):
            these = range(n, min(n + _READ_AT_ONCE, last))
            found = self._chunks(labels, these)
            if [chunk["_id"].get("n") for chunk in found] != [*these]:
                raise VoxelsDamaged(_DAMAGED)
            for number, chunk in zip(these, found, strict=True):
                piece = chunk.get("labels")
                wanted = min(size, end - number * size)
                if not isinstance(piece, bytes) or len(piece) < wanted:
                    raise VoxelsDamaged(_DAMAGED)
                yield piece[max(0, start - number * size) : wanted]

    @translated
    def _chunks(self, labels: StoredLabels, numbers: range) -> list[Document]:
        these = chunks_of(labels.scan.key, labels.fence, numbers.start, numbers.stop)
        return find(self._db.labels, {"_id": these}, {"labels": 1}, sort=[("_id", 1)])

    @translated
    def _current(self, tenant: Tenant, key: str) -> Document | None:
        found = find(self._db.reports, this_of(tenant, key), _NAMED, hint=BY_ID)
        return found[0] if found else None

    @translated
    def _scan(self, tenant: Tenant, key: str) -> Document | None:
        found = find(self._db.scans, this_of(tenant, key), {"scan": 1}, hint=BY_ID)
        return found[0] if found else None


class LabelReader(CurrentLabels):
    """Reads label maps of any revision of a report."""

    def find(self, tenant: Tenant, key: str, revision: int | None = None) -> StoredLabels | None:
        """The label maps of a scan's report, the current one or that of a revision; without maps
        if the report has none. None if there is no such report.

        Raises:
            VoxelsDamaged: nobody can tell what they are.
        """
        report = self._current(tenant, key)
        if report is not None and revision is not None and revision_of(report) != revision:
            report = self._earlier(tenant, key, revision)
        return None if report is None else self._of_report(tenant, key, report)

    @translated
    def _earlier(self, tenant: Tenant, key: str, revision: int) -> Document | None:
        wanted = {
            "_id": {"scan": key, "revision": revision},
            "scan_id": {"$eq": key, **owned(tenant)},
        }
        found = find(self._db.history, wanted, _NAMED, hint=BY_ID)
        return found[0] if found else None


_NAMED: Document = {"revision": 1, "labels": 1}


def _stored(scan: BrainScan, report: Document) -> StoredLabels:
    revision = revision_of(report)
    described = report.get("labels")
    if described is None:
        return StoredLabels(scan, revision, 0, CHUNK_BYTES, ())
    fence, size = whole(described.get("fence")), whole(described.get("chunk_bytes"))
    if fence is None or not size:
        raise TypeError
    maps = tuple(PackedMap.model_validate(one) for one in described.get("maps"))
    return StoredLabels(scan, revision, fence, size, maps)
