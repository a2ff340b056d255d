"""Compression before sending: large scans, where it makes them smaller."""

import numpy as np

from common.domain.voxel_compression import unpack
from common.wire.constants import INLINE_VOXELS_MAX
from fr_pacs.packing import packed
from fr_pacs.sources.base import LoadedScan
from tests.factories import make_scan

ROWS = 2 * INLINE_VOXELS_MAX // 1000


def test_a_large_scan_becomes_smaller_and_can_be_unpacked() -> None:
    scan, voxels = make_scan(voxels=bytes(range(250)) * 4 * ROWS, shape=(ROWS, 1000))
    result = packed(LoadedScan(scan, voxels))
    assert result.scan == scan
    assert result.packing is not None
    assert len(result.voxels) == result.packing.bytes < len(voxels) / 2
    assert unpack(bytes(result.voxels), result.packing, len(voxels)) == voxels


def test_noise_is_sent_as_it_is() -> None:
    noise = np.random.default_rng(1).bytes(ROWS * 1000)
    loaded = LoadedScan(*make_scan(voxels=noise, shape=(ROWS, 1000)))
    assert packed(loaded) is loaded


def test_a_scan_that_fits_into_its_message_is_not_compressed() -> None:
    rows = INLINE_VOXELS_MAX // 1000
    loaded = LoadedScan(*make_scan(voxels=bytes(rows * 1000), shape=(rows, 1000)))
    assert packed(loaded) is loaded
