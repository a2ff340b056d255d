"""Packed label maps, and reports that have some."""

import io
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.affine import Affine
from common.domain.label_maps import (
    PackedMap,
    PackedMaps,
    packed_labels,
    unpacked_labels,
    values_of,
)
from common.domain.labels_header import LabelsHeader
from common.domain.report import BrainReport
from common.domain.scan import BrainScan, Packing
from common.domain.types import hash_voxels
from common.store.db_manager import DBManager
from common.store.documents import Claim
from common.wire.constants import CHUNK_BYTES
from common.wire.messages import Chunk
from common.wire.messages import Labels as LabelsMessage
from common.wire.messages import Message
from tests.factories import make_claimable, make_report

Labels = npt.NDArray[np.uint8]

AFFINE: Affine = ((0.0, -2.0, 0.0, 90.0), (1.5, 0.0, 0.0, -80.0), (0.0, 0.0, 3.0, 7.0))
"""Of scans whose label maps are sent."""

MEANINGS = {1: "one", 2: "two", 3: "three"}


def labels_of(scan: BrainScan, seed: int = 0) -> Labels:
    """Labels from 0 to 3 in the scan's shape, others for each seed."""
    return np.random.default_rng(seed).integers(0, 4, scan.shape, np.uint8)


def packed(**maps: Labels) -> PackedMaps:
    """These maps, packed."""
    described, payload = [], b""
    for name, labels in maps.items():
        own = b"".join(packed_labels(labels.tobytes(order="F")))
        counts = {value: int((labels == value).sum()) for value in MEANINGS}
        packing = Packing(codec="blosc", bytes=len(own), hash=hash_voxels(own))
        described.append(
            PackedMap(
                name=name,
                values=values_of(MEANINGS, counts),
                offset=len(payload),
                packing=packing,
            )
        )
        payload += own
    return PackedMaps(tuple(described), payload)


def _part(payload: io.BytesIO, start: int, end: int) -> bytes:
    return payload.getvalue()[start:end]


def unpacked(maps: PackedMaps | None, scan: BrainScan) -> dict[str, Labels]:
    """The labels of packed maps in the scan's shape, by name."""
    assert maps is not None
    size = int(np.prod(scan.shape))
    found = {}
    for one in maps.maps:
        own = io.BytesIO(maps.payload[one.offset : one.end])
        pieces = unpacked_labels(partial(_part, own), one, scan.shape, 0, size)
        flat = np.frombuffer(b"".join(pieces), np.uint8)
        found[one.name] = flat.reshape(scan.shape, order="F")
    return found


def header_of(report: BrainReport, maps: PackedMaps, **fields: Any) -> LabelsHeader:
    """The header that is sent before these label maps of a report."""
    known = {
        "scan_id": report.scan_id,
        "revision": report.revision,
        "shape": report.shape,
        "affine": AFFINE,
        "maps": maps.maps,
    }
    return LabelsHeader.model_validate(known | fields)


def label_messages(header: LabelsHeader, payload: bytes) -> list[Message]:
    """The messages that carry packed label maps."""
    pieces = (payload[at : at + CHUNK_BYTES] for at in range(0, len(payload), CHUNK_BYTES))
    return [LabelsMessage(header), *(Chunk(header.scan_id, n, one) for n, one in enumerate(pieces))]


def complete(store: DBManager, claim: Claim, maps: PackedMaps) -> BrainReport:
    """A report of a claimed scan with these label maps, stored."""
    report = make_report(claim.scan, revision=claim.revision)
    assert not store.claims.complete([(claim, report)], labels={report.key: maps})
    return report


def make_labelled(store: DBManager, **overrides: Any) -> tuple[BrainReport, Labels, Labels]:
    """A report with the maps ``lesions`` and ``tissues``, and these."""
    [scan] = make_claimable(store, 1, **overrides)
    [claim] = store.claims.claim("maker", 1, 60)
    lesions, tissues = labels_of(scan, 1), labels_of(scan, 2)
    return complete(store, claim, packed(lesions=lesions, tissues=tissues)), lesions, tissues


def analyse_again(store: DBManager, key: str, maps: PackedMaps) -> BrainReport:
    """The next revision of a report, with these label maps."""
    [revised] = store.revisions.revisions_of([key])
    assert store.revisions.schedule_reanalysis([key], revised.revision) == 1
    [claim] = store.claims.claim("maker", 1, 60)
    return complete(store, claim, maps)
