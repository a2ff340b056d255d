"""Phantoms as a source of scans."""

import tracemalloc
from itertools import islice

import numpy as np
import pytest

from common.domain.types import hash_voxels
from common.errors import SettingsError
from fr_pacs.sources.base import Source
from fr_pacs.sources.phantom.source import PhantomSource, Recipe, make_phantom

SIZE = (96, 96, 96)


def test_a_phantom_is_a_source_that_does_not_wait() -> None:
    source: Source = PhantomSource("north", 2, seed=1)
    assert source.total == 2
    assert not source.waits
    assert [task.label for task in source if task] == ["phantom 0 of seed 1", "phantom 1 of seed 1"]


def test_no_number_of_scans_means_endless() -> None:
    source = PhantomSource("north", None, seed=1)
    assert source.total is None
    assert len(list(islice(source, 100))) == 100


def test_a_scan_is_what_its_header_says() -> None:
    loaded = next(iter(PhantomSource("north", 1, seed=4, shape=(40, 30, 20)))).load()
    scan = loaded.scan
    assert (scan.scan_type, scan.contrast) == ("volume", "flair")
    assert scan.orientation == "RAS"
    assert scan.voxel_size_mm == pytest.approx((181 / 40, 217 / 30, 181 / 20))
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


def test_the_recipe_says_the_scan_type_and_the_truth_stays_behind() -> None:
    source = PhantomSource("north", 1, seed=4, shape=(64, 64, 64), recipe=Recipe(contrast="t1"))
    (task,) = source
    scan = task.load().scan
    assert (scan.scan_type, scan.contrast) == ("volume", "t1")
    known = {"pacs", "scan_type", "shape", "dtype", "affine", "scan_id", "acquired_at", "priority"}
    sent = scan.document()
    assert set(sent) <= known | {"voxels_bytes", "voxels_hash", "modality", "contrast"}
    truth = source.truth(0)
    assert truth.volumes_ml == make_phantom(4, 0, (64, 64, 64)).truth.volumes_ml
    assert truth.mask.shape == (64, 64, 64)


def test_the_temporaries_of_a_scan_are_slabs() -> None:
    tasks = iter(PhantomSource("north", None, seed=8, shape=(181, 217, 181)))
    next(tasks).load()  # the template stays
    tracemalloc.start()
    try:
        loaded = next(tasks).load()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(loaded.voxels) + 8_000_000


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
