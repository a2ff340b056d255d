"""Phantoms are the same everywhere, of any shape, and their truth is true."""

import hashlib
import subprocess
import sys
import time
import tracemalloc
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SettingsError
from common.models import hash_voxels
from fr_pacs.sources.base import Source
from fr_pacs.sources.phantom import PhantomSource, make_phantom

SIZE = (96, 96, 96)


def test_a_phantom_is_a_source_that_does_not_wait() -> None:
    source: Source = PhantomSource("north", 2, seed=1)
    assert source.total == 2
    assert not source.waits
    assert [task.label for task in source] == ["phantom 0 of seed 1", "phantom 1 of seed 1"]


def test_no_number_of_scans_means_endless() -> None:
    source = PhantomSource("north", None, seed=1)
    assert source.total is None
    assert len(list(islice(source, 100))) == 100


def test_a_scan_is_what_its_header_says() -> None:
    loaded = next(iter(PhantomSource("north", 1, seed=4, shape=(40, 30, 20)))).load()
    scan = loaded.scan
    assert scan.scan_type == "volume"
    assert scan.orientation == "RAS"
    assert scan.voxel_size_mm == pytest.approx((4.8, 6.4, 9.6))
    assert scan.voxels_hash == hash_voxels(loaded.voxels)
    phantom = make_phantom(4, 0, (40, 30, 20))
    np.testing.assert_array_equal(scan.array(loaded.voxels), phantom.voxels)
    assert scan.affine == phantom.affine


def test_voxels_are_a_flat_view_that_nobody_can_write() -> None:
    loaded = next(iter(PhantomSource("north", 1, seed=4, shape=(16, 16, 16)))).load()
    assert isinstance(loaded.voxels, memoryview)
    assert loaded.voxels.format == "B"
    assert loaded.voxels.ndim == 1
    assert loaded.voxels.readonly


def test_loading_twice_gives_the_same_scan_under_the_same_id() -> None:
    task, other = PhantomSource("north", 2, seed=4, shape=(20, 20, 20))
    assert task.load() == task.load()
    assert task.scan_id != other.scan_id


def test_the_centre_of_the_volume_is_at_zero() -> None:
    affine = np.array(make_phantom(1, 0, (20, 33, 16)).affine)
    np.testing.assert_allclose(affine @ [9.5, 16, 7.5, 1], 0, atol=1e-9)


def test_another_process_makes_the_same_voxels() -> None:
    code = (
        "import hashlib\n"
        "from fr_pacs.sources.phantom import make_phantom\n"
        "voxels = make_phantom(7, 3, (48, 40, 30)).voxels\n"
        "print(hashlib.sha256(voxels.tobytes(order='F')).hexdigest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    own = make_phantom(7, 3, (48, 40, 30)).voxels
    assert result.stdout.strip() == hashlib.sha256(own.tobytes(order="F")).hexdigest()


def test_seeds_and_indices_differ() -> None:
    made = {make_phantom(s, i, (16, 16, 16)).voxels.tobytes() for s in range(3) for i in range(3)}
    assert len(made) == 9


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**70),
    index=st.integers(0, 2**40),
    shape=st.tuples(*[st.integers(2, 70)] * 3),
)
def test_any_shape_works(seed: int, index: int, shape: tuple[int, int, int]) -> None:
    phantom = make_phantom(seed, index, shape)
    assert phantom.voxels.shape == phantom.truth.mask.shape == shape
    assert phantom.voxels.dtype == np.int16
    assert phantom.voxels.flags.f_contiguous
    assert phantom.truth.mask.flags.f_contiguous
    assert phantom.voxels.min() >= 0
    assert sum(lesion.voxels for lesion in phantom.truth.lesions) == phantom.truth.mask.sum()
    assert all(volume >= 0 for volume in phantom.truth.volumes_ml.values())


@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 16, 30)])
def test_tiny_volumes_have_no_lesions(shape: tuple[int, int, int]) -> None:
    assert not any(make_phantom(1, index, shape).truth.lesions for index in range(20))


def test_some_heads_are_healthy_and_some_are_not() -> None:
    counts = [len(make_phantom(5, index, (64, 64, 64)).truth.lesions) for index in range(30)]
    assert 0 < counts.count(0) < 15
    assert max(counts) > 5


def test_tissues_have_their_order_of_brightness() -> None:
    phantom = make_phantom(2, 1, SIZE)
    voxels = phantom.voxels.astype(float)
    white = np.median(voxels[40:56, 60:70, 55:70])
    assert np.median(voxels[:3]) < 0.1 * white  # air
    assert np.percentile(voxels, 0.1) >= 0
    lesions = voxels[phantom.truth.mask]
    assert 1.2 * white < np.median(lesions) < 2 * white


def test_lesions_lie_where_and_how_large_the_truth_says() -> None:
    phantom = make_phantom(2, 1, SIZE)
    assert phantom.truth.lesions
    affine = np.array(phantom.affine)
    inside = np.argwhere(np.array(phantom.truth.mask))
    positions = inside @ affine[:, :3].T + affine[:, 3]
    for lesion in phantom.truth.lesions:
        distance = np.linalg.norm(positions - lesion.centre_mm, axis=1)
        own = positions[distance <= max(lesion.radii_mm) + 1]
        assert len(own) == lesion.voxels
        np.testing.assert_allclose(own.mean(axis=0), lesion.centre_mm, atol=0.8)
        ellipsoid = 4 / 3 * np.pi * np.prod(lesion.radii_mm) / 1000
        assert lesion.volume_ml == pytest.approx(ellipsoid, rel=0.15, abs=0.01)


def test_lesions_lie_in_white_matter_and_apart() -> None:
    for index in range(5):
        phantom = make_phantom(6, index, SIZE)
        mask = np.array(phantom.truth.mask)
        shell = mask.copy()
        for axis in range(3):
            for _ in range(2):
                shell |= np.roll(shell, 1, axis) | np.roll(shell, -1, axis)
        far = shell.copy()
        for axis in range(3):
            far |= np.roll(shell, 1, axis) | np.roll(shell, -1, axis)
        around = phantom.voxels[far & ~shell].astype(float)
        if around.size:
            # One tissue: noise and field spread it, fluid or grey matter would give two.
            assert np.std(around) / np.median(around) < 0.12


def test_volumes_are_those_of_the_voxels() -> None:
    phantom = make_phantom(3, 0, SIZE)
    volumes = phantom.truth.volumes_ml
    head = sum(volumes.values())
    assert 1800 < head < 2800
    assert 1000 < volumes["grey"] + volumes["white"] < 1700
    lit = phantom.voxels > 0.5 * np.median(phantom.voxels[40:56, 60:70, 55:70])
    bright = volumes["scalp"] + volumes["grey"] + volumes["white"] + volumes["lesion"]
    assert lit.sum() * 0.008 == pytest.approx(bright, rel=0.05)


def test_volumes_hardly_hang_on_the_resolution() -> None:
    coarse = make_phantom(3, 0, (48, 48, 48)).truth.volumes_ml
    fine = make_phantom(3, 0, (120, 100, 90)).truth.volumes_ml
    for tissue in ("scalp", "skull", "csf", "grey"):
        assert coarse[tissue] == pytest.approx(fine[tissue], rel=0.03)


def test_a_scan_takes_milliseconds_and_its_temporaries_are_slabs() -> None:
    tasks = iter(PhantomSource("north", None, seed=8))
    best = float("inf")
    for _ in range(4):
        started = time.process_time()
        next(tasks).load()
        best = min(best, time.process_time() - started)
    # 45 ms on a 2.8 GHz core.
    assert best < 0.25
    tracemalloc.start()
    try:
        loaded = next(tasks).load()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(loaded.voxels) + 6_000_000


@pytest.mark.parametrize(
    ("scans", "seed", "shape", "name"),
    [
        (-1, 0, SIZE, "scans"),
        (1, -1, SIZE, "seed"),
        (1, 0, (1, 96, 96), "shape"),
        (1, 0, (96, 96, 2000), "shape"),
    ],
)
def test_impossible_settings_are_named(
    scans: int, seed: int, shape: tuple[int, int, int], name: str
) -> None:
    with pytest.raises(SettingsError, match=name):
        PhantomSource("north", scans, seed, shape)


def test_a_negative_index_is_refused() -> None:
    with pytest.raises(SettingsError, match="index"):
        make_phantom(0, -1)
