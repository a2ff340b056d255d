"""The truth of realistic heads is what their scanner sees."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.realistic.anatomy import SHARPENED, anatomy
from tests.evaluation.realistic.head import Scanner, intensities, make_head
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


HEALTHY = Kind(lesions=(0, 0), confluent=(0, 0), noise_percent=(0.5, 0.5), spacing_mm=(2, 2, 2))
SEED = 700_900


def test_a_cropped_head_lacks_a_part_of_its_brain() -> None:
    plain = make_head("coded", SEED, 0, HEALTHY)
    seen = set()
    for index in range(4):
        cropped = make_head("coded", SEED, index, replace(HEALTHY, cropped_mm=(30, 30)))
        low, high = (float((cropped.voxels[:, :, plane] > 300).mean()) for plane in (0, -1))
        seen.add("top" if high > 0.1 else "bottom")
        assert max(low, high) > 0.1
        assert cropped.voxels.shape[2] < plain.voxels.shape[2] - 10
        assert cropped.true_ml["intracranial"] > 500
        marks = cropped.landmarks.scan_mm[:, 2]
        reach = np.array(cropped.affine)[2, 3] + 2 * np.array([0, cropped.voxels.shape[2]])
        assert reach[0] - 2 <= marks.min()
        assert marks.max() <= reach[1]
    assert seen == {"top", "bottom"}


def test_loose_stripping_leaves_an_uneven_rim() -> None:
    heads = [
        make_head("coded", SEED, 1, replace(HEALTHY, stripped=True, loose_mm=loose))
        for loose in ((0, 0), (1, 10))
    ]
    tight, loose = (np.count_nonzero(head.voxels > 30) for head in heads)
    assert 1.03 * tight < loose < 1.6 * tight
    assert heads[0].true_ml == heads[1].true_ml


def test_a_child_has_a_smaller_head_with_a_thinner_skull() -> None:
    adult = make_head("coded", SEED, 2, HEALTHY)
    small = make_head("coded", SEED, 2, replace(HEALTHY, size=(0.85, 0.85)))
    child = make_head("coded", SEED, 2, replace(HEALTHY, size=(0.85, 0.85), skull=0.6))
    assert child.true_ml["intracranial"] == pytest.approx(
        0.85**3 * adult.true_ml["intracranial"], rel=0.02
    )
    around = [np.count_nonzero(head.voxels > 100) for head in (small, child)]
    assert around[1] < 0.95 * around[0]


def test_flow_brightens_fluid_and_leaves_a_streak_in_the_air() -> None:
    plain, flow = (
        make_head("coded", SEED, 3, replace(HEALTHY, flow=amount))
        for amount in ((0.0, 0.0), (1.2, 1.2))
    )
    base, painted = anatomy("coded"), paint(anatomy("coded"), HEALTHY, np.random.default_rng(SEED))
    images = [
        intensities(base, replace(HEALTHY, flow=amount), painted, np.random.default_rng(3))
        for amount in ((0.0, 0.0), (1.2, 1.2))
    ]
    brighter = images[1] - images[0]
    assert brighter[base.csf > 0.9].max() > 0.5
    assert abs(brighter[base.csf == 0]).max() < 1e-6
    streak = np.asarray(flow.voxels, float) - plain.voxels
    assert np.count_nonzero(streak > 60) > 50
    assert np.count_nonzero(streak[:, [1, -2]] > 30) > 0
