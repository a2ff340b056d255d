"""The evaluation of places compares with the generator's truth."""

import numpy as np
import pytest

from tests.evaluation.places import Placed, error_mm, places_of, table_of
from tests.evaluation.realistic.head import Landmarks, make_head
from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.lesions import PLACES

SCAN = np.array([[0.0, 0, 0], [10, 0, 0], [0, 20, 5]])


def test_the_error_is_the_mean_distance_from_the_truth() -> None:
    landmarks = Landmarks(SCAN, SCAN + np.array([1, 0, 0]))
    still = np.column_stack([np.eye(3), np.zeros(3)])
    moved = np.column_stack([np.eye(3), [1, 3, 4]])
    assert error_mm(landmarks, still) == pytest.approx(1)
    assert error_mm(landmarks, moved) == pytest.approx(5)


def test_heads_are_pooled_and_withheld_ones_counted() -> None:
    right, wrong = ("deep_white_matter",) * 2, ("juxtacortical", "deep_white_matter")
    places = places_of([Placed(1.0, (right, wrong)), Placed(3.0, (right,) * 6), Placed(None, ())])
    assert (places.heads, places.withheld) == (3, 1)
    assert (places.error_mm, places.worst_mm) == (2.0, 3.0)
    assert places.right.value == pytest.approx(7 / 8)
    assert places.confused == {"juxtacortical as deep_white_matter": 1}
    assert places.met
    text = table_of({"row": places}, places)
    assert "| row | 3 | 1 | 2.0 | 3.0 | 87.5%" in text
    assert "the goals met" in text


def test_goals_are_missed_by_a_far_head_by_wrong_regions_and_by_nothing_placed() -> None:
    assert not places_of([Placed(1.0, ()), Placed(30.0, ())]).met
    assert not places_of([Placed(1.0, (("deep_white_matter", "juxtacortical"),))]).met
    nothing = places_of([Placed(None, ())])
    assert not nothing.met
    assert "missed" in table_of({}, nothing)


@pytest.mark.long
def test_a_head_knows_where_its_points_and_lesions_are() -> None:
    head = make_head("coded", 200_017, 0, Kind(spacing_mm=(2.0, 2.0, 3.0)))
    assert len(head.places) == len(head.lesion_ml) > 0
    assert set(head.places) <= set(PLACES)
    own = head.landmarks
    assert len(own.scan_mm) > 500
    design = np.column_stack([own.scan_mm, np.ones(len(own.scan_mm))])
    best = np.linalg.lstsq(design, own.mni_mm, rcond=None)[0].T
    # The generator's warp is smooth, so an affine transform nearly is it.
    assert error_mm(own, best) < 4
    assert np.linalg.det(best[:, :3]) > 0.8
