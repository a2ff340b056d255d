"""The intracranial space reaches to the skull and keeps the fluid around the gyri."""

import pytest

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
