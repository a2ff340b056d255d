"""A report states the limits that apply to its image, in two sentences, with measured figures."""

import pytest

from fr_brain.analyzers.volume.limits import limits_of
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.fr_brain.analyzers.volume.heads import SEED, judged, read, scan_of


@pytest.mark.parametrize(
    ("shape", "words"),
    [((90, 108, 90), "FLAIR heads of 1 mm ("), ((192, 192, 32), "in thick slices")],
)
def test_flair_has_the_figures_of_its_slices(shape: tuple[int, int, int], words: str) -> None:
    phantom = make_phantom(31, 2, shape)
    findings = read(phantom.voxels, phantom.affine)
    lesions, _ = judged(findings)
    assert lesions.missed is None
    first, second = findings.limitations
    assert "no real lesion" in first
    assert words in second


def test_t1_says_what_is_not_looked_for() -> None:
    phantom = make_phantom(SEED, 5, (90, 108, 90), Recipe(contrast="t1", healthy_chance=1))
    scan, voxels = scan_of(phantom.voxels, phantom.affine)
    first, second = limits_of(segment(scan, voxels))
    assert "no real lesion" in first
    assert second.startswith("On T1 images, the analyzer looks only for dark lesions inside white")
    lesions, _ = judged(read(phantom.voxels, phantom.affine))
    assert lesions.missed == "most lesions would be missed on T1"


def test_an_image_that_is_not_analysed_has_no_figures() -> None:
    (only,) = limits_of(None)
    assert "no real lesion" in only
