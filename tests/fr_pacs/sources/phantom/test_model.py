"""Phantoms are the same everywhere, of any shape, and their truth is true."""

import hashlib
import math
import subprocess
import sys
from dataclasses import replace

import cc3d
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.types import hash_voxels
from common.errors import SettingsError
from fr_pacs.sources.phantom.model import Contrast, Recipe, _Plan, make_phantom, shape_of

SIZE = (96, 96, 96)
HASHES: dict[Contrast, str] = {
    "flair": "4df4d359f4e3c0f6de3f060564c873532019cfd015e4e843668cc915950a0832",
    "t1": "76d2567e8ca440e200aa732088d193b51348a02075fb37fd1ca1256f47d2ad4b",
}


def test_the_centre_of_the_volume_is_at_zero() -> None:
    affine = np.array(make_phantom(1, 0, (20, 33, 16)).affine)
    np.testing.assert_allclose(affine @ [9.5, 16, 7.5, 1], 0, atol=1e-9)


def test_another_process_makes_the_same_voxels() -> None:
    code = (
        "import hashlib\n"
        "from fr_pacs.sources.phantom.source import make_phantom\n"
        "voxels = make_phantom(7, 3, (48, 40, 30)).voxels\n"
        "print(hashlib.sha256(voxels.tobytes(order='F')).hexdigest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    own = make_phantom(7, 3, (48, 40, 30)).voxels
    assert result.stdout.strip() == hashlib.sha256(own.tobytes(order="F")).hexdigest()


def test_seeds_and_indices_differ() -> None:
    made = {make_phantom(s, i, (16, 16, 16)).voxels.tobytes() for s in range(3) for i in range(3)}
    assert len(made) == 9


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**70),
    index=st.integers(0, 2**40),
    shape=st.tuples(*[st.integers(2, 70)] * 3),
)
def test_any_shape_works(seed: int, index: int, shape: tuple[int, int, int]) -> None:
    phantom = make_phantom(seed, index, shape)
    assert phantom.voxels.shape == phantom.truth.mask.shape == shape
    assert phantom.voxels.dtype == np.int16
    assert phantom.voxels.flags.f_contiguous
    assert phantom.truth.mask.flags.f_contiguous
    assert phantom.voxels.min() >= 0
    assert sum(lesion.voxels for lesion in phantom.truth.lesions) == phantom.truth.mask.sum()
    assert all(volume >= 0 for volume in phantom.truth.volumes_ml.values())


@pytest.mark.sample(1)
@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 16, 30)])
def test_tiny_volumes_have_no_lesions(shape: tuple[int, int, int]) -> None:
    assert not any(make_phantom(1, index, shape).truth.lesions for index in range(20))


@pytest.mark.long
def test_some_heads_are_healthy_and_some_are_not() -> None:
    counts = [len(make_phantom(5, index, (64, 64, 64)).truth.lesions) for index in range(30)]
    assert 0 < counts.count(0) < 15
    assert max(counts) > 5


@pytest.mark.parametrize(
    ("contrast", "order"),
    [
        ("flair", ["air", "skull", "csf", "white", "grey", "lesion"]),
        ("t1", ["air", "skull", "csf", "grey", "white"]),
    ],
)
def test_tissues_have_their_order_of_brightness(contrast: Contrast, order: list[str]) -> None:
    still = Recipe(contrast, noise_percent=(0, 0), inu_percent=(0, 0), healthy_chance=0)
    plan = _Plan(2, 1, SIZE, still)
    voxels = plan.render()
    pure = {"air": voxels[:2].ravel(), "lesion": voxels[plan.truth().mask]}
    for tissue in ("skull", "csf", "grey", "white"):
        pure[tissue] = voxels[share_of(plan, tissue) > 0.99]
    medians = [float(np.median(pure[tissue])) for tissue in order]
    assert medians == sorted(medians)
    assert medians[0] == 0
    white = float(np.median(pure["white"]))
    ratio = float(np.median(pure["lesion"])) / white
    assert (1.35 <= ratio <= 1.8) if contrast == "flair" else (0.45 <= ratio <= 0.75)


def share_of(plan: _Plan, tissue: str) -> npt.NDArray[np.float64]:
    out = np.zeros(plan.shape[::-1])
    for planes, rows, columns, shades in plan._view.slabs({tissue: 255}, 3):
        out[planes, rows, columns] = shades / (255 * 256)
    return out.T


def test_noise_and_non_uniformity_are_in_units_of_brainweb() -> None:
    recipe = Recipe(noise_percent=(5, 5), inu_percent=(20, 20), healthy_chance=1)
    noisy = _Plan(11, 0, SIZE, recipe)
    uniform = _Plan(11, 0, SIZE, replace(recipe, noise_percent=(0, 0), inu_percent=(0, 0)))
    biased = _Plan(11, 0, SIZE, replace(recipe, noise_percent=(0, 0)))
    white = np.asarray(share_of(uniform, "white") > 0.99)
    brain = uniform.truth().brain
    flat, field, seen = (plan.render().astype(float) for plan in (uniform, biased, noisy))
    reference = np.median(flat[white])
    assert np.std(seen[white] - field[white]) == pytest.approx(0.05 * reference, rel=0.03)
    ratio = field[brain & (flat > 50)] / flat[brain & (flat > 50)]
    low, high = np.percentile(ratio, [0.5, 99.5])
    assert 0.89 < low < 0.94
    assert 1.06 < high < 1.11
    air = seen[:3]
    # Rayleigh: the mean is sigma times the root of pi / 2.
    assert air.mean() == pytest.approx(0.05 * reference * np.sqrt(np.pi / 2), rel=0.02)
    assert air.std() == pytest.approx(0.05 * reference * np.sqrt(2 - np.pi / 2), rel=0.03)


def test_an_empty_background_is_empty_and_the_head_is_not() -> None:
    recipe = Recipe(background="empty", healthy_chance=1)
    voxels = make_phantom(3, 0, SIZE, recipe).voxels
    assert not voxels[:3].any()
    assert 0.3 < np.count_nonzero(voxels) / voxels.size < 0.7
    everywhere = make_phantom(3, 0, SIZE, replace(recipe, background="noise")).voxels
    assert np.count_nonzero(everywhere) > 0.99 * everywhere.size


def test_lesions_lie_where_and_how_large_the_truth_says() -> None:
    phantom = make_phantom(2, 1, SIZE, Recipe(healthy_chance=0))
    assert phantom.truth.lesions
    affine = np.array(phantom.affine)
    for number, lesion in enumerate(phantom.truth.lesions, 1):
        own = np.argwhere(np.array(phantom.truth.labels) == number)
        assert len(own) == lesion.voxels
        positions = own @ affine[:, :3].T + affine[:, 3]
        np.testing.assert_allclose(positions.mean(axis=0), lesion.centre_mm, atol=1.0)
        ellipsoid = 4 / 3 * np.pi * np.prod(lesion.radii_mm) / 1000
        assert lesion.volume_ml == pytest.approx(ellipsoid, rel=0.06)


def test_lesions_lie_in_the_brain_and_apart() -> None:
    for index in range(5):
        truth = make_phantom(6, index, SIZE, Recipe(healthy_chance=0)).truth
        pieces = cc3d.connected_components(np.ascontiguousarray(truth.mask), connectivity=26)
        assert pieces.max() == len(truth.lesions)
        assert truth.brain[truth.mask].all()


def test_volumes_are_a_heads_and_hardly_hang_on_the_resolution() -> None:
    coarse = make_phantom(3, 0, (48, 60, 40)).truth
    fine = make_phantom(3, 0, (120, 100, 90)).truth
    for tissue in ("scalp", "skull", "csf", "grey", "white"):
        assert coarse.volumes_ml[tissue] == pytest.approx(fine.volumes_ml[tissue], rel=0.005)
    within = sum(fine.volumes_ml[tissue] for tissue in ("csf", "grey", "white", "lesion"))
    assert 1200 < within < 1950
    voxel_ml = 181 * 217 * 181 / math.prod(fine.brain.shape) / 1000
    assert np.count_nonzero(fine.brain) * voxel_ml == pytest.approx(within, rel=0.02)


def test_the_same_bytes_as_on_every_other_machine() -> None:
    """The hashes were made on x86-64 with AVX-512, NumPy 2.4; see ``draws``."""
    for contrast, expected in HASHES.items():
        voxels = make_phantom(1, 0, (60, 50, 40), Recipe(contrast)).voxels
        assert hash_voxels(voxels.tobytes(order="F")) == expected


def test_a_negative_index_is_refused() -> None:
    with pytest.raises(SettingsError, match="index"):
        make_phantom(0, -1)


def test_a_spacing_gives_the_shape_that_fills_the_field_of_view() -> None:
    assert shape_of((1, 1, 1)) == (181, 217, 181)
    assert shape_of((2, 1, 3)) == (90, 217, 60)
    assert shape_of((500, 500, 500)) == (2, 2, 2)
