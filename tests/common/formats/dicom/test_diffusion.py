"""b-values and directions as each vendor writes them."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from common.formats.dicom.diffusion import b_value, direction


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"DiffusionBValue": 700.0}, 700),
        ({"SiemensBValue": "1000"}, 1000),
        ({"PhilipsBValue": -1.0, "GeBValue": ["1000000050", "8", "0", "0"]}, 50),
        ({"GeBValue": ["0", "8", "0", "0"]}, 0),
        ({"UihBValue": 500.0}, 500),
        ({"SequenceName": "*ep_b1000#3"}, 1000),
        ({"SequenceName": "*ep_b0"}, 0),
        ({"Manufacturer": "CANON_MEC", "ImageComments": "b=1500(0.445,0.000,0.895)"}, 1500),
        ({"Manufacturer": "TOSHIBA_MEC", "ImageComments": "b=0.00 "}, 0),
        ({"Manufacturer": "CANON_MEC", "ImageComments": "b=."}, None),
        ({"Manufacturer": "CANON_MEC", "ImageComments": "blood"}, None),
        ({"Manufacturer": "SIEMENS", "ImageComments": "b=1500"}, None),
        ({"SequenceName": "*tfl3d1_16ns"}, None),
        ({}, None),
    ],
)
def test_the_b_value_is_found(values: dict[str, Any], expected: float | None) -> None:
    assert b_value(values) == expected


def test_the_direction_is_found() -> None:
    item = Dataset()
    item.DiffusionGradientOrientation = [0.0, 1.0, 0.0]
    assert direction({"DiffusionGradientDirectionSequence": [item]}) == (0, 1, 0)
    assert direction({"SiemensDirection": [0.0, 0.6, 0.8]}) == (0, 0.6, 0.8)
    assert direction({f"GeDirection{axis}": "0.5" for axis in "XYZ"}) == (0.5, 0.5, 0.5)
    assert direction({f"PhilipsDirection{axis}": 0.0 for axis in "XYZ"}) is None
    assert direction({"GeDirectionX": "1"}) is None
    canon = {"Manufacturer": "CANON_MEC", "ImageComments": "b=1500(0.445, 0.000, -0.895)"}
    assert direction(canon) == (0.445, 0, -0.895)
    assert direction({**canon, "ImageComments": "b=1500"}) is None
    assert direction({**canon, "ImageComments": "b=0(0,0,0)"}) is None
