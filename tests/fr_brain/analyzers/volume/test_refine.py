"""The refined bias field leaves grey matter its own brightness."""

import pytest

from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import (
    judged,
    read,
)


@pytest.mark.parametrize("index", [0, 37])
def test_grey_matter_little_brighter_than_white_is_told_apart(index: int) -> None:
    """On these tuning heads a field fitted on blocks took a part of the contrast, grey matter had
    no peak of its own any more, and white matter was 38 and 39 % too much."""
    recipe = Recipe(
        noise_percent=(9, 9),
        inu_percent=(40, 40),
        lesion_contrast=(1.35, 1.8),
        lesion_radius_mm=(1.5, 6),
        healthy_chance=0,
    )
    phantom = make_phantom(4243, index, (181, 217, 181), recipe)
    _, volumes = judged(read(phantom.voxels, phantom.affine))
    truth = phantom.truth.volumes_ml
    assert volumes.grey_matter_ml == pytest.approx(truth["grey"], rel=0.08)
    assert volumes.white_matter_ml == pytest.approx(truth["white"], rel=0.1)
