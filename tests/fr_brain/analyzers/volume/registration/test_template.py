"""The template is what its script makes of the phantoms' anatomy, and its notice goes with it."""

from pathlib import Path

import numpy as np
import pytest

from fr_brain.analyzers.volume.registration import template
from fr_brain.analyzers.volume.registration.template import Field, channels, smoothed
from tests.fr_brain.analyzers.volume.registration.make_template import make_maps

X, Y, Z = (
    origin + template.SPACING_MM * np.arange(n)
    for origin, n in zip(template.ORIGIN_MM, template.SHAPE, strict=True)
)


def at(name: str, *mm: float) -> float:
    return float(Field([channels()[name]]).at(np.array([mm], np.float32))[0][0, 0])


@pytest.mark.long
def test_the_data_are_what_the_script_makes() -> None:
    for name, half in make_maps().items():
        packed = channels()[name][template.HALF_SHAPE[0] - 1 :]
        assert np.abs(half - packed).max() < 1 / template.LEVELS, name


def test_it_is_symmetric_and_holds_shares() -> None:
    for name, channel in channels().items():
        assert channel.shape == template.SHAPE
        assert np.array_equal(channel, channel[::-1]), name
        assert channel.min() == 0
        assert channel.max() <= 1
    assert np.all(channels()["ventricles"] <= channels()["inside"] + 1 / template.LEVELS)


def test_known_places_have_their_tissue() -> None:
    assert at("white", 26, -22, 36) > 0.9  # centrum semiovale
    assert at("ventricles", 12, -14, 24) > 0.3  # body of a lateral ventricle
    assert at("grey", -40, 22, -2) > 0.3  # insula and operculum
    assert at("infratentorial", 24, -62, -40) > 0.9  # cerebellum
    assert at("infratentorial", 0, -26, -34) > 0.9  # pons
    assert at("infratentorial", 26, -80, 8) == 0  # occipital lobe
    assert at("infratentorial", 50, -30, -22) == 0  # temporal lobe
    assert at("infratentorial", 10, -20, 8) == 0  # thalamus
    assert at("inside", 0, 110, 0) == 0


def test_a_field_is_linear_between_grid_points_and_even_outside() -> None:
    x, y, z = np.meshgrid(X, Y, Z, indexing="ij")
    ramp = (2 * x - y + 3 * z).astype(np.float32)
    points = np.array([[1.5, -20.25, 30], [-79, 83, 91], [3, 3, 500]], np.float32)
    values, slopes = Field([ramp, -ramp]).at(points)
    expected = [2 * 1.5 + 20.25 + 90, -158 - 83 + 273, 6 - 3 + 3 * Z[-1]]
    assert values[0] == pytest.approx(expected, abs=1e-2)
    assert values[1] == pytest.approx(-values[0])
    assert slopes[:, 0, 0] == pytest.approx([2, -1, 3], abs=1e-3)


def test_smoothing_keeps_the_sum_and_spreads_a_point() -> None:
    point = np.zeros((7, 7, 7), np.float32)
    point[3, 3, 3] = 64
    once = smoothed(point, 1)
    assert once.sum() == pytest.approx(64)
    assert once[3, 3, 3] == pytest.approx(8)
    assert once[2, 2, 2] == pytest.approx(1)
    assert np.array_equal(smoothed(point, 0), point)


def test_its_notice_lies_beside_it() -> None:
    notice = Path(template.__file__).with_suffix(".txt").read_text()
    assert "Louis Collins, McConnell Brain Imaging Centre" in notice
    assert "provided that the above copyright\nnotice appear in all copies" in notice
    assert Path(template.__file__).with_name("template_data.py").stat().st_size < 40_000
