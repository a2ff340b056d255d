"""The images of the conformance checks are what their headers and names say."""

from typing import get_args

import numpy as np
import pytest

from common.domain.types import DType, hash_voxels
from fr_brain.analyzers.conformance.cases import Case, cases, head


@pytest.fixture(scope="module")
def made() -> list[Case]:
    return list(cases("mri"))


def test_each_case_has_its_own_name_which_ends_with_the_type(made: list[Case]) -> None:
    names = [name for name, _, _ in made]
    assert len(set(names)) == len(names)
    assert all(name.endswith(", mri") for name in names)


def test_a_header_describes_its_voxels(made: list[Case]) -> None:
    for name, scan, voxels in made:
        assert scan.scan_type == "mri", name
        assert scan.voxels_bytes == len(voxels), name
        assert scan.voxels_hash == hash_voxels(voxels), name
        assert scan.array(voxels).shape == scan.shape, name


def test_the_voxels_are_in_the_order_that_a_scan_has(made: list[Case]) -> None:
    _, scan, voxels = made[0]
    assert np.array_equal(scan.array(voxels), head((96, 96, 80)).astype(np.int16))


def test_the_first_case_is_the_largest(made: list[Case]) -> None:
    sizes = [np.prod(scan.shape) for _, scan, _ in made]
    assert sizes[0] == max(sizes)


def test_each_dtype_comes_with_its_largest_value(made: list[Case]) -> None:
    arrays = {name: scan.array(voxels) for name, scan, voxels in made}
    for kind in get_args(DType):
        assert arrays[f"a small head, {kind}, mri"].dtype == kind
        extreme = arrays[f"all or nothing, {kind}, mri"]
        info = np.finfo(kind) if extreme.dtype.kind == "f" else np.iinfo(kind)
        assert set(np.unique(extreme)) == {0, info.max}


def test_each_order_of_axes_comes_in_both_hands(made: list[Case]) -> None:
    affines = [np.array(scan.affine)[:, :3] for name, scan, _ in made if name.startswith("axes (")]
    orders = {tuple(np.abs(affine).argmax(axis=0)) for affine in affines}
    assert len(orders) == 6
    assert {bool(np.linalg.det(affine) > 0) for affine in affines} == {True, False}


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("empty", lambda array: not array.any()),
        ("constant", lambda array: np.ptp(array) == 0 and array.any()),
        ("NaN", lambda array: np.isnan(array).all()),
        ("infinite", lambda array: np.isinf(array).all()),
        ("partly NaN", lambda array: 0 < np.isfinite(array).sum() < array.size),
        ("huge", lambda array: array.max() > np.finfo(np.float32).max),
        ("tiny", lambda array: 0 < array.max() < np.finfo(np.float32).tiny),
    ],
)
def test_a_broken_image_is_broken_as_its_name_says(
    name: str, holds: object, made: list[Case]
) -> None:
    found = [scan.array(voxels) for case, scan, voxels in made if case.startswith(name)]
    assert found
    assert callable(holds)
    assert all(holds(array) for array in found)


def test_a_head_is_the_same_each_time_with_spots_brighter_than_its_tissue() -> None:
    image = head((48, 48, 40))
    assert np.array_equal(image, head((48, 48, 40)))
    assert image.dtype == np.float32
    assert image.min() >= 0
    # The brightest tissue, the scalp, is 620; the noise adds at most about six deviations of 12.
    assert 0 < np.count_nonzero(image > 800) < 0.01 * image.size
