"""A large scan's chunks: in order, of the right size, of the right content, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.types import hash_voxels
from common.errors import ProtocolError, Refusal
from common.wire.constants import CHUNK_BYTES
from common.wire.messages import Chunk, Scan
from common.wire.scan_transfer import ChunkVerifier, check_inline, scan_messages
from tests.strategies import a_scan

VOXELS = bytes(range(250)) * 2400  # two chunks and a rest
SCAN = a_scan(VOXELS)


def chunks() -> list[Chunk]:
    return [message for message in scan_messages(SCAN, VOXELS) if isinstance(message, Chunk)]


def refused(verifier: ChunkVerifier, chunk: Chunk) -> ProtocolError:
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
