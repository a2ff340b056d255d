"""The tissues of a segmented head on blocks."""

import numpy as np
import pytest

from fr_brain.analyzers.volume.registration.map_segmentation import tissue_map
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
