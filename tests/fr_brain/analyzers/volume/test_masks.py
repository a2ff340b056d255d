"""Head and brain are outlined, and images without a whole head are refused."""

from typing import Any

import nibabel as nib
import numpy as np

from fr_brain.analyzers.volume.masks import find_head
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import make_phantom
from tests.fr_brain.analyzers.volume.heads import (
    COLIN27,
    SIZE,
    dice,
    image,
    read,
    refused,
    scan_of,
)
from tests.fr_brain.analyzers.volume.test_brain_shape import SHAPE, ball, blocks


def test_noise_is_refused() -> None:
    generator = np.random.default_rng(1)
    affine = np.diag([4.0, 4, 4, 1])
    for noise in (
        generator.random((48, 48, 48)),
        generator.standard_normal((48, 48, 48)),
        generator.integers(0, 255, (48, 48, 48), np.uint8),
        np.abs(generator.standard_cauchy((48, 48, 48))),
    ):
        refused(read(noise, affine))


def test_a_head_of_another_size_is_refused() -> None:
    phantom = make_phantom(31, 2, SIZE)
    assert "ml" in refused(read(phantom.voxels, np.diag([1.0, 1, 1, 1])))
    assert "ml" in refused(read(phantom.voxels, np.diag([4.0, 4, 4, 1])))


def test_a_part_of_a_head_is_refused() -> None:
    phantom = make_phantom(31, 2, SIZE)
    refused(read(phantom.voxels[30:70, 30:70, 30:70], phantom.affine))
    refused(read(phantom.voxels[:, :, 30:72], phantom.affine))


def test_colin27s_brain_is_that_of_bet() -> None:
    array, affine = image(COLIN27)
    bet: Any = nib.load(COLIN27.with_name("ch2bet.nii.gz"))
    found = segment(*scan_of(array, affine))
    assert dice(found.brain_mask(), np.asanyarray(bet.dataobj) > 0) > 0.95
    assert 1000 < found.volumes_ml["intracranial"] < 2000
    assert found.t1_like


def test_a_small_head_in_noisy_air_has_a_skull() -> None:
    """Where the skull was removed, the air is constant; a child's skull may be too thin to see."""
    for air, stripped in ((0.0, True), (0.02, False)):
        mean = np.full(SHAPE, air, np.float32)
        mean[ball(76)] = 0.9
        assert find_head(blocks(mean), 0.001).stripped is stripped
