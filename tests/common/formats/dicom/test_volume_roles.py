"""The role of a volume says which of several it is."""

from dataclasses import replace

from common.formats.dicom.slices import VOLUME_TAGS, Slice
from common.formats.dicom.volume_roles import volume_role
from tests.common.formats.dicom.dicom_files import Write, slices_of


def plane(write: Write, role: str = "anatomical", b: str = "") -> Slice:
    [one] = slices_of(write(1))
    keys = list(one.volume_keys)
    keys[VOLUME_TAGS.index("DiffusionBValue")] = b
    return replace(one, role=role, volume_keys=tuple(keys))


def test_an_echo_and_a_time_are_named(write: Write) -> None:
    one = [plane(write)]
    assert volume_role(one, [], diffusion=False) == "anatomical"
    assert volume_role(one, ["EchoTime 2 of 3"], diffusion=False) == "anatomical, echo 2"
    assert volume_role(one, ["EchoTime 2 of 3", "copy 2"], diffusion=False) == "anatomical, echo 2"
    assert volume_role(one, ["TriggerTime 3 of 12"], diffusion=False) == "dynamic, time 3"


def test_an_image_without_weighting_among_weighted_ones_is_a_b0(write: Write) -> None:
    assert volume_role([plane(write, b="0")], [], diffusion=True) == "diffusion, b0"
    assert volume_role([plane(write, b="0")], [], diffusion=False) == "anatomical"
    weighted = [plane(write, role="diffusion, b1000")]
    details = ["DiffusionBValue 2 of 2", "DiffusionGradientOrientation 3 of 7"]
    assert volume_role(weighted, details, diffusion=True) == "diffusion, b1000, direction 3"
