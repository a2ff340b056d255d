"""Tissues have the volumes of the phantoms."""

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import NormalizedImage
from fr_brain.analyzers.volume.thresholds import TissueThresholds
from fr_brain.analyzers.volume.tissue import TissueIntensities, find_tissues
from fr_pacs.sources.phantom.model import Contrast
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import (
    ONE_MM,
    SEED,
    judged,
    read,
)


def tissues_of(
    whole: npt.NDArray[np.float64],
    draw: np.random.Generator,
    thresholds: TissueThresholds,
    noise_percent: float | None,
    *,
    t1_like: bool,
) -> TissueIntensities:
    """What is found in a cube of 64 voxels that is all deep brain, with these intensities in any
    order."""
    everywhere = np.ones((16, 16, 16), np.bool_)
    normalized = NormalizedImage(
        draw.permutation(whole).reshape(64, 64, 64).astype(np.uint16),
        (slice(0, 64),) * 3, (slice(0, 16),) * 3, (4, 4, 4),
    )  # fmt: skip
    depth = np.full(everywhere.shape, 12, np.float32)
    masks = CoarseMasks(everywhere, everywhere, depth, everywhere, 0.5, False, 1400.0)
    return find_tissues(normalized, masks, thresholds, noise_percent, t1_like=t1_like)


@pytest.mark.parametrize("contrast", ["flair", "t1"])
def test_tissues_have_their_volumes(contrast: Contrast) -> None:
    recipe = Recipe(contrast=contrast, noise_percent=(3, 3), inu_percent=(20, 20))
    phantom = make_phantom(SEED, 1, ONE_MM, recipe)
    _, volumes = judged(read(phantom.voxels, phantom.affine))
    true = phantom.truth.volumes_ml
    inside = true["grey"] + true["white"] + true["lesion"] + true["csf"]
    assert volumes.intracranial_ml == pytest.approx(inside, rel=0.05)
    assert volumes.brain_ml == pytest.approx(inside - true["csf"], rel=0.03)
    assert volumes.grey_matter_ml == pytest.approx(true["grey"], rel=0.08)
    assert volumes.white_matter_ml == pytest.approx(true["white"], rel=0.10)
    assert volumes.csf_ml == pytest.approx(true["csf"], rel=0.25)


def test_a_tail_of_bright_tissue_is_not_taken_for_grey_matter() -> None:
    """Without the limbic cortex, which is a thirtieth here, grey matter is at 1056 (1.5 T)."""
    draw = np.random.default_rng(SEED)
    whole = draw.normal(987, 17, 64**3)
    whole[::2] = draw.normal(1056, 18, 64**3 // 2)
    whole[::30] = draw.normal(1115, 14, len(whole[::30]))
    thresholds = TissueThresholds(1131, 1161, 1089, 1123, 1251, 17.0, 987)
    tissues = tissues_of(whole, draw, thresholds, None, t1_like=False)
    assert tissues.grey == pytest.approx(1056, abs=10)


def test_uneven_white_matter_does_not_make_grey_matter_darker() -> None:
    """Its peak is wider than noise alone; the flank of grey matter, at 1150 here, is not."""
    draw = np.random.default_rng(SEED)
    whole = draw.normal(1000, 40, 64**3)
    whole[::2] = draw.normal(1150, 20, 64**3 // 2)
    thresholds = TissueThresholds(1250, 1290, 1089, 1123, 1251, 40.0, 1000)
    tissues = tissues_of(whole, draw, thresholds, 2.5, t1_like=False)
    assert tissues.grey < 1135
    assert tissues.pure_grey == pytest.approx(1150, abs=8)
    unknown = tissues_of(whole, draw, thresholds, None, t1_like=False)
    assert unknown.pure_grey == unknown.grey == tissues.grey


def test_a_bump_on_white_matters_flank_is_not_taken_for_grey_matter_on_t1() -> None:
    """Grey and white matter merge into a plateau: there is no peak, so the default holds."""
    draw = np.random.default_rng(SEED)
    whole = draw.uniform(500, 1000, 64**3)
    whole[::3] = draw.normal(1000, 20, len(whole[::3]))
    whole[::20] = draw.normal(850, 5, len(whole[::20]))
    thresholds = TissueThresholds(1600, 1640, 1090, 1130, 1260, 20.0, 1000)
    tissues = tissues_of(whole, draw, thresholds, None, t1_like=True)
    assert tissues.grey <= 800
