"""The tissues of a head on blocks, with their places in mm."""

import numpy as np
import pytest

from fr_brain.analyzers.volume.image import canonical_image, coarsen
from fr_brain.analyzers.volume.registration.tissue_map import (
    TissueMap,
    blocks_to_mm,
    voxels_to_mm,
)
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import make_phantom
from tests.fr_brain.analyzers.volume.heads import SEED, SIZE, scan_of, turned


def test_a_voxel_has_the_place_that_the_affine_gives() -> None:
    phantom = make_phantom(SEED, 1, SIZE)
    array, affine = turned(phantom, (1, 2, 0), (False, True, False))
    image = segment(*scan_of(array, affine)).image
    to_mm = voxels_to_mm(image, affine[:3])
    for voxel in ((0, 0, 0), (10, 20, 30)):
        index = image.scan_index((float(voxel[0]), float(voxel[1]), float(voxel[2])))
        assert to_mm @ [*voxel, 1] == pytest.approx(affine[:3] @ [*index, 1])


def test_halving_keeps_places_and_leaves_thick_slices() -> None:
    to_mm = np.array([[0, 0, 4.0, -9], [0, 4.0, 0, 5], [7.0, 0, 0, 2]])
    ramp = np.broadcast_to(np.arange(6, dtype=np.float32), (3, 4, 6)).copy()
    half = TissueMap(ramp, ramp, ramp, to_mm).halved()
    assert half.grey.shape == (3, 2, 3)
    assert half.grey[0, 0].tolist() == [0.5, 2.5, 4.5]
    assert half.points()[0] == pytest.approx(to_mm @ [0, 0.5, 0.5, 1])


def test_blocks_lie_in_the_middle_of_their_voxels() -> None:
    phantom = make_phantom(SEED, 1, SIZE)
    scan, voxels = scan_of(phantom.voxels, np.array(phantom.affine))
    image = canonical_image(scan, voxels)
    coarse = coarsen(image)
    own = voxels_to_mm(image, np.array(phantom.affine)[:3])
    middle = [first * f + (f - 1) / 2 for first, f in zip((3, 2, 1), coarse.factor, strict=True)]
    to_mm = blocks_to_mm(image, coarse, np.array(phantom.affine)[:3])
    assert to_mm @ [3, 2, 1, 1] == pytest.approx(own @ [*middle, 1])
