"""Ellipsoids with partial volumes, and the bias field."""

import math

import numpy as np
import pytest

from fr_pacs.sources.phantom.draws import Draws, Float64Array
from fr_pacs.sources.phantom.shapes import Blend, SyntheticBias, blend_into, ellipsoid

SPACING = (2.0, 1.0, 1.5)
SHAPE = (40, 60, 50)


def axes() -> list[Float64Array]:
    """Centres of voxels along x, y and z; 0 in the middle."""
    return [
        (np.arange(count, dtype=np.float64) - (count - 1) / 2) * np.float64(mm)
        for count, mm in zip(SHAPE, SPACING, strict=True)
    ]


def placed(
    centre: tuple[float, float, float] = (0, 0, 0),
    radii: tuple[float, float, float] = (9, 6, 12),
    rotation: Float64Array | None = None,
) -> Blend | None:
    """An ellipsoid on the grid."""
    return ellipsoid(
        axes(), SPACING, centre, radii, np.eye(3) if rotation is None else rotation, 1.5
    )


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_its_volume_is_that_of_the_ellipsoid_however_it_is_rotated(seed: int | None) -> None:
    rotation = None if seed is None else Draws(np.random.SeedSequence(seed)).rotation()
    blend = placed(rotation=rotation)
    assert blend is not None
    volume = float(blend.filled.sum()) * math.prod(SPACING)
    assert volume == pytest.approx(4 / 3 * math.pi * 9 * 6 * 12, rel=0.01)
    assert 0 <= blend.filled.min() <= blend.filled.max() <= 1


def test_the_columns_of_the_rotation_are_the_directions_of_the_semi_axes() -> None:
    quarter: Float64Array = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # x becomes y
    blend = placed(radii=(15, 4, 4), rotation=quarter)
    assert blend is not None
    z, y, x = (
        (blend.filled > 0.5).any(axis=axes_).sum() * mm
        for axes_, mm in zip(((1, 2), (0, 2), (0, 1)), SPACING[::-1], strict=True)
    )
    assert y == pytest.approx(30, abs=2)
    assert x == pytest.approx(8, abs=4)
    assert z == pytest.approx(8, abs=3)


def test_its_centre_is_where_it_was_put() -> None:
    blend = placed(centre=(10, -7, 4))
    assert blend is not None
    weights = blend.filled.astype(float)
    for axis, (mm, first, expected) in enumerate(
        zip(axes()[::-1], blend.start, (4, -7, 10), strict=True)
    ):
        other = tuple(n for n in range(3) if n != axis)
        along = weights.sum(axis=other)
        positions = mm[first : first + len(along)]
        assert (along * positions).sum() / along.sum() == pytest.approx(expected, abs=0.1)


def test_outside_the_grid_there_is_none() -> None:
    assert placed(centre=(500, 0, 0)) is None


def test_a_slab_gets_the_part_that_lies_in_it() -> None:
    blend = placed()
    assert blend is not None
    whole = np.full(SHAPE[::-1], 100, np.float32)
    blend_into(whole, (0, 0, 0), blend, 300)
    assert whole.max() == 300
    assert whole[0, 0, 0] == 100
    slabs = np.full(SHAPE[::-1], 100, np.float32)
    for first in range(0, SHAPE[2], 7):
        blend_into(slabs[first : first + 7], (first, 0, 0), blend, 300)
    np.testing.assert_array_equal(slabs, whole)


def field_of(span: float, unit: float = 1.0) -> Float64Array:
    """A bias field over the grid (z, y, x)."""
    field = SyntheticBias(Draws(np.random.SeedSequence(3)), span, axes(), unit)
    slab, *scratch = (np.ones(SHAPE[::-1], np.float32) for _ in range(3))
    box = (slice(0, SHAPE[2]), slice(0, SHAPE[1]), slice(0, SHAPE[0]))
    field.apply(box, slab, scratch[0], scratch[1])
    return slab.astype(float)


def test_the_bias_field_stays_in_its_span_within_a_head_and_is_smooth() -> None:
    field = field_of(0.2)
    assert 0.79 < field.min() < field.max() < 1.21
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in range(3)) < 0.05
    assert field.std() > 0.01


def test_without_a_span_the_field_is_its_unit() -> None:
    np.testing.assert_allclose(field_of(0, unit=2.5), 2.5)


def test_a_box_gets_its_part_of_the_field() -> None:
    field = SyntheticBias(Draws(np.random.SeedSequence(3)), 0.2, axes(), 1.0)
    box = (slice(10, 14), slice(20, 30), slice(5, 9))
    slab, first, second = (np.ones((4, 10, 4), np.float32) for _ in range(3))
    field.apply(box, slab, first, second)
    np.testing.assert_allclose(slab, field_of(0.2)[box], rtol=1e-6)
