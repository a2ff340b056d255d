"""A planted bias field is found and removed."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.analyzers.volume.field import BiasField, fit_field, polynomial_terms
from fr_brain.analyzers.volume.image import CanonicalImage, CoarseImage, coarsen, distance_to
from fr_brain.analyzers.volume.masks import CoarseMasks

SHAPE = (45, 50, 42)
MM = (4.0, 4.0, 4.0)


def ball(radius: float) -> npt.NDArray[np.bool_]:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside: npt.NDArray[np.bool_] = (z - 22) ** 2 + (y - 25) ** 2 + (x - 21) ** 2 < radius**2
    return inside


def positions() -> list[npt.NDArray[np.float64]]:
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return [axis.ravel() for axis in axes]


def head(
    bias: npt.NDArray[np.float64], radius: float
) -> tuple[CoarseImage, CoarseMasks, npt.NDArray[np.float32]]:
    """A ball of white matter in a shell of grey matter, under a bias; a voxel is a block."""
    brain = ball(radius)
    depth = distance_to(~brain, MM, 12.0)
    tissue = np.where(depth > 8, 0.6, 0.66) * brain
    noise = np.random.default_rng(5).normal(1, 0.01, SHAPE)
    image = CanonicalImage(
        (tissue * bias * noise).astype(np.float32), MM, 0.064, 0.0, 1.0, (2, 1, 0), (False,) * 3
    )
    masks = CoarseMasks(brain, brain, depth, brain, 0.2, False, 1400.0)
    return coarsen(image), masks, depth


def planted() -> npt.NDArray[np.float64]:
    """The field of BrainWeb's 40 %: 0.8 to 1.2."""
    z, y, x = positions()
    bias: npt.NDArray[np.float64] = (1 + 0.2 * x - 0.1 * y + 0.05 * z * z).reshape(SHAPE)
    return bias


def test_white_matter_is_even_after_the_fit() -> None:
    coarse, masks, depth = head(planted(), 18)
    field = fit_field(coarse, masks, SHAPE)
    deep = depth >= 12
    before = coarse.mean[deep]
    after = (coarse.mean * field.on_blocks(coarse, SHAPE))[deep]
    assert np.std(before) / np.mean(before) > 0.05
    assert np.mean(after) == pytest.approx(1, abs=0.02)
    assert np.std(after) < 0.03
    assert field.inu_percent is not None
    assert field.grey == pytest.approx(1.1, abs=0.05)


def test_too_few_deep_blocks_get_one_factor() -> None:
    coarse, masks, _ = head(np.ones(SHAPE), 4)
    field = fit_field(coarse, masks, SHAPE)
    assert field.inu_percent == 0
    assert not field.weights[1:].any()
    assert field.grey is None


def test_planes_and_blocks_are_the_quadratic_at_their_places() -> None:
    weights = np.random.default_rng(2).normal(0, 0.1, 10)
    weights[0] = 1.5
    field = BiasField(weights, 0.0)
    expected = (polynomial_terms(positions(), 10) @ weights).reshape(SHAPE)
    whole = (slice(3, 40), slice(0, 50), slice(5, 42))
    planes = field.planes(SHAPE, whole).at(2, 9)
    np.testing.assert_allclose(planes, expected[5:12, :, 5:], rtol=1e-4, atol=1e-5)
    coarse, _, _ = head(np.ones(SHAPE), 18)
    np.testing.assert_allclose(field.on_blocks(coarse, SHAPE), expected, rtol=1e-4, atol=1e-5)


def test_where_white_matter_is_known_no_larger_class_is_taken_for_it() -> None:
    """Most of the deep brain is grey matter, as where the outline has lost white matter."""
    coarse, masks, depth = head(planted(), 18)
    share = np.random.default_rng(6).random(SHAPE) < 0.6
    dim = np.where(share & (depth > 8), np.float32(0.7), np.float32(1)) * coarse.mean
    coarse = replace(coarse, mean=dim.astype(np.float32))
    deep = depth > 11
    alone = (fit_field(coarse, masks, SHAPE).on_blocks(coarse, SHAPE) * dim)[deep & ~share]
    known = fit_field(coarse, replace(masks, white=0.6), SHAPE).on_blocks(coarse, SHAPE) * dim
    assert np.median(alone) == pytest.approx(1 / 0.7, rel=0.1)
    assert np.median(known[deep & ~share]) == pytest.approx(1, rel=0.03)
