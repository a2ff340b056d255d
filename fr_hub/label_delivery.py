"""Sends the label maps of reports to a Fr-PACS that wants them: packed, as they are stored, in
chunks before their report.

They never hold up a report: without label maps, or with damaged ones, it is sent alone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

import bson
from blake3 import blake3
from pydantic import ValidationError

from common.domain.labels_header import HEADER_BYTES_MAX, LabelsHeader
from common.domain.scan_key import scan_id_of
from common.domain.validation_errors import explain
from common.errors import StoreError, VoxelsDamaged
from common.runtime.logger import RateLimitedLog
from common.store.documents import OutgoingReport
from common.store.labels import StoredLabels
from common.wire.async_connection import AsyncChannel
from common.wire.constants import CHUNK_BYTES, LABEL_MAPS
from common.wire.messages import Chunk, Labels
from fr_hub.async_store import AsyncStore

MEMORY_BYTES = 4 * 1024 * 1024
"""Memory for the label maps that are being sent over one connection: one chunk of the store at a
time, as it is read, as it is kept and as it is sent."""

_READ_BYTES = 1024 * 1024

_WRITTEN_BYTES_S = 10e6
"""Labels that a slow Fr-PACS unpacks and writes in a second."""


@dataclass(frozen=True, slots=True)
class LabelMaps:
    """The label maps of a report to send; their hashes have been checked."""

    header: LabelsHeader
    stored: StoredLabels

    @property
    def writing_s(self) -> float:
        """How much longer the answer to the report may take, seconds."""
        return self.header.unpacked_bytes / _WRITTEN_BYTES_S


class LabelDelivery:
    """Sends label maps over one connection.

    Args:
        store: where they are.
        pacs: the name of the Fr-PACS.
        channel: the connection.
        limited_log: where label maps that are left out are told.
        refused: the keys of reports to send without theirs.
        meanwhile: called often while they are read and sent, which may take long.
    """

    def __init__(
        self,
        store: AsyncStore,
        pacs: str,
        channel: AsyncChannel,
        limited_log: RateLimitedLog,
        refused: set[str],
        meanwhile: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._pacs = pacs
        self._channel = channel
        self._limited_log = limited_log
        self._refused = refused
        self._meanwhile = meanwhile

    @property
    def wanted(self) -> bool:
        """Whether the Fr-PACS wants label maps."""
        return LABEL_MAPS in self._channel.features

    @property
    def memory_bytes(self) -> int:
        """What to take from the memory budget for them."""
        return MEMORY_BYTES if self.wanted else 0

    async def of(self, report: OutgoingReport) -> LabelMaps | None:
        """The label maps of a report, checked; None if there are none to send."""
        if not self.wanted or report.key in self._refused:
            return None
        try:
            stored = await self._store.labels(self._pacs, report.key, report.revision)
            if stored is None or not stored.maps:
                return None
            maps = LabelMaps(_header(report, stored), stored)
            await self._check(maps)
        except StoreError as error:
            self.left_out(report.key, str(error))
            return None
        return maps

    async def send(self, maps: LabelMaps) -> None:
        """Send them; their report must follow.

        Raises:
            StoreError: they are not any more what was checked.
        """
        await self._channel.send(Labels(maps.header))
        scan_id, n = maps.header.scan_id, 0
        held = bytearray()
        async for piece in self._pieces(maps, 0, maps.header.bytes):
            held += piece
            while len(held) >= CHUNK_BYTES:
                await self._channel.send(Chunk(scan_id, n, bytes(held[:CHUNK_BYTES])))
                del held[:CHUNK_BYTES]
                n += 1
        if held:
            await self._channel.send(Chunk(scan_id, n, bytes(held)))

    def refuse(self, key: str, reason: str) -> None:
        """Send this report without its label maps from now on: with them, the connection ends."""
        self._refused.add(key)
        self.left_out(key, reason)

    def forget(self, keys: Iterable[str]) -> None:
        """These reports were acknowledged."""
        self._refused.difference_update(keys)

    def left_out(self, key: str, reason: str) -> None:
        """Log that a report is sent without its label maps."""
        self._limited_log.warning(
            "label maps left out", scan_id=scan_id_of(key), pacs=self._pacs, reason=reason
        )

    async def _check(self, maps: LabelMaps) -> None:
        """Hash each map before anything is sent: a Fr-PACS refuses one that has another hash."""
        for one in maps.header.maps:
            hashed = blake3()
            async for piece in self._pieces(maps, one.offset, one.end):
                hashed.update(piece)
            if hashed.hexdigest() != one.packing.hash:
                raise VoxelsDamaged("stored label maps do not match their hash")

    async def _pieces(self, maps: LabelMaps, start: int, end: int) -> AsyncIterator[bytes]:
        while start < end:
            after = min(end, (start // _READ_BYTES + 1) * _READ_BYTES)
            yield await self._store.packed_labels(maps.stored, start, after)
            start = after
            await self._meanwhile()


def _header(report: OutgoingReport, stored: StoredLabels) -> LabelsHeader:
    scan = stored.scan
    try:
        header = LabelsHeader(
            scan_id=scan.scan_id,
            revision=report.revision,
            shape=scan.shape,
            affine=scan.affine,
            maps=stored.maps,
        )
    except ValidationError as error:
        raise VoxelsDamaged(f"they cannot be sent: {explain(error)}") from None
    if len(bson.encode(header.document())) > HEADER_BYTES_MAX:
        raise VoxelsDamaged("they cannot be sent: they have too many labels")
    return header
