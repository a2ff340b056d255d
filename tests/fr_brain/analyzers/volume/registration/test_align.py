"""Alignment improves an affine transform, and its measures say how well a head fits."""

import numpy as np

from fr_brain.analyzers.volume.registration.align import align, level_of, misfit, overlap, start
from tests.fr_brain.analyzers.volume.registration.truth import (
    affine_of,
    error_mm,
    rotation,
    seen,
)

TRUE = affine_of(rotation(5, 4, -3) * 1.1, (2, -8, 4))


def test_the_start_puts_the_heads_middle_on_the_templates() -> None:
    assert error_mm(start(seen(TRUE), np.eye(3)), TRUE) < 25


def test_a_similar_alignment_only_turns_scales_and_shifts() -> None:
    level = level_of(seen(TRUE), coarse=True)
    found = align(level, start(seen(TRUE), np.eye(3)), 5, "similar")
    scales = np.linalg.svd(found[:, :3])[1]
    assert scales[0] / scales[2] < 1.02
    assert error_mm(found, TRUE) < 4


def test_the_measures_are_best_at_the_truth() -> None:
    level = level_of(seen(TRUE), coarse=False)
    moved = TRUE + np.array([0, 0, 0, 12.0])
    assert misfit(level, TRUE) < misfit(level, moved) / 2
    assert overlap(level, moved) < overlap(level, TRUE) - 0.05
    assert overlap(level, TRUE) > 0.9


def test_far_away_nothing_fits() -> None:
    level = level_of(seen(TRUE), coarse=True)
    away = TRUE + np.array([0, 0, 0, 400.0])
    assert misfit(level, away) > 0.5
    assert overlap(level, away) < 0.1
