"""The intensities of grey and white matter are measured where their peaks merge."""

import numpy as np
import pytest

from fr_brain.analyzers.volume.bitmask import pack
from fr_brain.analyzers.volume.intracranial import IntracranialMasks
from fr_brain.analyzers.volume.normalize import NormalizedImage
from fr_brain.analyzers.volume.tissue import TissueIntensities, find_csf_adjacent
from fr_brain.analyzers.volume.tissue_depth import measure_pure
from tests.fr_brain.analyzers.volume.heads import SEED

EDGE = 96  # voxels, of a cube around a ball of brain
MERGED = TissueIntensities(csf=200, grey=1040, white=1015)
"""What the histogram of a whole brain shows where its peaks merge."""


def measured(
    grey: int, spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0), lesion: int = 0
) -> tuple[TissueIntensities, float | None]:
    """Of a ball of white matter (1000) below 3 mm of grey matter and 4 mm of fluid, with noise; a
    lesion is a ball of this radius in the middle, as labelled."""
    radius = np.linalg.norm(np.indices((EDGE,) * 3) - (EDGE - 1) / 2, axis=0)
    levels = np.select([radius < 37, radius < 40, radius < 44], [1000, grey, 200], 50)
    labels = (radius < lesion).astype(np.uint16)
    levels = np.where(labels > 0, 1400, levels)
    noisy = levels + np.random.default_rng(SEED).normal(0, 25, levels.shape)
    normalized = NormalizedImage(
        np.clip(noisy, 0, 4095).astype(np.uint16),
        (slice(0, EDGE),) * 3, (slice(0, EDGE // 4),) * 3, (4, 4, 4),
    )  # fmt: skip
    masks = IntracranialMasks(pack(radius < 40), pack(radius < 44), EDGE)
    near = find_csf_adjacent(normalized, masks, MERGED, spacing_mm)
    return measure_pure(normalized, masks, MERGED, near, labels, spacing_mm)


@pytest.mark.parametrize("grey", [1030, 1060, 1120])
def test_peaks_that_merge_are_told_apart_by_their_distance_from_fluid(grey: int) -> None:
    found, _ = measured(grey)
    assert found.pure_grey == pytest.approx(grey, abs=8)
    assert found.pure_white == pytest.approx(1000, abs=5)
    assert (found.grey, found.white) == (MERGED.grey, MERGED.white)


def test_what_is_far_from_fluid_is_counted() -> None:
    """Boxes of 4 voxels leave a ball that is 4 mm smaller along the axes, and more in between."""
    _, deep_share = measured(1060)
    assert deep_share is not None
    assert (32 / 44) ** 3 < deep_share < (36 / 44) ** 3


def test_lesions_count_as_no_tissue() -> None:
    found, _ = measured(1060, lesion=30)
    assert found.pure_white == pytest.approx(1000, abs=8)


def test_grey_matter_is_never_as_dark_as_white_matter() -> None:
    found, _ = measured(980)
    assert found.pure_grey == found.pure_white + 1


@pytest.mark.parametrize(("grey", "edge_mm"), [(1200, 1.0), (1060, 1.6)])
def test_clear_peaks_and_coarse_voxels_are_left_as_they_are(grey: int, edge_mm: float) -> None:
    found, deep_share = measured(grey, (1.0, 1.0, edge_mm))
    assert (deep_share is None) == (edge_mm > 1.5)
    assert found is MERGED
    assert found.pure_white == MERGED.white
