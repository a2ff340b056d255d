"""The tissues of a head on blocks, with their places in mm."""

import numpy as np
import pytest

from fr_brain.analyzers.volume.registration.tissue_map import (
    TissueMap,
    tissue_map,
    voxels_to_mm,
)
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import SEED, SIZE, scan_of, turned


def test_the_shares_are_those_of_the_head_wherever_its_axes_lie() -> None:
    phantom = make_phantom(SEED, 1, SIZE, Recipe(healthy_chance=0))
    maps = []
    for axes, flips in (((0, 1, 2), (False,) * 3), ((2, 0, 1), (True, False, True))):
        array, affine = turned(phantom, axes, flips)
        scan, voxels = scan_of(array, affine)
        segmentation = segment(scan, voxels)
        maps.append(tissue_map(segmentation, affine[:3]))
    volumes = segmentation.volumes_ml
    for one in maps:
        block_ml = abs(np.linalg.det(one.to_mm[:, :3])) / 1000
        inside_ml = float(one.inside.sum()) * block_ml
        assert inside_ml == pytest.approx(volumes["intracranial"], rel=0.03)
        white_ml = float(one.white.sum()) * block_ml
        assert white_ml == pytest.approx(volumes["white"] + volumes["lesion"], rel=0.25)
        assert np.all(one.grey + one.white <= one.inside + 1e-5)
    centres = [one.inside.ravel() @ one.points() / one.inside.sum() for one in maps]
    assert centres[0] == pytest.approx(centres[1], abs=0.5)
    brain = np.argwhere(phantom.truth.brain).mean(axis=0)
    assert centres[0] == pytest.approx(np.array(phantom.affine) @ [*brain, 1], abs=3)


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
