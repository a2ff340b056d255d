"""What an image is for, as scanners say it."""

from typing import Any

import pytest

from common.domain.volume_roles import VOLUME_ROLES
from common.formats.dicom.roles import image_type, role_of

ORIGINAL = ["ORIGINAL", "PRIMARY"]


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ({"ImageType": [*ORIGINAL, "M", "ND"]}, "anatomical"),
        ({"ImageType": [*ORIGINAL, "AXIAL"], "Modality": "CT"}, "anatomical"),
        ({"ImageType": [*ORIGINAL, "M_FFE", "M", "FFE"], "PhilipsBValue": 0.0}, "anatomical"),
        ({"ImageType": [*ORIGINAL, "M", "DIXON", "WATER"]}, "anatomical, water"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "unclassified"),
        ({}, "unclassified"),
        ({"ImageType": [*ORIGINAL, "LOCALIZER"]}, "localizer"),
        ({"ImageType": [*ORIGINAL, "M"], "SeriesDescription": "3-plane LOC"}, "localizer"),
        ({"ImageType": [*ORIGINAL, "M"], "SeriesDescription": "localised T1"}, "anatomical"),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}, "diffusion, adc"),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]}, "diffusion, trace"),
        ({"ImageType": [*ORIGINAL, "DIFFUSION"], "SiemensBValue": "0"}, "diffusion, b0"),
        ({"ImageType": [*ORIGINAL, "OTHER"], "GeBValue": ["1000", "8"]}, "diffusion, b1000"),
        ({"ImageType": [*ORIGINAL, "M"], "ProtocolName": "ep2d_perf"}, "perfusion"),
        ({"ImageType": ["DERIVED", "PRIMARY", "RELCBF"]}, "perfusion"),
        ({"ImageType": [*ORIGINAL, "M"], "SeriesDescription": "BOLD_rest"}, "functional"),
        ({"ImageType": [*ORIGINAL, "P"], "SeriesDescription": "gre_field_mapping"}, "fieldmap"),
        ({"ImageType": [*ORIGINAL, "P", "ND"]}, "phase"),
        ({"ImageType": [*ORIGINAL, "OTHER"], "GeComponent": 2}, "complex, real"),
        ({"ImageType": ["DERIVED", "SECONDARY", "PROJECTION IMAGE", "MIP"]}, "derived"),
    ],
)
def test_the_role_is_that_of_the_header(values: dict[str, Any], role: str) -> None:
    assert role_of(values) == role
    assert role.partition(",")[0] in VOLUME_ROLES


def test_the_component_of_a_complex_image_is_part_of_its_type() -> None:
    assert image_type({"ImageType": ["original", "primary"], "GeComponent": 1})[-1] == "P"
    assert image_type({"ImageType": "ORIGINAL", "ComplexImageComponent": "MAGNITUDE"}) == (
        "ORIGINAL",
    )
