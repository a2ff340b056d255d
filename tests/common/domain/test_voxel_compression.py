"""Compressed voxels: there and back, and what happens to damaged ones."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.scan import Packing
from common.domain.types import hash_voxels
from common.domain.voxel_compression import (
    BLOCK_BYTES,
    most_packed,
    pack,
    packed_blocks,
    unpack,
    unpack_part,
)
from common.errors import VoxelsDamaged


def head(voxels: int) -> bytes:
    """Smooth int16 voxels, as in an image."""
    return (1000 + 900 * np.sin(np.arange(voxels) / 50)).astype("<i2").tobytes()


def packed(voxels: bytes, width: int = 2) -> tuple[bytes, Packing]:
    """Voxels that are worth packing, packed."""
    done = pack(voxels, width)
    assert done is not None
    return done


def forged(payload: bytes) -> Packing:
    """What a sender would declare of any bytes."""
    return Packing(codec="blosc", bytes=len(payload), hash=hash_voxels(payload))


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize(
    "size", [1000, BLOCK_BYTES, BLOCK_BYTES + 8, 3 * BLOCK_BYTES - 8], ids=lambda n: str(n)
)
def test_voxels_come_back_as_they_were(width: int, size: int) -> None:
    voxels = head(size)[:size]
    if (done := pack(voxels, width)) is not None:
        assert unpack(*done, size) == voxels
    zeros = bytes(size * 8)
    assert unpack(*packed(zeros, width), len(zeros)) == zeros


@given(st.binary(min_size=1, max_size=5000), st.integers(1, 400))
def test_any_bytes_come_back(piece: bytes, times: int) -> None:
    voxels = piece * times
    if (done := pack(voxels, 1)) is not None:
        assert len(done[0]) < len(voxels)
        assert unpack(*done, len(voxels)) == voxels


def test_noise_is_not_worth_it() -> None:
    assert pack(np.random.default_rng(1).bytes(1_000_000), 2) is None


def test_the_same_voxels_give_the_same_payload() -> None:
    assert packed(head(500_000)) == packed(head(500_000))


def test_every_flipped_byte_shows() -> None:
    voxels = head(40_000)
    payload, packing = packed(voxels)
    for at in range(0, len(payload), 97):
        damaged = bytearray(payload)
        damaged[at] ^= 1
        with pytest.raises(VoxelsDamaged, match="hash"):
            unpack(damaged, packing, len(voxels))


@pytest.mark.parametrize("declared", [0, 79_999, 80_001, 2 * BLOCK_BYTES])
def test_a_payload_of_another_size_than_declared_is_damage(declared: int) -> None:
    payload, packing = packed(head(40_000))
    with pytest.raises(VoxelsDamaged):
        unpack(payload, packing, declared)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    # A few kilobytes that say they stand for gigabytes.
    payload, _ = packed(bytes(BLOCK_BYTES))
    bomb = payload[:4] + struct.pack("<i", 2**31 - 1) + payload[8:]
    with pytest.raises(VoxelsDamaged, match="declared size"):
        unpack(bomb, forged(bomb), 10 * BLOCK_BYTES)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_payload_are_damage(payload: bytes) -> None:
    packing = forged(payload or b" ").model_copy(update={"bytes": len(payload)})
    with pytest.raises(VoxelsDamaged):
        unpack(payload, packing, 1000)


@given(st.data())
def test_a_payload_that_was_tampered_with_never_does_more_than_raise(data: st.DataObject) -> None:
    voxels = head(20_000)
    payload = bytearray(packed(voxels)[0])
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(VoxelsDamaged):
        assert len(unpack(payload, forged(bytes(payload)), len(voxels))) == len(voxels)


def test_a_part_is_unpacked_without_the_rest() -> None:
    voxels = head(BLOCK_BYTES + 5000)  # three buffers
    payload, packing = packed(voxels)
    size = len(voxels)
    for start, end in ((0, size), (10, 20), (BLOCK_BYTES - 3, BLOCK_BYTES + 3), (size - 1, size)):
        reads: list[int] = []

        def read(at: int, to: int, reads: list[int] = reads) -> bytes:
            reads.append(to - at)
            return payload[at:to]

        found = b"".join(unpack_part(read, packing, size, start, end))
        assert found == voxels[start:end]
    assert reads[:2] == [16, 16]  # of the buffers before the last one, the headers alone
    with pytest.raises(VoxelsDamaged, match="declared size"):
        list(unpack_part(lambda at, to: payload[at:to], packing, size - 1, 0, size - 1))
    short = packing.model_copy(update={"bytes": 20})
    with pytest.raises(VoxelsDamaged):
        list(unpack_part(lambda at, to: payload[at:to], short, size, 0, size))


@pytest.mark.parametrize("size", [1, 100, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_no_payload_is_larger_than_the_most(size: int) -> None:
    noise = np.random.default_rng(1).bytes(size)
    assert sum(map(len, packed_blocks(noise, 1, b"zstd"))) <= most_packed(size)
