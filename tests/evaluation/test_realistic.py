"""The truth of realistic heads is what their scanner sees."""

import numpy as np
import pytest

from tests.evaluation.realistic.anatomy import SHARPENED, anatomy
from tests.evaluation.realistic.head import Scanner, intensities
from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.lesions import paint


@pytest.mark.parametrize("spacing_mm", [(1.5, 1.5, 1.5), (1.0, 1.0, 5.0)])
def test_no_part_of_a_lesion_is_missing_in_the_truth(
    spacing_mm: tuple[float, float, float],
) -> None:
    kind = Kind(lesions=(25, 25), radius_mm=(1.2, 4.0), spacing_mm=spacing_mm)
    base, draw = anatomy("coded"), np.random.default_rng(209_000)
    painted = paint(base, kind, draw)
    scanner = Scanner(base, kind, draw)
    share, labels = scanner.see_lesions(painted)
    seen = scanner.see(painted.share)
    assert np.count_nonzero(seen > 0.5) > 100
    assert np.abs(share - seen).max() < 0.01
    assert (labels[seen > 0.5] > 0).all()


def test_sharpened_anatomies_have_more_contrast_of_fine_structures() -> None:
    plain = anatomy("mni")
    sharp = anatomy(next(iter(SHARPENED)))
    again = anatomy(next(iter(SHARPENED)))
    steps = [np.abs(np.diff(one.grey, axis=0))[one.brain[1:]].mean() for one in (plain, sharp)]
    assert steps[1] > 1.1 * steps[0]
    assert np.array_equal(sharp.grey, again.grey)
    assert np.array_equal(sharp.brain, plain.brain)


def test_fat_alone_is_brightened_where_the_kind_wants_that() -> None:
    base = anatomy("coded")
    kinds = [
        Kind(contrast="t1", fat=fat, fat_only=fat_only)
        for fat, fat_only in (((1, 1), False), ((1.5, 1.5), False), ((1.5, 1.5), True))
    ]
    painted = paint(base, Kind(lesions=(0, 0), confluent=(0, 0)), np.random.default_rng(209_001))
    plain, bright, alone = (
        intensities(base, kind, painted, np.random.default_rng(3)) for kind in kinds
    )
    skull = (base.outside > 0) & (base.outside < 0.5)
    fat = base.outside > 1.1
    assert np.array_equal(alone[skull], plain[skull])
    assert (bright[skull] > plain[skull]).all()
    assert np.allclose(alone[fat], bright[fat])
    assert np.array_equal(alone[base.outside == 0], plain[base.outside == 0])
