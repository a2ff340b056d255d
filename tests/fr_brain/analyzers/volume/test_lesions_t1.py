"""A dark lesion of T1 is one if white matter surrounds it; intensities here are mirrored."""

import numpy as np
import pytest

from fr_brain.analyzers.volume.image import Bools, Labels
from fr_brain.analyzers.volume.lesions_t1 import measure_t1
from fr_brain.analyzers.volume.normalize import Intensities
from fr_brain.analyzers.volume.thresholds import TissueThresholds

WHITE, GREY, LIMIT, SIGMA = 1000, 1250, 1100, 20.0
THRESHOLDS = TissueThresholds(
    grow=1500, seed=1550, zone_grow=LIMIT, zone_seed=1150, below_grey=1300, sigma=SIGMA, white=WHITE
)
SHAPE = (25, 25, 25)
CENTRE = (12, 12, 12)


def ball(radius: float, centre: tuple[int, int, int] = CENTRE) -> Bools:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    squares = [(axis - at) ** 2 for axis, at in zip((z, y, x), centre, strict=True)]
    return np.asarray(sum(squares) <= radius**2)


def lesion_in(background: int) -> Intensities:
    """A lesion of radius 4 whose outer voxel is half as dark."""
    image = np.full(SHAPE, background, np.uint16)
    image[ball(4)] = 1180
    image[ball(3)] = 1400
    return image


def outlined(image: Intensities) -> tuple[Bools, float] | None:
    labels: Labels = (ball(4) & (image >= LIMIT)).astype(np.uint32)
    return measure_t1(image, labels, 1, LIMIT, THRESHOLDS, [1, 1, 1])


def test_a_lesion_in_white_matter_ends_at_half_of_its_rise() -> None:
    found = outlined(lesion_in(WHITE))
    assert found is not None
    mask, cnr = found
    np.testing.assert_array_equal(mask, ball(3))
    # The brighter half of the lesion is about 1300, white matter 1000.
    assert cnr == pytest.approx((1400 - WHITE) / SIGMA, rel=0.35)
    assert cnr < (1400 - WHITE) / SIGMA + 1


def test_what_touches_grey_matter_is_no_lesion() -> None:
    image = lesion_in(WHITE)
    assert outlined(image) is not None
    image[:, :, 17:] = GREY
    image[ball(5.5) & ~ball(4) & (np.arange(25) > 12)] = GREY
    assert outlined(image) is None


def test_what_lies_in_other_tissue_is_no_lesion() -> None:
    assert outlined(lesion_in(WHITE + round(3 * SIGMA))) is not None
    assert outlined(lesion_in(WHITE - round(5 * SIGMA))) is None


def test_what_fades_into_its_surroundings_is_no_lesion() -> None:
    image = lesion_in(WHITE)
    image[ball(4)] = 1120
    image[ball(5) & ~ball(4)] = 1090  # below the limit, above half of the rise
    assert outlined(image) is None


def test_what_fills_its_box_has_no_surroundings() -> None:
    image = np.full(SHAPE, 1400, np.uint16)
    assert measure_t1(image, np.ones(SHAPE, np.uint32), 1, LIMIT, THRESHOLDS, [1, 1, 1]) is None
