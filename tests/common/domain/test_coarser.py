"""A coarser image has the means of blocks, in the same place."""

import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

from common.domain import coarser as coarser_module
from common.domain.coarser import HELD_BYTES_MAX, coarser, coarser_labels, coarser_voxels
from common.domain.scan import BrainScan
from common.errors import VoxelsDamaged
from tests.factories import make_scan

AFFINE = ((0.0, -2.0, 0.0, 90.0), (1.5, 0.0, 0.0, -80.0), (0.0, 0.0, 3.0, 7.0))


def scan_of(voxels: Any, **fields: Any) -> tuple[BrainScan, bytes]:
    return make_scan(
        voxels=voxels.tobytes(order="F"), shape=voxels.shape, dtype=str(voxels.dtype), **fields
    )


@pytest.mark.parametrize("piece", [7, 1000])
def test_each_voxel_is_the_mean_of_its_block(piece: int) -> None:
    voxels = np.arange(5 * 6 * 7, dtype="float32").reshape(5, 6, 7)
    scan, data = scan_of(voxels, affine=AFFINE)
    made = coarser(scan, 1)
    assert made.shape == (3, 3, 4)
    pieces = (data[at : at + piece] for at in range(0, len(data), piece))
    found = np.frombuffer(b"".join(coarser_voxels(scan, made, pieces)), "<f4")
    found = found.reshape(made.shape, order="F")
    for i, j, k in np.ndindex(*made.shape):
        block = voxels[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, 2 * k : 2 * k + 2]
        assert found[i, j, k] == pytest.approx(block.mean())
    assert made.affine is not None
    middle = np.array(scan.affine) @ [0.5, 0.5, 0.5, 1]
    assert np.allclose(np.array(made.affine)[:, 3], middle)
    assert np.allclose(np.array(made.affine)[:, :3], 2 * np.array(AFFINE)[:, :3])


def test_whole_numbers_are_rounded_and_thin_images_stay_in_place() -> None:
    voxels = np.array([[1, 2], [4, 255]], dtype="uint8").reshape(2, 2, 1)
    scan, data = scan_of(voxels, affine=AFFINE)
    made = coarser(scan, 3)
    assert (made.shape, made.blocks) == ((1, 1, 1), (2, 2, 1))
    assert b"".join(coarser_voxels(scan, made, [data])) == bytes([66])  # 65.5 to even
    flat, data = scan_of(voxels[..., 0])
    assert coarser(flat, 3).affine is None
    assert b"".join(coarser_voxels(flat, coarser(flat, 3), [data])) == bytes([66])


def test_missing_voxels_and_huge_slices_are_refused() -> None:
    scan, data = scan_of(np.zeros((4, 4, 4), dtype="int16"))
    with pytest.raises(VoxelsDamaged):
        list(coarser_voxels(scan, coarser(scan, 1), [data[:-1]]))
    side = 2 * int((HELD_BYTES_MAX / 8) ** 0.5) + 2
    huge = scan.model_copy(update={"shape": (side, side, 2), "dtype": "uint8"})
    with pytest.raises(ValueError, match="slice"):
        coarser(huge, 1)
    assert coarser(huge, 2).shape == (side // 4 + 1, side // 4 + 1, 1)
    assert coarser(huge, 1, labels=7).deep == 2
    with pytest.raises(ValueError, match="slice"):
        coarser(huge, 1, labels=9)
    long = scan.model_copy(update={"shape": (HELD_BYTES_MAX // 2 + 1, 2, 1), "dtype": "uint8"})
    with pytest.raises(ValueError, match="slice"):
        coarser(long, 1)


@pytest.mark.parametrize(("shape", "level"), [((5, 6, 7), 1), ((9, 4, 5), 2), ((7, 5), 1)])
def test_a_coarser_label_is_the_most_frequent_of_its_block(
    shape: tuple[int, ...], level: int
) -> None:
    labels = np.random.default_rng(level).integers(0, 4, shape, np.uint8)
    scan, data = scan_of(labels)
    made = coarser(scan, level)
    pieces = (data[at : at + 11] for at in range(0, len(data), 11))
    found = np.frombuffer(b"".join(coarser_labels(scan.shape, made, pieces)), np.uint8)
    found = found.reshape(made.shape, order="F")
    for index in np.ndindex(*made.shape):
        block = labels[
            tuple(slice(b * n, b * n + b) for n, b in zip(index, made.blocks, strict=True))
        ]
        counts = np.bincount(block.ravel())
        assert found[index] == np.flatnonzero(counts == counts.max())[-1]


def test_too_few_labels_are_damage() -> None:
    scan, data = scan_of(np.ones((4, 4, 4), np.uint8))
    with pytest.raises(VoxelsDamaged, match="fewer labels"):
        list(coarser_labels(scan.shape, coarser(scan, 1), [data[:40]]))


SHAPES = [
    (5, 6, 7),
    (64, 3, 2),
    (1, 9, 4),
    (33, 17, 1),
    (130, 2, 3),
    (2, 130, 3),
    (16, 21),
    (70, 70, 65),
]


@pytest.mark.parametrize("band", [1, 40, 2**18])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_bands_give_what_the_whole_image_gives(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: str, band: int
) -> None:
    monkeypatch.setattr(coarser_module, "_BAND_VOXELS", band)
    rng = np.random.default_rng(sum(shape))
    voxels = (rng.random(shape) * 250).astype(dtype)
    scan, data = scan_of(voxels)
    labels = (voxels // 60).astype(np.uint8)
    for level in (1, 3, 6):
        made = coarser(scan, level)
        cut = (data[at : at + 1000] for at in range(0, len(data), 1000))
        found = np.frombuffer(b"".join(coarser_voxels(scan, made, cut)), dtype)
        expected = np.zeros(made.shape, np.float64)
        counts = np.zeros((5, *made.shape), np.int64)
        where = tuple(
            axis // block for axis, block in zip(np.indices(shape), made.blocks, strict=True)
        )
        many = np.zeros(made.shape)
        np.add.at(expected, where, voxels)
        np.add.at(many, where, 1)
        np.add.at(counts, (labels, *where), 1)
        mean = expected / many
        found = found.reshape(made.shape, order="F")
        if voxels.dtype.kind == "f":
            assert np.allclose(found, mean, rtol=1e-6)
        else:
            assert np.array_equal(found, np.rint(mean))
        map_ = b"".join(coarser_labels(shape, made, [labels.tobytes(order="F")]))
        most = 4 - np.argmax(counts[::-1], axis=0)
        assert np.array_equal(np.frombuffer(map_, np.uint8).reshape(made.shape, order="F"), most)


@pytest.mark.parametrize("shape", [(8192, 8192, 1), (2048, 2048, 3), (1 << 18, 64)])
@pytest.mark.parametrize("level", [1, 6])
def test_a_huge_slice_takes_some_tens_of_mebibytes(shape: tuple[int, ...], level: int) -> None:
    scan, _ = scan_of(np.zeros((2, 2, 2), np.uint8))
    scan = scan.model_copy(update={"shape": shape})
    piece = bytes(1 << 20)
    for labels in (None, 2):
        made = coarser(scan, level, labels)
        pieces = itertools.repeat(piece, math.prod(shape) >> 20)
        tracemalloc.start()
        try:
            if labels is None:
                size = sum(len(one) for one in coarser_voxels(scan, made, pieces))
            else:
                size = sum(len(one) for one in coarser_labels(shape, made, pieces))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert size == math.prod(made.shape)
        assert peak < 2 * HELD_BYTES_MAX
