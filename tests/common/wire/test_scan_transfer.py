"""A large scan's chunks: in order, of the right size, of the right content, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.label_maps import PackedMap
from common.domain.labels_header import LabelsHeader
from common.domain.scan import Packing
from common.domain.types import hash_voxels
from common.errors import ProtocolError, Refusal
from common.wire.constants import CHUNK_BYTES
from common.wire.messages import Chunk, Scan
from common.wire.scan_transfer import (
    ChunkVerifier,
    LabelsVerifier,
    PieceVerifier,
    check_inline,
    scan_messages,
)
from tests.label_maps import label_messages
from tests.strategies import a_scan

VOXELS = bytes(range(250)) * 2400  # two chunks and a rest
SCAN = a_scan(VOXELS)


def chunks() -> list[Chunk]:
    return [message for message in scan_messages(SCAN, VOXELS) if isinstance(message, Chunk)]


def refused(verifier: PieceVerifier, chunk: Chunk) -> ProtocolError:
    with pytest.raises(ProtocolError) as raised:
        verifier.add(chunk)
    return raised.value


def assembly_with(count: int) -> ChunkVerifier:
    verifier = ChunkVerifier(SCAN)
    for chunk in chunks()[:count]:
        verifier.add(chunk)
    return verifier


def test_all_chunks_in_order_are_the_scan() -> None:
    assert len(chunks()) == 3
    verifier = assembly_with(3)
    assert verifier.chunks == 3
    assert verifier.complete


@pytest.mark.parametrize("taken", [0, 1, 2])
@pytest.mark.parametrize("next_", [0, 1, 2, -1, 3])
def test_a_chunk_that_is_missing_repeated_or_out_of_order_is_refused(
    taken: int, next_: int
) -> None:
    verifier = assembly_with(taken)
    if next_ == taken:
        verifier.add(chunks()[taken])
        return
    error = refused(verifier, Chunk("scan-1", next_, chunks()[min(max(next_, 0), 2)].voxels))
    assert error.code is Refusal.CHUNKS
    assert error.reason == f"chunk {next_} arrived where chunk {taken} was expected"
    assert not verifier.complete


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("voxels", [b"", b"more"])
def test_a_chunk_after_the_last_is_refused(n: int, voxels: bytes) -> None:
    verifier = assembly_with(3)
    assert refused(verifier, Chunk("scan-1", n, voxels)).code is Refusal.CHUNKS
    assert verifier.complete


@pytest.mark.parametrize("n", [0, 2])
@pytest.mark.parametrize("more", [-1, 1])
def test_a_chunk_of_a_wrong_size_is_refused(n: int, more: int) -> None:
    size = len(chunks()[n].voxels)
    error = refused(assembly_with(n), Chunk("scan-1", n, bytes(size + more)))
    assert error.code is Refusal.CHUNKS
    assert error.reason == f"chunk {n} has {size + more} bytes, not {size}"


def test_an_empty_chunk_is_refused() -> None:
    assert refused(assembly_with(0), Chunk("scan-1", 0, b"")).code is Refusal.CHUNKS


def test_a_chunk_of_another_scan_in_between_is_refused() -> None:
    error = refused(assembly_with(1), Chunk("scan-2", 1, chunks()[1].voxels))
    assert error.code is Refusal.CHUNKS
    assert "another scan" in error.reason


@given(st.integers(0, len(VOXELS) - 1), st.integers(0, 7))
def test_any_flipped_bit_of_the_voxels_is_found(byte: int, bit: int) -> None:
    damaged = bytearray(VOXELS)
    damaged[byte] ^= 1 << bit
    verifier = ChunkVerifier(SCAN)
    *first, last = scan_messages(SCAN, bytes(damaged))
    for message in first:
        if isinstance(message, Chunk):
            verifier.add(message)
    assert isinstance(last, Chunk)
    assert refused(verifier, last).code is Refusal.HASH


@pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 2, 2 * CHUNK_BYTES])
def test_the_number_of_chunks_is_the_least_that_holds_the_voxels(size: int) -> None:
    assert ChunkVerifier(a_scan(bytes(size))).chunks == (size + CHUNK_BYTES - 1) // CHUNK_BYTES


def test_small_voxels_with_another_hash_are_refused() -> None:
    check_inline(Scan(a_scan(), b"voxels.."))
    scan = a_scan(voxels_hash=hash_voxels(b"other"))
    for voxels in (b"voxels..", b"", None):
        with pytest.raises(ProtocolError) as raised:
            check_inline(Scan(scan, voxels))
        assert raised.value.code is Refusal.HASH


# --- label maps ----------------------------------------------------------------------------------

FIRST, SECOND = VOXELS[: CHUNK_BYTES + 10], VOXELS[-CHUNK_BYTES:]


def labels_header() -> LabelsHeader:
    """Two maps, of which the second begins inside a chunk."""
    maps, offset = [], 0
    for name, packed in (("a", FIRST), ("b", SECOND)):
        packing = Packing(codec="blosc", bytes=len(packed), hash=hash_voxels(packed))
        maps.append(PackedMap(name=name, values=(), offset=offset, packing=packing))
        offset += len(packed)
    return LabelsHeader(scan_id="scan-1", revision=1, shape=(900, 900), maps=tuple(maps))


def label_chunks(payload: bytes = FIRST + SECOND) -> list[Chunk]:
    found = label_messages(labels_header(), payload)
    return [message for message in found if isinstance(message, Chunk)]


def test_all_chunks_in_order_are_the_label_maps() -> None:
    verifier = LabelsVerifier(labels_header())
    assert verifier.chunks == len(label_chunks()) == 3
    for chunk in label_chunks():
        assert not verifier.complete
        verifier.add(chunk)
    assert verifier.complete


@pytest.mark.parametrize("byte", [0, len(FIRST) - 1, len(FIRST), len(FIRST + SECOND) - 1])
def test_a_label_map_that_does_not_have_its_hash_is_refused_at_its_end(byte: int) -> None:
    damaged = bytearray(FIRST + SECOND)
    damaged[byte] ^= 1
    verifier = LabelsVerifier(labels_header())
    ends_in = 1 if byte < len(FIRST) else 2
    for chunk in label_chunks(bytes(damaged))[:ends_in]:
        verifier.add(chunk)
    error = refused(verifier, label_chunks(bytes(damaged))[ends_in])
    assert error.code is Refusal.HASH
    assert error.reason.startswith("the label maps do not have the declared hash")


@pytest.mark.parametrize(
    ("taken", "chunk"),
    [
        (0, Chunk("scan-2", 0, VOXELS[:CHUNK_BYTES])),
        (1, Chunk("scan-1", 0, VOXELS[:CHUNK_BYTES])),
        (0, Chunk("scan-1", 1, VOXELS[:CHUNK_BYTES])),
        (0, Chunk("scan-1", 0, VOXELS[: CHUNK_BYTES + 1])),
        (2, Chunk("scan-1", 2, b"")),
        (3, Chunk("scan-1", 3, b"more")),
    ],
    ids=["another scan", "again", "later", "large", "empty", "one more"],
)
def test_chunks_of_label_maps_out_of_order_are_refused(taken: int, chunk: Chunk) -> None:
    verifier = LabelsVerifier(labels_header())
    for one in label_chunks()[:taken]:
        verifier.add(one)
    assert refused(verifier, chunk).code is Refusal.CHUNKS
