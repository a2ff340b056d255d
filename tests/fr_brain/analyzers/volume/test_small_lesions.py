"""Small faint lesions, on hand-made tissue: white matter 1000, grey 1150, fluid 200, some noise."""

import numpy as np
import numpy.typing as npt
import pytest

from fr_brain.analyzers.volume.normalize import NormalizedImage
from fr_brain.analyzers.volume.small_lesions import (
    NAMES,
    SmallLesion,
    find_candidates,
    find_small_lesions,
)
from fr_brain.analyzers.volume.thresholds import TissueThresholds
from fr_brain.analyzers.volume.tissue import TissueIntensities

SHAPE = (48, 48, 48)
MIDDLE = (24, 24, 24)
ONE_MM = (1.0, 1.0, 1.0)
FIVE_MM = (5.0, 0.9, 0.9)
THRESHOLDS = TissueThresholds(
    grow=1220, seed=1260, zone_grow=1090, zone_seed=1150, below_grey=1300, sigma=22.0, white=1000
)
TISSUES = TissueIntensities(200, 1150, 1000)
WHERE = np.ones((12, 12, 12), np.bool_)

Rise = npt.NDArray[np.float64]


def blob(
    rise: float,
    radius_mm: float = 1.8,
    spacing_mm: tuple[float, float, float] = ONE_MM,
    centre: tuple[int, int, int] = MIDDLE,
) -> Rise:
    axes = np.indices(SHAPE) - np.array(centre)[:, None, None, None]
    mm = np.sqrt(((axes * np.array(spacing_mm)[:, None, None, None]) ** 2).sum(axis=0))
    return np.asarray(rise * np.exp(-0.5 * (mm / (radius_mm / 1.2)) ** 2))


def tissue(rise: Rise) -> NormalizedImage:
    """White matter with something in it, and with the noise of a smoothed image."""
    noise = np.random.default_rng(7).standard_normal(SHAPE) * 7
    intensities = np.clip(1000 + noise + rise, 0, 4000).astype(np.uint16)
    box = tuple(slice(0, n) for n in SHAPE)
    return NormalizedImage(intensities, (box[0], box[1], box[2]), (slice(0, 12),) * 3, (4, 4, 4))


def search(
    rise: Rise,
    spacing_mm: tuple[float, float, float] = ONE_MM,
    taken: npt.NDArray[np.bool_] | None = None,
    tissues: TissueIntensities = TISSUES,
) -> list[SmallLesion]:
    taken = np.zeros(SHAPE, np.bool_) if taken is None else taken
    return find_small_lesions(tissue(rise), WHERE, THRESHOLDS, tissues, spacing_mm, taken, 4)


def test_a_small_lesion_that_is_no_brighter_than_grey_matter_is_found() -> None:
    (lesion,) = search(blob(150))
    assert np.count_nonzero(lesion.mask) == pytest.approx(13, abs=8)
    own = tuple(centre - part.start for centre, part in zip(MIDDLE, lesion.box, strict=True))
    assert lesion.mask[own]
    assert lesion.rise == pytest.approx(120, abs=25)


def test_a_brighter_one_is_the_surer() -> None:
    (faint,), (bright,) = search(blob(130)), search(blob(220))
    assert bright.logit > faint.logit > 0


def test_where_grey_matter_is_much_brighter_than_white_a_lesion_must_stand_out_more() -> None:
    """As at 3 T, where folds of cortex look like small lesions."""
    brighter = TissueIntensities(200, 1280, 1000)
    assert len(search(blob(150))) == 1
    assert search(blob(150), tissues=brighter) == []
    assert len(search(blob(250), tissues=brighter)) == 1


def test_noise_is_no_lesion() -> None:
    assert search(np.zeros(SHAPE)) == []
    assert search(blob(45)) == []


def test_sheets_vessels_and_the_edge_of_cortex_are_no_lesions() -> None:
    z, y, _ = np.indices(SHAPE) - 24
    sheet = 150 * np.exp(-0.5 * (z / 1.2) ** 2)
    vessel = 150 * np.exp(-0.5 * (z**2 + y**2) / 1.2**2)
    cortex = 150 / (1 + np.exp(-(z - 2 * np.cos(y / 3.0)) / 0.7))
    for healthy in (sheet, vessel, cortex):
        assert search(healthy) == []


def test_a_lesion_beside_cortex_does_not_spread_into_it() -> None:
    cortex = 150.0 * (np.indices(SHAPE)[0] >= 30)
    (lesion,) = search(np.maximum(blob(200), cortex))
    planes = np.flatnonzero(lesion.mask.any(axis=(1, 2))) + lesion.box[0].start
    assert planes.max() < 30
    assert np.count_nonzero(lesion.mask) < 40


def test_what_another_search_has_found_is_not_found_again() -> None:
    taken = blob(1) > 0.5
    assert search(blob(150), taken=taken) == []


def test_two_are_told_apart_and_the_surest_is_the_first() -> None:
    first, second = search(blob(140, centre=(16, 24, 24)) + blob(230, centre=(32, 24, 24)))
    assert first.logit > second.logit
    assert first.box[0].start > second.box[0].start


def test_voxels_of_other_sizes_are_not_searched() -> None:
    for edge in (0.5, 1.5, 2.0):
        assert search(blob(200, spacing_mm=(edge,) * 3), (edge,) * 3) == []


def test_each_candidate_has_all_measures() -> None:
    taken = np.zeros(SHAPE, np.bool_)
    found = find_candidates(tissue(blob(150)), WHERE, THRESHOLDS, TISSUES, ONE_MM, taken)
    assert found.measures.shape == (len(found.positions), len(NAMES))
    assert np.isfinite(found.measures).all()
