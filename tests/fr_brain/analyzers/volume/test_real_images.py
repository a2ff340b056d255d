"""Real images: healthy heads have no lesions, parts of heads are refused."""

import math

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from common.domain.findings import Verdict
from tests.fr_brain.analyzers.volume.heads import (
    COLIN27,
    image,
    judged,
    of_package,
    read,
    refused,
)


def test_colin27_has_no_lesion_and_is_read_as_t1() -> None:
    findings = read(*image(COLIN27))
    lesions, volumes = judged(findings)
    assert findings.quality.verdict is Verdict.WARN
    assert any("as on T1" in reason for reason in findings.quality.reasons)
    assert lesions.count == 0
    # The brain that Debian's ch2bet template cuts out has 1737 ml with its fluid.
    assert 1350 < volumes.brain_ml < 1750
    assert 3500 < volumes.head_ml < 4400  # all of the image that is not air: down to the neck


def test_mni152_has_no_lesion_and_is_known_as_stripped() -> None:
    path = of_package(
        "nilearn", "datasets", "data", "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    )
    findings = read(*image(path))
    lesions, volumes = judged(findings)
    assert findings.quality.verdict is Verdict.WARN
    assert any("skull are missing" in limit for limit in findings.limitations)
    assert any("as on T1" in reason for reason in findings.quality.reasons)
    assert lesions.count == 0
    # Its grey and white matter maps sum to 1679 ml.
    assert volumes.brain_ml == pytest.approx(1679, rel=0.1)
    assert volumes.head_ml < 2050


def test_colin27_with_bright_fat_is_read_as_t1_and_its_brain_is_right_or_doubted() -> None:
    array, affine = image(COLIN27)
    inside = image(COLIN27.with_name("ch2bet.nii.gz"))[0] > 0
    bright = np.where(inside, array, np.minimum(array.astype(np.float32) * 1.5, 255))
    _, plain = judged(read(array, affine))
    findings = read(bright, affine)
    lesions, volumes = judged(findings)
    assert "t1" in findings.quality.flags
    assert lesions.count == 0
    assert volumes.brain_ml == pytest.approx(plain.brain_ml, rel=0.15)
    if volumes.brain_ml != pytest.approx(plain.brain_ml, rel=0.05):
        assert "intracranial" in findings.quality.flags


@pytest.mark.parametrize("seed", range(3))
def test_lesions_found_in_colin27_are_those_planted_in_it(seed: int) -> None:
    array, affine = image(COLIN27)
    generator = np.random.default_rng(seed)
    head = array.astype(np.float32)
    x, y, z = np.ogrid[: array.shape[0], : array.shape[1], : array.shape[2]]
    centres = [(60, 100, 95), (120, 105, 95), (62, 140, 85), (118, 150, 85), (63, 70, 95)]
    volume = 0.0
    for cx, cy, cz in centres:
        radius = generator.uniform(3, 5)
        distance = np.sqrt((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2)
        filled = np.clip(radius - distance + 0.5, 0, 1)
        head += filled * (62 - head)  # 0.55 times its white matter
        volume += float(filled.sum()) / 1000
    lesions, _ = judged(read(head, affine))
    # On T1 few are told from grey matter: none is to be false.
    assert 1 <= lesions.count <= len(centres)
    assert lesions.volume_ml is not None
    assert lesions.volume_ml < 1.1 * volume
    for lesion in lesions.largest:
        assert min(math.dist(lesion.centroid_voxel, centre) for centre in centres) < 1.5


@pytest.mark.parametrize("name", ["anatomical.nii", "example4d.nii.gz"])
def test_parts_of_heads_that_nibabel_brings_are_refused(name: str) -> None:
    array, affine = image(of_package("nibabel", "tests", "data", name))
    refused(read(array.astype(array.dtype.newbyteorder("=")), affine))


def test_a_single_dicom_slice_is_refused() -> None:
    path = get_testdata_file("MR_small.dcm", download=False)
    if not isinstance(path, str):
        pytest.skip("pydicom's MR_small.dcm is not installed here")
    pixels = pydicom.dcmread(path).pixel_array.T[:, :, None]
    assert "64x64x1" in refused(read(pixels, np.eye(4)))
