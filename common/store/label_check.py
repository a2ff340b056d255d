"""Checks that the label maps that reports name are there: their chunks are counted in the index of
their ids, without reading them; on request, all are read and hashed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from blake3 import blake3
from pydantic import ValidationError
from pymongo.collection import Collection as MongoCollection

from common.domain.label_maps import PackedMap
from common.domain.types import Document
from common.store.connection import BY_ID, Connection
from common.store.damage import find, whole
from common.store.error_mapping import translated
from common.store.labels import chunks_of
from common.store.paging import name_of, pages, stream

_PAGE = 1000
_FIELDS: Document = {"labels": 1, "scan_id": 1, "revision": 1}


@dataclass(frozen=True, slots=True)
class _Named:
    """Label maps as the document of a report names them."""

    document: Document
    """``_id`` and ``labels``."""
    name: str
    """Of the report, for people."""
    key: str
    fence: int
    chunk_bytes: int
    maps: tuple[PackedMap, ...]

    @property
    def chunks(self) -> int:
        """How many chunks there must be."""
        return -(-max(one.end for one in self.maps) // self.chunk_bytes)


class MissingLabels:
    """Takes documents one by one, and looks for their label maps a page at a time.

    Args:
        missing: the names of those documents of a page that lack some.
    """

    def __init__(self, missing: Callable[[Sequence[Document]], Iterator[str]]) -> None:
        self._missing = missing
        self._page: list[Document] = []
        self._names: list[str] = []

    def add(self, document: Document) -> None:
        """Take a document, which may have no label maps."""
        if "labels" in document:
            self._page.append(document)
            if len(self._page) >= _PAGE:
                self._look()

    def names(self) -> list[str]:
        """The names of those documents that lack some."""
        self._look()
        return self._names

    def _look(self) -> None:
        page, self._page = self._page, []
        self._names += self._missing(page)


class LabelCheck:
    """Reads; needs the right to find in reports, history and label maps."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def of_reports(self) -> "MissingLabels":
        """Takes reports as they are read, and finds those of whose label maps chunks are
        missing."""
        return MissingLabels(lambda page: self._missing(self._db.reports, page))

    def missing(self, *, with_reports: bool = True) -> Iterator[str]:
        """The reports, and earlier revisions, of whose label maps chunks are missing.

        Args:
            with_reports: False: only earlier revisions, as ``of_reports`` has taken the reports.
        """
        for collection, page in self._pages(with_reports=with_reports):
            yield from self._missing(collection, page)

    def _missing(
        self, collection: MongoCollection[Document], page: Sequence[Document]
    ) -> Iterator[str]:
        known = [one for document in page if (one := _named(document)) is not None]
        known_names = {one.name for one in known}
        counts = self._counts(known)
        for one in known:
            is_whole = counts.get((one.key, one.fence), 0) == one.chunks
            if not is_whole and self._is_still(collection, one):
                yield one.name
        yield from (name for name in map(_title, page) if name not in known_names)

    def damaged(self) -> Iterator[tuple[str, bool]]:
        """Reads all label maps: each report that has some, and whether a hash is another."""
        for collection, page in self._pages():
            for document in page:
                if (one := _named(document)) is not None:
                    differs = not self._has_hashes(one) and self._is_still(collection, one)
                    yield one.name, differs

    def _pages(
        self, *, with_reports: bool = True
    ) -> Iterator[tuple[MongoCollection[Document], list[Document]]]:
        # All of them, and chosen here: to look for the next thousand that have label maps, MongoDB
        # might have to read more than it can in the time of a call.
        if with_reports:
            for page in pages(self._db.reports, {"_id": {"$gte": ""}}, _FIELDS, size=_PAGE):
                yield self._db.reports, [one for one in page if "labels" in one]
        for page in pages(self._db.history, {"_id": {"$gte": {"scan": ""}}}, _FIELDS, size=_PAGE):
            yield self._db.history, [one for one in page if "labels" in one]

    @translated
    def _counts(self, named: list[_Named]) -> dict[tuple[object, object], int]:
        """The number of chunks by key and fence."""
        if not named:
            return {}
        either = [{"_id": chunks_of(one.key, one.fence)} for one in named]
        counts: dict[tuple[object, object], int] = {}
        for found in find(self._db.labels, {"$or": either}, {"_id": 1}, hint=BY_ID):
            name = (found["_id"].get("scan"), found["_id"].get("fence"))
            counts[name] = counts.get(name, 0) + 1
        return counts

    @translated
    def _has_hashes(self, one: _Named) -> bool:
        """Whether each map has its hash. They follow one another, so each chunk is read once."""
        these = {"_id": chunks_of(one.key, one.fence)}
        payload = stream(self._db.labels, these, {"labels": 1}, sort=BY_ID, batch_size=4)
        held = b""
        for packed in one.maps:
            hashed, left = blake3(), packed.packing.bytes
            while left:
                if not held:
                    chunk = next(payload, {}).get("labels")
                    if not isinstance(chunk, bytes) or not chunk:
                        return False
                    held = chunk
                hashed.update(held[:left])
                left, held = left - len(held[:left]), held[left:]
            if hashed.hexdigest() != packed.packing.hash:
                return False
        return True

    @translated
    def _is_still(self, collection: MongoCollection[Document], one: _Named) -> bool:
        """Look again: retention, erasure or another revision may have removed both meanwhile."""
        found = find(collection, {"_id": one.document["_id"]}, _FIELDS)
        return bool(found) and found[0].get("labels") == one.document["labels"]


def _named(document: Document) -> _Named | None:
    """None if what is stored about the label maps is damaged."""
    labels, name = document.get("labels"), document["_id"]
    key = name.get("scan") if isinstance(name, dict) else name
    if not isinstance(labels, dict) or not isinstance(key, str):
        return None
    fence, size = whole(labels.get("fence")), whole(labels.get("chunk_bytes"))
    try:
        maps = tuple(PackedMap.model_validate(one) for one in labels.get("maps", ()))
    except (ValidationError, TypeError):
        return None
    if fence is None or not size or not maps:
        return None
    following = [0, *(one.end for one in maps)]
    if [one.offset for one in maps] != following[:-1]:
        return None
    return _Named(document, _title(document), key, fence, size, maps)


def _title(document: Document) -> str:
    name = document["_id"]
    if isinstance(name, dict) and isinstance(name.get("scan"), str):
        return name_of({"_id": f"{name['scan']} revision {name.get('revision')}"})
    return name_of(document)
