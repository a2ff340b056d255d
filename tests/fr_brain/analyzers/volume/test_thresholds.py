"""Thresholds lie where the tissue's histogram ends, and mirror on T1."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import INTENSITY_LEVELS, WHITE, NormalizedImage
from fr_brain.analyzers.volume.thresholds import TissueThresholds, find_thresholds, mirrored

BLOCKS = (10, 10, 10)


def box_of(intensities: npt.NDArray[Any]) -> NormalizedImage:
    whole = tuple(slice(0, n) for n in intensities.shape)
    blocks = tuple(slice(0, n) for n in BLOCKS)
    return NormalizedImage(intensities.astype(np.uint16), whole, blocks, (4, 4, 4))  # type: ignore[arg-type]


def thresholds_of(intensities: npt.NDArray[Any], *, t1_like: bool) -> TissueThresholds | None:
    everywhere = np.ones(BLOCKS, np.bool_)
    depth = np.full(BLOCKS, 12, np.float32)
    masks = CoarseMasks(everywhere, everywhere, depth, everywhere, 0.5, False, 1400.0)
    return find_thresholds(box_of(intensities), masks, everywhere, t1_like=t1_like)


def tissue(sigma: float, *, grey: float) -> npt.NDArray[np.float64]:
    """White matter, and grey matter in a third of the voxels."""
    generator = np.random.default_rng(11)
    means = np.where(generator.random((40, 40, 40)) < 1 / 3, grey, WHITE)
    return generator.normal(means, sigma)


@pytest.mark.parametrize(("t1_like", "grey"), [(False, 1200.0), (True, 700.0)])
def test_white_matter_and_its_noise_are_measured(t1_like: bool, grey: float) -> None:
    found = thresholds_of(tissue(25, grey=grey), t1_like=t1_like)
    assert found is not None
    assert found.white == pytest.approx(WHITE, abs=8)
    assert found.sigma == pytest.approx(25, rel=0.2)


def test_lesions_begin_above_grey_matter_and_need_a_brighter_seed() -> None:
    found = thresholds_of(tissue(25, grey=1200), t1_like=False)
    assert found is not None
    assert 1200 + 25 < found.grow < 1200 + 4 * 25
    assert found.seed - found.grow == pytest.approx(1.75 * found.sigma, abs=1)


def test_a_brain_without_voxels_has_no_thresholds() -> None:
    nothing = np.zeros(BLOCKS, np.bool_)
    masks = CoarseMasks(nothing, nothing, nothing.astype(np.float32), nothing, 0.5, False, 0.0)
    box = box_of(tissue(25, grey=1200))
    assert find_thresholds(box, masks, nothing, t1_like=False) is None


def test_mirroring_keeps_white_matter_and_swaps_dark_and_bright() -> None:
    values = np.array([0, 400, WHITE, 1600, 2 * WHITE, INTENSITY_LEVELS - 1], np.uint16)
    assert mirrored(values).tolist() == [2000, 1600, 1000, 400, 0, 0]
