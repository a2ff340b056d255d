"""Stored payloads become arrays only if they are the acknowledged voxels."""

import numpy as np
import pytest

from common.domain.types import hash_voxels
from common.domain.voxel_compression import pack
from common.errors import VoxelsDamaged
from common.store.documents import Claim
from fr_brain.voxels import checked_hash, voxels_of
from tests.factories import make_scan


def test_voxels_have_the_shape_of_the_scan_and_are_read_only() -> None:
    scan, payload = make_scan()
    voxels = voxels_of(Claim(scan, "me", 1, 1, payload, None), payload)
    assert voxels.shape == scan.shape
    assert voxels.tobytes(order="F") == payload
    assert not voxels.flags.writeable


def test_a_compressed_payload_is_decompressed() -> None:
    scan, payload = make_scan(voxels=bytes(range(250)) * 8000, shape=(1000, 2000))
    packed = pack(payload, 1)
    assert packed is not None
    claim = Claim(scan, "me", 1, 1, None, None, packing=packed[1])
    assert voxels_of(claim, packed[0]).tobytes(order="F") == payload


def test_other_voxels_than_the_acknowledged_ones_are_damaged() -> None:
    scan, payload = make_scan()
    claim = Claim(scan, "me", 1, 1, payload, None)
    with pytest.raises(VoxelsDamaged, match="hash differs"):
        checked_hash(claim, voxels_of(claim, payload[::-1]))
    assert checked_hash(claim, voxels_of(claim, payload)) == scan.voxels_hash


def test_the_hash_is_that_of_the_array_whatever_its_type() -> None:
    floats = np.arange(60, dtype="<f4").reshape((3, 4, 5), order="F")
    payload = floats.tobytes(order="F")
    scan, _ = make_scan(voxels=payload, shape=(3, 4, 5), dtype="float32", scan_type="volume")
    claim = Claim(scan, "me", 1, 1, payload, None)
    assert checked_hash(claim, voxels_of(claim, payload)) == hash_voxels(payload)
