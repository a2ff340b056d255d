"""Tissues have the volumes of the phantoms."""

import pytest

from fr_pacs.sources.phantom.model import Contrast
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import (
    ONE_MM,
    SEED,
    judged,
    read,
)


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
