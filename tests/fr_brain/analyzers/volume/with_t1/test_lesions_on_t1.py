"""Voxels of a T1 scan are counted in the lesions of a FLAIR scan, by their tissue."""

from dataclasses import replace

import numpy as np
import pytest

from fr_brain.analyzers.volume.follow_up.matching import inverse
from fr_brain.analyzers.volume.tissue import CSF, GREY, WHITE_MATTER
from fr_brain.analyzers.volume.with_t1 import lesions_on_t1 as module
from fr_brain.analyzers.volume.with_t1.lesions_on_t1 import lesions_on_t1
from tests.fr_brain.analyzers.volume.follow_up.heads import ONE, THREE, TURNED, TWO, UPRIGHT, head

FLAIR = head(balls=(ONE, TWO, THREE), spacing=(1.5, 1.5, 3))
TO_T1 = inverse(TURNED)
"""The T1 scan is one of the same head, which lies otherwise in it."""


def test_each_lesion_is_found_in_its_place() -> None:
    t1 = head(TURNED, (ONE, TWO, THREE), (1.2, 1.0, 1.4))
    tissues = np.where(t1.lesions == 1, GREY, np.where(t1.lesions == 2, CSF, WHITE_MATTER))
    t1 = replace(t1, tissues=tissues.astype(np.uint8), lesions=np.zeros_like(t1.lesions))
    found = lesions_on_t1(FLAIR, t1, TO_T1)
    volumes = found.voxels * t1.voxel_ml
    true = [4 / 3 * np.pi * radius**3 / 1000 for _, radius in (ONE, TWO, THREE)]
    np.testing.assert_allclose(volumes[1:], true, rtol=0.15)
    white = found.white[1:] / found.voxels[1:]
    assert white[0] == pytest.approx(0, abs=0.15)
    assert white[1] == pytest.approx(0, abs=0.15)
    assert white[2] == 1
    assert found.missed[GREY, 1] > 0.8 * found.voxels[1]
    assert found.missed[CSF, 2] > 0.8 * found.voxels[2]


def test_what_is_a_lesion_on_t1_as_well_is_not_missed() -> None:
    t1 = head(TURNED, (ONE,))
    t1 = replace(t1, tissues=np.full_like(t1.tissues, GREY))
    found = lesions_on_t1(FLAIR, t1, TO_T1)
    assert found.missed[GREY, 1] < 0.3 * found.voxels[1]
    assert found.missed[GREY, 2] == found.voxels[2]


def test_each_voxel_is_counted_once_however_the_box_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lesions_on_t1(FLAIR, head(TURNED), TO_T1)
    monkeypatch.setattr(module, "_VOXELS_AT_ONCE", 50)
    cut = lesions_on_t1(FLAIR, head(TURNED), TO_T1)
    np.testing.assert_array_equal(whole.voxels, cut.voxels)
    np.testing.assert_array_equal(whole.missed, cut.missed)
    # A lesion with the same label elsewhere.
    one = replace(FLAIR, lesions=np.minimum(FLAIR.lesions, 1))
    assert lesions_on_t1(one, head(TURNED), TO_T1).voxels.sum() == whole.voxels.sum()


def test_lesions_outside_of_the_t1_scan_have_no_voxels() -> None:
    away = TO_T1 + np.array([[0, 0, 0, 500.0]] * 3)
    assert lesions_on_t1(FLAIR, head(TURNED), away).voxels.sum() == 0
    none = replace(FLAIR, lesions=np.zeros_like(FLAIR.lesions))
    assert lesions_on_t1(none, head(UPRIGHT), UPRIGHT).voxels.tolist() == [0]
