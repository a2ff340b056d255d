"""The shapes of lesions are compared with those of balls."""

import math

import numpy as np
import pytest

from fr_brain.analyzers.volume.image import Bools
from fr_brain.analyzers.volume.shapes import ball_surface, surface_over_ball


def ball(radius_mm: float, spacing_mm: tuple[float, float, float]) -> Bools:
    """A ball that lies between voxels."""
    z, y, x = (
        (np.arange(round(2 * radius_mm / mm) + 5) - radius_mm / mm - 2.2) * mm for mm in spacing_mm
    )
    return np.asarray(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius_mm**2)


@pytest.mark.parametrize("spacing_mm", [(1, 1, 1), (2.4, 1, 1), (1.2, 0.45, 0.45), (1, 2, 1.5)])
@pytest.mark.parametrize("radius", [3.5, 5, 8])
def test_the_surface_of_a_ball_is_that_of_its_voxels_however_flat_they_are(
    spacing_mm: tuple[float, float, float], radius: float
) -> None:
    mask = ball(radius * math.prod(spacing_mm) ** (1 / 3), spacing_mm)
    inner = mask[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for part in (slice(0, -2), slice(2, None)):
            beside = [slice(1, -1)] * 3
            beside[axis] = part
            inner &= mask[tuple(beside)]
    count = int(np.count_nonzero(mask))
    surface = 1 - np.count_nonzero(inner) / count
    assert ball_surface(count, spacing_mm) == pytest.approx(surface, rel=0.06)


def test_the_shape_of_a_ball_is_no_sheet_in_flat_voxels() -> None:
    for radius_mm in (2.5, 3.5, 5):
        flat = surface_over_ball(ball(radius_mm, (1.2, 0.45, 0.45)), (1.2, 0.45, 0.45))
        assert flat is not None
        assert flat < 1.15
    even = ball(5, (1, 1, 1))
    count = int(np.count_nonzero(even))
    shell = ball_surface(count, (1, 1, 1))
    expected = shell / (1.9 * count**-0.22)
    assert surface_over_ball(even, (1, 1, 1)) == pytest.approx(expected, rel=0.06)
