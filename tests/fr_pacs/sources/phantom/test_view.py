"""The template as a scan's voxels see it: mapped smoothly, and the same however it is cut up."""

import numpy as np
import pytest

from fr_pacs.sources.phantom.draws import Draws, Float64Array
from fr_pacs.sources.phantom.template import CENTRE, LEVELS, PAIRS, TISSUES
from fr_pacs.sources.phantom.view import VIEW_MM, View, shares

SHAPE = (36, 43, 38)


def view(seed: int = 4) -> View:
    """The view of a head."""
    return View(Draws(np.random.SeedSequence(seed)), SHAPE)


def volume_of(seen: View, shades: dict[str, int], planes: int) -> Float64Array:
    """The whole volume (z, y, x) in shades."""
    out = np.zeros(SHAPE[::-1])
    for where, rows, columns, slab in seen.slabs(shades, planes):
        out[where, rows, columns] = slab / 256
    return out


def test_voxels_fill_the_field_of_view_around_zero() -> None:
    seen = view()
    for mm, spacing, total in zip(seen.axes, seen.spacing_mm, VIEW_MM, strict=True):
        assert spacing * len(mm) == pytest.approx(total)
        assert mm.mean() == pytest.approx(0, abs=1e-9)
    assert seen.voxel_ml * np.prod(SHAPE) == pytest.approx(np.prod(VIEW_MM) / 1000)


@pytest.mark.parametrize("seed", range(5))
def test_the_centre_stays_near_the_centre_and_order_is_kept(seed: int) -> None:
    seen = view(seed)
    origin = np.zeros(1)
    for at, centre in zip(seen.cells(origin, origin, origin), CENTRE, strict=True):
        assert float(at[0]) == pytest.approx(centre, abs=8)
    line = np.linspace(-90, 90, 181)
    still = np.zeros_like(line)
    x, y, z = seen.cells(line, still, still)[0], seen.cells(still, line, still)[1], None
    z = seen.cells(still, still, line)[2]
    for along in (x, y, z):
        assert (np.diff(along) > 0.8).all()
        assert (np.diff(along) < 1.5).all()


@pytest.mark.parametrize("planes", [1, 5, 38, 100])
def test_the_volume_is_the_same_in_slabs_of_any_size(planes: int) -> None:
    shades = {"grey": 160, "white": 140, "csf": 30}
    np.testing.assert_array_equal(volume_of(view(), shades, planes), volume_of(view(), shades, 3))


def test_the_shares_of_all_tissues_fill_each_voxel() -> None:
    seen = view()
    every = sum(volume_of(seen, {tissue: 255}, 4) for tissue in TISSUES if tissue != "air")
    inside = np.asarray(every)[10:28, 14:28, 12:24]
    np.testing.assert_allclose(inside, 255, atol=3)
    assert np.asarray(every)[-1].max() < 3  # air above the head


def test_shares_of_a_tissue_by_code() -> None:
    grey = shares("grey")
    start = PAIRS.index(("grey", "white")) * LEVELS
    assert grey.shape == (256,)
    assert grey[start] == 1
    assert grey[start + LEVELS - 1] == 0
    total = sum(shares(tissue) for tissue in TISSUES)
    np.testing.assert_allclose(np.asarray(total), 1, atol=0.01)
