"""From Fr-PACS to Fr-HUB: scans and their chunks, and requests for reports."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from common.domain.scan import BrainScan, Packing
from common.domain.validation_errors import explain
from common.errors import Refusal
from common.wire.constants import INLINE_VOXELS_MAX, REQUEST_MAX
from common.wire.messages.fields import (
    TEXT_MAX,
    malformed,
    read_document,
    read_ids,
    read_integer,
    read_text,
    scan_id_in,
)
from common.wire.messages.invalid import InvalidMessageError


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan's header; voxels of at most ``INLINE_VOXELS_MAX`` bytes travel inside, more follow as
    chunks."""

    t: ClassVar[str] = "scan"
    scan: BrainScan
    voxels: bytes | memoryview | None = None
    packing: Packing | None = None
    """How a large scan's chunks are compressed; None: they are not."""

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"scan": self.scan.document()}
        if self.voxels is not None:
            body["voxels"] = bytes(self.voxels)
        if self.packing is not None:
            body["packing"] = self.packing.model_dump()
        return body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        header = read_document(body, "scan")
        try:
            scan = BrainScan.model_validate(header)
        except ValidationError as error:
            scan_id = scan_id_in(header)
            raise InvalidMessageError(Refusal.HEADER, explain(error), scan_id) from None
        voxels = body.get("voxels")
        if voxels is not None and not isinstance(voxels, bytes):
            reason = "the field 'voxels' must be binary"
            raise InvalidMessageError(Refusal.MALFORMED, reason, scan.scan_id)
        _check_place(scan, voxels)
        content = body.get("packing")
        return cls(scan, voxels, None if content is None else _packing(content, scan))


def _check_place(scan: BrainScan, voxels: bytes | None) -> None:
    """Check that the voxels are inside the message if they are small, and only then."""
    inline = scan.voxels_bytes <= INLINE_VOXELS_MAX
    if inline != (voxels is not None):
        wanted = "inside the scan message" if inline else "in chunks"
        reason = f"send these {scan.voxels_bytes} bytes of voxels {wanted}"
        raise InvalidMessageError(Refusal.CHUNKS, reason, scan.scan_id)
    if voxels is not None and len(voxels) != scan.voxels_bytes:
        reason = (
            f"the message carries {len(voxels)} bytes of voxels, but its header declares "
            f"{scan.voxels_bytes}"
        )
        raise InvalidMessageError(Refusal.HEADER, reason, scan.scan_id)


def _packing(content: Any, scan: BrainScan) -> Packing:
    try:
        packing = Packing.model_validate(content)
    except ValidationError as error:
        raise InvalidMessageError(Refusal.HEADER, explain(error), scan.scan_id) from None
    if scan.voxels_bytes <= INLINE_VOXELS_MAX or packing.bytes >= scan.voxels_bytes:
        raise InvalidMessageError(
            Refusal.HEADER,
            f"{scan.voxels_bytes} bytes of voxels became {packing.bytes} bytes by compression: "
            f"compress only voxels over {INLINE_VOXELS_MAX} bytes, and only if they get smaller",
            scan.scan_id,
        )
    return packing


@dataclass(frozen=True, slots=True)
class Chunk:
    """The ``n``-th piece (from 0) of a scan's voxels, or of the label maps of its report:
    ``CHUNK_BYTES``, the last one the rest."""

    t: ClassVar[str] = "chunk"
    scan_id: str
    n: int
    voxels: bytes | memoryview

    def body(self) -> dict[str, Any]:
        return {"id": self.scan_id, "n": self.n, "voxels": bytes(self.voxels)}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        voxels = body.get("voxels")
        if not isinstance(voxels, bytes):
            raise malformed("the field 'voxels' must be binary")
        return cls(read_text(body, "id"), read_integer(body, "n"), voxels)


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """Asks for the reports of these scans, which are known to Fr-HUB and whose reports this Fr-PACS
    lacks. It is acknowledged by the scans' ids; the reports then come as all others do."""

    t: ClassVar[str] = "request"
    ids: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        return {"ids": list(self.ids)}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        ids = read_ids(body, "ids")
        if len(ids) > REQUEST_MAX or any(len(one) > TEXT_MAX for one in ids):
            raise malformed(f"the field 'ids' must have at most {REQUEST_MAX} ids")
        return cls(ids)
