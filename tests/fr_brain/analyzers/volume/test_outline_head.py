"""The head of a T1 is outlined by what fits it: Otsu's threshold, or the middle of the head."""

import numpy as np
import numpy.typing as npt
import pytest

from common.domain.scan import BrainScan
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.analyzers.volume.image import UnreadableImage, canonical_image, coarsen
from fr_brain.analyzers.volume.outline_head import HeadOutline, outline_head
from fr_brain.analyzers.volume.registration.template import SPACING_MM
from fr_brain.analyzers.volume.registration.tissue_map import blocks_to_mm
from fr_brain.analyzers.volume.segment import segment
from tests.fr_brain.analyzers.volume.heads import scan_of
from tests.fr_brain.analyzers.volume.test_bright_fat import TO_MM, head

MM = 2.0


def scan_with(fat: float, scan_type: str) -> tuple[BrainScan, npt.NDArray[np.float32]]:
    """A scan of ``head(fat)`` in voxels of 2 mm."""
    array = head(fat)[0].mean
    for axis in range(3):
        array = np.repeat(array, 2, axis=axis)
    noise = np.random.default_rng(4).normal(0, 0.02, array.shape)
    affine = np.eye(4) * MM
    affine[:3, 3] = TO_MM[:, 3] - SPACING_MM / 4
    scan, voxels = scan_of((array + noise).astype(np.float32).T, affine)
    return scan.model_copy(update={"scan_type": scan_type}), voxels


def outlined(fat: float, scan_type: str) -> HeadOutline:
    scan, voxels = scan_with(fat, scan_type)
    image = canonical_image(scan, voxels)
    coarse = coarsen(image)
    to_mm = blocks_to_mm(image, coarse, np.array(scan.affine))
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    return outline_head(scan, coarse, shape, image.voxel_ml, to_mm)


def test_a_t1_in_bright_fat_is_read_with_a_warning() -> None:
    findings = VolumeAnalyzer().analyse(*scan_with(1.8, "t1"))
    assert findings.volumes is not None
    ml = np.count_nonzero(head(1.8)[1]) * SPACING_MM**3 / 1000
    assert findings.volumes.intracranial_ml == pytest.approx(ml, rel=0.06)
    assert "bright_fat" in findings.quality.flags


def test_without_a_declared_contrast_a_t1_in_fat_is_known_by_its_grey_matter() -> None:
    assert outlined(1.4, "volume").in_fat


def test_a_flair_is_never_read_as_a_t1_in_bright_fat() -> None:
    with pytest.raises(UnreadableImage, match="separated"):
        segment(*scan_with(1.8, "flair"))


def test_a_t1_whose_fat_is_dim_is_outlined_by_otsus_threshold() -> None:
    outline = outlined(0.8, "t1")
    assert outline.t1_like
    assert not outline.in_fat
