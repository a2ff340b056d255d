"""Which scaling of a header is applied, and what the image is flagged for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from common.errors import SourceError
from common.formats.dicom.rescaling import Rescaling, rescaling_of
from common.formats.dicom.stack import Stack
from tests.common.formats.dicom.dicom_files import Write, found, read_voxels, volume
from tests.common.formats.dicom.multiframe_files import voxels
from tests.common.formats.dicom.scaling_files import (
    add_philips,
    edit,
    measured,
    real_world,
    transformed,
    write_enhanced,
)

RESCALED: dict[str, Any] = {"RescaleSlope": "2", "RescaleIntercept": "-10"}


def with_maps(*items: Dataset, **values: Any) -> Rescaling:
    return rescaling_of({"RealWorldValueMappingSequence": list(items), **values})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Rescaling(1.0, 0.0)),
        (RESCALED, Rescaling(2.0, -10.0)),
        ({"RescaleSlope": "0,5"}, Rescaling(0.5, 0.0)),
        ({"RescaleIntercept": "3"}, Rescaling(1.0, 3.0)),
        ({"RescaleSlope": "0", "RescaleIntercept": "3"}, Rescaling(1.0, 3.0, ("slope_zero",))),
        ({"ModalityLUTSequence": [Dataset()], **RESCALED}, Rescaling(1.0, 0.0)),
        # Displayed are 2 v - 10; measured (2 v - 10) / (2 * 0.25).
        ({**RESCALED, "PhilipsScaleSlope": 0.25}, Rescaling(4.0, -20.0)),
        ({"PhilipsScaleSlope": 0.25}, Rescaling(4.0, 0.0)),
        ({**RESCALED, "PhilipsScaleSlope": 0.0}, Rescaling(2.0, -10.0)),
        ({**RESCALED, "PhilipsScaleSlope": 1e-320}, Rescaling(2.0, -10.0)),
        ({"RescaleSlope": "0", "PhilipsScaleSlope": 0.25}, Rescaling(1.0, 0.0, ("slope_zero",))),
    ],
)
def test_the_scaling_that_is_applied(values: dict[str, Any], expected: Rescaling) -> None:
    assert rescaling_of(values) == expected


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("value", ["one", "nan", ["1", "2", "x"], "1e999"])
def test_a_scaling_that_is_not_a_number_is_refused(keyword: str, value: Any) -> None:
    if isinstance(value, list):
        value = value[2:]
    with pytest.raises(SourceError, match=f"{keyword} is not a number"):
        rescaling_of({keyword: value})


def test_a_real_world_map_is_applied_where_there_is_no_rescaling() -> None:
    assert with_maps(real_world(1e-6, 2.0)) == Rescaling(1e-6, 2.0)
    # Two maps: nothing says which of them.
    two = with_maps(real_world(1e-6), real_world(3.0))
    assert two == Rescaling(1.0, 0.0, ("real_world_values",))
    assert with_maps(Dataset()) == Rescaling(1.0, 0.0)


def test_a_map_that_differs_from_the_rescaling_is_a_problem_if_it_measures() -> None:
    assert with_maps(real_world(1e-6), **RESCALED).problems == ("real_world_values",)
    assert with_maps(real_world(2.0, -10.0), **RESCALED).problems == ()
    assert with_maps(real_world(0.3, unit="1"), **RESCALED).problems == ()
    table = real_world(1.0)
    del table.RealWorldValueSlope
    assert with_maps(table, **RESCALED).problems == ("real_world_values",)


def test_images_of_philips_have_the_values_that_were_measured(write: Write) -> None:
    def path(n: int) -> Path:
        rescaled = write(n, RescaleSlope=str(n + 1), RescaleIntercept="-6")
        return edit(rescaled, lambda data: add_philips(data, 0.25 * n))

    read = volume(*(path(n) for n in (1, 2, 3)))[0]
    for n in (1, 2, 3):
        stored = 100 * n + np.arange(12).reshape(3, 4).T
        displayed = stored * (n + 1) - 6
        np.testing.assert_allclose(read[:, :, n - 1], displayed / ((n + 1) * 0.25 * n), rtol=1e-6)


def test_the_private_block_of_philips_may_be_another_one(write: Write) -> None:
    def move(data: Dataset) -> None:
        data.private_block(0x2005, "SOMEBODY ELSE", create=True).add_new(0x0E, "FL", 9.0)
        block = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", 0.25)

    def path(n: int) -> Path:
        return edit(write(n, RescaleSlope="2", RescaleIntercept="-6"), move)

    read = volume(*(path(n) for n in (1, 2, 3)))[0]
    stored = 100 + np.arange(12).reshape(3, 4).T
    np.testing.assert_allclose(read[:, :, 0], (stored * 2 - 6) / (2 * 0.25), rtol=1e-6)


def test_measured_and_displayed_values_are_never_in_one_volume(write: Write) -> None:
    paths = [write(n, RescaleSlope="2", RescaleIntercept="0") for n in range(1, 9)]
    for path in paths[4:]:
        edit(path, lambda data: add_philips(data, 0.25))
    assert len([stack for _, stack in found(*paths) if isinstance(stack, Stack)]) == 2


def test_each_frame_has_its_own_scaling(tmp_path: Path) -> None:
    def scale(k: int, frame: Dataset) -> None:
        transformed(frame, 1 + k, k / 2)

    planted = voxels(5)
    read, _ = volume(write_enhanced(tmp_path / "a.dcm", planted, of_frame=scale))
    expected = planted * (1 + np.arange(5)) + np.arange(5) / 2
    np.testing.assert_allclose(read, expected, rtol=1e-6)


def test_each_frame_of_philips_has_its_own_scale_slope(tmp_path: Path) -> None:
    def scale(k: int, frame: Dataset) -> None:
        transformed(frame, 1 + k, 0)
        measured(frame, 0.5 + k)

    planted = voxels(5)
    path = write_enhanced(tmp_path / "a.dcm", planted, of_frame=scale)
    np.testing.assert_allclose(volume(path)[0], planted / (0.5 + np.arange(5)), rtol=1e-6)


def test_a_frame_has_a_real_world_map_of_its_own(tmp_path: Path) -> None:
    def scale(k: int, frame: Dataset) -> None:
        frame.RealWorldValueMappingSequence = [real_world(1.0 + k)]

    planted = voxels(3)
    path = write_enhanced(tmp_path / "a.dcm", planted, of_frame=scale)
    np.testing.assert_allclose(volume(path)[0], planted * (1 + np.arange(3)), rtol=1e-6)
    path = write_enhanced(tmp_path / "b.dcm", planted, of_frame=scale, **RESCALED)
    [(_, stack)] = found(path)
    assert isinstance(stack, Stack)
    assert stack.problems == ("real_world_values",)
    np.testing.assert_array_equal(read_voxels(stack)[0], planted * 2 - 10)
