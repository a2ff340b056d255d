"""Checks that the voxels of stored scans are there: the chunks of each large scan are counted in
the index of their ids, without reading them; on request, all voxels are read and hashed."""

from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3
from bson import ObjectId

from common.domain.states import ERASED, ReportGenerated
from common.domain.types import Document
from common.store.connection import Connection
from common.store.damage import find
from common.store.documents import all_of
from common.store.error_mapping import translated
from common.store.paging import name_of, pages, stream

_PAGE = 1000
_INLINE_PAGE = 100
"""Scans read at a time with their voxels, of 64 KiB at most."""

_WITHOUT: Document = {
    "$and": [
        # An array with one in it has the type, too.
        {"$or": [{name: {"$not": {"$type": kind}}}, {name: {"$type": "array"}}]}
        for name, kind in (("voxels", "binData"), ("blob", "objectId"))
    ]
}
_INLINE: Document = {"voxels": 1, "scan.voxels_hash": 1, "packing": 1}
_SIZE: Document = {
    "$cond": [{"$eq": [{"$type": "$voxels"}, "binData"]}, {"$binarySize": "$voxels"}, 0]
}
_TO_ANALYSE: Document = {
    "report_generated": {"$in": [ReportGenerated.TO_DO, ReportGenerated.IN_PROGRESS]}
}
"""A filter for scans whose voxels are needed."""

_KEPT: Document = {"purging_since": None, "report_generated": {"$ne": ERASED}}
"""A filter for scans that are not being removed: retention and erasure delete the chunks first."""


@dataclass(frozen=True, slots=True)
class StoredVoxels:
    """The voxels of a large scan as its document describes them."""

    blob: ObjectId
    key: str
    bytes: int
    hash: str


class VoxelCheck:
    """Reads; needs the right to find in scans and chunks."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def missing(self) -> Iterator[str]:
        """The keys of large scans whose chunks are missing, in part or all, and of scans to be
        analysed that have no voxels at all."""
        for page in self._large_pages():
            counts = self._chunks_of(page)
            for voxels in page:
                if not counts.get(voxels.blob) and self._is_lost(voxels):
                    yield voxels.key
        yield from self._waiting_without()

    @translated
    def count_without(self) -> int:
        """The number of scans in a known state without voxels."""
        known = {"report_generated": {"$in": [*ReportGenerated]}}
        return self._db.scans.count_documents({"_id": {"$gte": ""}, **known, **_WITHOUT})

    def damaged(self) -> Iterator[tuple[str, bool]]:
        """Reads all voxels: each scan that has some, and whether their hash is another."""
        for page in self._large_pages():
            for voxels in page:
                yield voxels.key, self._hash(voxels.blob) != voxels.hash and self._is_still(voxels)
        wanted = {"_id": {"$gte": ""}, "voxels": {"$exists": True}}
        for inline in pages(self._db.scans, wanted, _INLINE, size=_INLINE_PAGE):
            for document in inline:
                yield name_of(document), _hash_differs(document)

    def _large_pages(self) -> Iterator[list[StoredVoxels]]:
        after: ObjectId | None = None
        while page := self._large_page(after):
            yield page
            after = page[-1].blob

    @translated
    def _large_page(self, after: ObjectId | None) -> list[StoredVoxels]:
        wanted = {"$type": "objectId"} if after is None else {"$gt": after, "$type": "objectId"}
        fields = {"blob": 1, "scan.voxels_bytes": 1, "scan.voxels_hash": 1, "packing": 1}
        these = {"blob": wanted, **_KEPT}
        found = find(self._db.scans, these, fields, sort=[("blob", 1)], limit=_PAGE)
        # An array with a blob in it is found by the type, too.
        return [_stored(document) for document in found if isinstance(document["blob"], ObjectId)]

    @translated
    def _waiting_without(self) -> list[str]:
        these = {"_id": {"$gte": ""}, **_TO_ANALYSE, **_WITHOUT}
        found = find(self._db.scans, these, {"_id": 1})
        return sorted(document["_id"] for document in found)

    @translated
    def _chunks_of(self, page: list[StoredVoxels]) -> dict[ObjectId, bool]:
        """Whether each blob has all its chunks: all but the last are as large as the first."""
        first = [{"blob": voxels.blob, "n": 0} for voxels in page]
        sizes = {
            d["_id"]["blob"]: int(d["size"])
            for d in find(self._db.chunks, {"_id": {"$in": first}}, {"size": _SIZE})
        }
        return {
            voxels.blob: self._db.chunks.count_documents({"_id": all_of(voxels.blob)})
            == -(-voxels.bytes // sizes[voxels.blob])
            for voxels in page
            if sizes.get(voxels.blob)
        }

    @translated
    def _is_lost(self, voxels: StoredVoxels) -> bool:
        """Look again: retention or a sweep may have removed both meanwhile."""
        return self._is_still(voxels) and not self._chunks_of([voxels]).get(voxels.blob)

    @translated
    def _is_still(self, voxels: StoredVoxels) -> bool:
        # Not by the key, which may be damaged.
        return bool(find(self._db.scans, {"blob": voxels.blob, **_KEPT}, {"_id": 1}, limit=1))

    @translated
    def _hash(self, blob: ObjectId) -> str:
        hashed = blake3()
        chunks = stream(
            self._db.chunks, {"_id": all_of(blob)}, {"voxels": 1}, sort=[("_id", 1)], batch_size=4
        )
        for chunk in chunks:
            if not isinstance(voxels := chunk.get("voxels"), bytes):
                return ""
            hashed.update(voxels)
        return hashed.hexdigest()


def _stored(document: Document) -> StoredVoxels:
    size, digest = _wanted(document)
    return StoredVoxels(document["blob"], name_of(document), size, digest)


def _wanted(document: Document) -> tuple[int, str]:
    """The size and the hash of the voxels as stored. Those of a damaged header match no voxels."""
    scan, packing = (
        found if isinstance(found := document.get(name), dict) else {}
        for name in ("scan", "packing")
    )
    size = packing.get("bytes") or scan.get("voxels_bytes")
    digest = packing.get("hash") or scan.get("voxels_hash")
    return size if isinstance(size, int) else 0, str(digest)


def _hash_differs(document: Document) -> bool:
    voxels = document["voxels"]
    return not isinstance(voxels, bytes) or blake3(voxels).hexdigest() != _wanted(document)[1]
