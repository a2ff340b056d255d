"""Checks that the voxels of stored scans are there: the chunks of each large scan are counted in
the index of their ids, without reading them; on request, all voxels are read and hashed."""

from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3
from bson import ObjectId

from common.domain.states import ERASED, ReportGenerated
from common.domain.types import Document
from common.store.connection import Connection
from common.store.documents import all_of
from common.store.error_mapping import translated

_PAGE = 1000
_HEADERS = 5000
_INLINE_PAGE = 100
"""Scans read at a time with their voxels, of 64 KiB at most."""

_VOXELS = ("voxels", "blob")
_NONE: Document = {name: {"$exists": False} for name in _VOXELS}
_TO_ANALYSE: Document = {
    "report_generated": {"$in": [ReportGenerated.TO_DO, ReportGenerated.IN_PROGRESS]}
}
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
        after = ""
        while scans := self._header_page(after):
            yield from self._without_any(
                [document["_id"] for document in scans if document["none"]]
            )
            after = scans[-1]["_id"]

    def damaged(self) -> Iterator[tuple[str, bool]]:
        """Reads all voxels: each scan that has some, and whether their hash is another."""
        for page in self._large_pages():
            for voxels in page:
                yield voxels.key, self._hash(voxels.blob) != voxels.hash and self._is_still(voxels)
        after = ""
        while inline := self._inline_page(after):
            for document in inline:
                yield document["_id"], _hash_differs(document)
            after = inline[-1]["_id"]

    def _large_pages(self) -> Iterator[list[StoredVoxels]]:
        after: ObjectId | None = None
        while page := self._large_page(after):
            yield [_stored(document) for document in page]
            after = page[-1]["blob"]

    @translated
    def _large_page(self, after: ObjectId | None) -> list[Document]:
        wanted = {"$type": "objectId"} if after is None else {"$gt": after, "$type": "objectId"}
        fields = {"blob": 1, "scan.voxels_bytes": 1, "scan.voxels_hash": 1, "packing": 1}
        these = {"blob": wanted, **_KEPT}
        return list(self._db.scans.find(these, fields, sort=[("blob", 1)], limit=_PAGE))

    @translated
    def _header_page(self, after: str) -> list[Document]:
        fields = {"none": {"$and": [{"$eq": [{"$type": f"${n}"}, "missing"]} for n in _VOXELS]}}
        found = self._db.scans.find({"_id": {"$gt": after}}, fields, sort=[("_id", 1)])
        return list(found.limit(_HEADERS))

    @translated
    def _without_any(self, keys: list[str]) -> list[str]:
        """Those of these scans that are still to be analysed, without voxels."""
        if not keys:
            return []
        found = self._db.scans.find({"_id": {"$in": keys}, **_TO_ANALYSE, **_NONE}, {"_id": 1})
        return sorted(document["_id"] for document in found)

    @translated
    def _chunks_of(self, page: list[StoredVoxels]) -> dict[ObjectId, bool]:
        """Whether each blob has all its chunks: all but the last are as large as the first."""
        first = [{"blob": voxels.blob, "n": 0} for voxels in page]
        fields = {"size": {"$binarySize": "$voxels"}}
        sizes = {
            d["_id"]["blob"]: int(d["size"])
            for d in self._db.chunks.find({"_id": {"$in": first}}, fields)
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
        this = {"_id": voxels.key, "blob": voxels.blob, **_KEPT}
        return self._db.scans.find_one(this, {"_id": 1}) is not None

    @translated
    def _hash(self, blob: ObjectId) -> str:
        hashed = blake3()
        for chunk in self._db.chunks.find({"_id": all_of(blob)}, sort=[("_id", 1)], batch_size=4):
            hashed.update(chunk["voxels"])
        return hashed.hexdigest()

    @translated
    def _inline_page(self, after: str) -> list[Document]:
        wanted = {"_id": {"$gt": after}, "voxels": {"$exists": True}}
        fields = {"voxels": 1, "scan.voxels_hash": 1, "packing": 1}
        return list(self._db.scans.find(wanted, fields, sort=[("_id", 1)], limit=_INLINE_PAGE))


def _stored(document: Document) -> StoredVoxels:
    scan, packing = document.get("scan") or {}, document.get("packing") or {}
    return StoredVoxels(
        blob=document["blob"],
        key=document["_id"],
        bytes=int(packing.get("bytes") or scan.get("voxels_bytes") or 0),
        hash=str(packing.get("hash") or scan.get("voxels_hash")),
    )


def _hash_differs(document: Document) -> bool:
    scan, packing = document.get("scan") or {}, document.get("packing") or {}
    wanted = packing.get("hash") or scan.get("voxels_hash")
    return blake3(document["voxels"] or b"").hexdigest() != wanted
