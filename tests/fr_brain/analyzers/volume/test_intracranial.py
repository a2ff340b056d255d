"""The intracranial space reaches to the skull and keeps the fluid around the gyri."""

from dataclasses import replace

import numpy as np
import pytest

from fr_brain.analyzers.volume.bitmask import pack
from fr_brain.analyzers.volume.intracranial import IntracranialMasks, bright_rim, find_intracranial
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import NormalizedImage
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import (
    ONE_MM,
    judged,
    read,
)


def test_gyri_of_dim_grey_matter_keep_the_fluid_around_them() -> None:
    # At one level for all heads and a first outline only, this one lost 19 % of its fluid.
    recipe = Recipe("t1", noise_percent=(3, 3), inu_percent=(20, 20), healthy_chance=1)
    phantom = make_phantom(4100, 10, ONE_MM, recipe)
    _, volumes = judged(read(phantom.voxels, phantom.affine))
    assert volumes.csf_ml == pytest.approx(phantom.truth.volumes_ml["csf"], rel=0.07)


def ball_in_fat() -> tuple[NormalizedImage, CoarseMasks]:
    """A ball of grey matter in 2 mm of fluid, then fat of which a part looks like brain on blocks;
    voxels of 1 mm."""
    z, y, x = np.ogrid[-32:32, -32:32, -32:32]
    radius = np.sqrt(z**2 + y**2 + x**2)
    intensities = np.where(radius < 22, 700, np.where(radius < 24, 200, 1800)).astype(np.uint16)
    normalized = NormalizedImage(intensities, (slice(0, 64),) * 3, (slice(0, 16),) * 3, (4, 4, 4))
    of_blocks = radius[2::4, 2::4, 2::4]
    depth = np.clip(26 - of_blocks, 0, 12).astype(np.float32)
    everywhere = np.ones(of_blocks.shape, np.bool_)
    return normalized, CoarseMasks(
        everywhere, of_blocks < 26, depth, everywhere, 0.4, False, 3000.0
    )


@pytest.mark.parametrize("in_fat", [False, True])
def test_bright_fat_is_not_inside_the_skull(in_fat: bool) -> None:
    normalized, masks = ball_in_fat()
    found = find_intracranial(normalized, masks, 450, (1, 1, 1), t1_like=True, in_fat=in_fat)
    fat = np.count_nonzero(found.unpacked(found.intracranial) & (normalized.intensities > 1200))
    assert fat < 100 if in_fat else fat > 10_000
    assert np.count_nonzero(found.unpacked(found.brain) & (normalized.intensities == 700)) > 40_000


def test_a_sheet_of_dura_in_bright_fat_is_no_brain() -> None:
    normalized, masks = ball_in_fat()
    z, y, x = np.ogrid[-32:32, -32:32, -32:32]
    radius = np.sqrt(z**2 + y**2 + x**2)
    dura = (radius >= 24) & (radius < 26)
    intensities = np.where(dura, 700, np.where(radius < 24, normalized.intensities, 100))
    normalized = replace(normalized, intensities=intensities.astype(np.uint16))
    found = find_intracranial(normalized, masks, 450, (1, 1, 1), t1_like=True, in_fat=True)
    brain, inside = found.unpacked(found.brain), found.unpacked(found.intracranial)
    # Some dura still counts as brain, because whole blocks of 4 mm were taken for brain first.
    assert brain[dura].mean() < 0.25
    assert inside[dura].mean() < 0.4
    assert brain[radius < 22].all()
    assert inside[radius < 24].mean() > 0.99


def test_the_share_of_fat_in_the_outer_layer_is_measured() -> None:
    intensities = np.full((64, 64, 64), 700, np.uint16)
    inside = np.zeros(intensities.shape, np.bool_)
    inside[12:52, 12:52, 12:52] = True
    intensities[12:32, 12:14, 12:52] = 1000
    normalized = NormalizedImage(intensities, (slice(0, 64),) * 3, (slice(0, 16),) * 3, (4, 4, 4))
    masks = IntracranialMasks(pack(inside), pack(inside), 64)
    layer = 40**3 - 34**3
    share = bright_rim(normalized, masks, 850, (1, 1, 1))
    assert share == pytest.approx(20 * 2 * 40 / layer)


@pytest.mark.parametrize("columns", [13, 16])
def test_no_edge_of_the_box_is_taken_for_the_skull(columns: int) -> None:
    shape = (8, 8, columns)
    intensities = np.full(shape, 1000, np.uint16)
    intensities[:, 0] = 500
    whole = slice(0, 8), slice(0, 8), slice(0, columns)
    normalized = NormalizedImage(
        intensities, whole, (slice(0, 2), slice(0, 2), slice(0, 4)), (4,) * 3
    )
    inside = np.ones(shape, np.bool_)
    inside[:, 0] = False
    masks = IntracranialMasks(pack(inside), pack(inside), columns)
    intensities[:, 1:4] = 700  # the rim: only what is beside the outside is dark
    assert bright_rim(normalized, masks, 850, (1, 1, 1)) == 0
