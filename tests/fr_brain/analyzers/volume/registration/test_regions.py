"""Lesions get the region that they were put in, on a head whose place is known."""

import numpy as np
import pytest

from common.domain.findings import Region
from common.domain.scan import BrainScan
from fr_brain.analyzers.volume.registration.regions import place_lesions
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from fr_pacs.sources.phantom.template import CENTRE
from tests.fr_brain.analyzers.volume.heads import ONE_MM, SEED, scan_of

# MNI mm of the template's middle: the phantoms' field of view is centred on it.
_MIDDLE_MM = np.array(CENTRE) - (86, 120, 72)
_PLACES = {
    (-24, -26, 26): Region.PERIVENTRICULAR,
    (26, -12, 40): Region.DEEP_WHITE_MATTER,
    (22, -60, -38): Region.INFRATENTORIAL,
    (-2, -28, -34): Region.INFRATENTORIAL,
    (-46, 10, 22): Region.JUXTACORTICAL,
}


def _with_balls() -> tuple[BrainScan, np.ndarray, np.ndarray]:
    """A healthy head with bright balls of 3.5 mm radius, and about where it lies."""
    phantom = make_phantom(SEED, 4, ONE_MM, Recipe(healthy_chance=1, noise_percent=(1, 1)))
    voxels = np.array(phantom.voxels, np.float32)
    affine = np.array(phantom.affine)
    index = np.indices(voxels.shape, np.float32)
    white = float(np.median(voxels[phantom.truth.brain]))
    for mni in _PLACES:
        centre = (np.array(mni) - _MIDDLE_MM - affine[:, 3]) / np.diag(affine)
        away = sum((own - mm) ** 2 for own, mm in zip(index, centre, strict=True))
        voxels[away < 3.5**2] = 1.6 * white
    scan, array = scan_of(voxels.astype(np.int16), phantom.affine)
    to_mni = np.column_stack([np.eye(3), _MIDDLE_MM])
    return scan, array, to_mni


def test_each_region_is_told_from_the_others() -> None:
    scan, voxels, to_mni = _with_balls()
    segmentation = segment(scan, voxels)
    placed = place_lesions(segmentation, np.array(scan.affine), to_mni)
    assert len(placed) >= len(_PLACES)
    for mni, region in _PLACES.items():
        near = [one for one in placed if np.linalg.norm(np.subtract(one.mni_mm, mni)) < 3]
        assert [one.region for one in near] == [region], mni


def test_coordinates_are_whole_millimetres() -> None:
    scan, voxels, to_mni = _with_balls()
    shifted = to_mni + np.array([0, 0, 0, 0.4])[None, :] * [[1], [0], [0]]
    segmentation = segment(scan, voxels)
    for one, lesion in zip(
        place_lesions(segmentation, np.array(scan.affine), shifted),
        segmentation.lesions,
        strict=True,
    ):
        assert all(isinstance(mm, int) for mm in one.mni_mm)
        index = segmentation.image.scan_index(lesion.centroid)
        mm = np.array(scan.affine) @ [*index, 1]
        assert one.mni_mm == pytest.approx(tuple(shifted @ [*mm, 1]), abs=0.51)
