"""The walk knows the value representations, and notes the elements of the data set itself."""

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from common.formats.dicom.header_scan import scan_header
from common.formats.dicom.header_walk import VRS, Walk
from tests.common.formats.dicom.dicom_files import DATA, Write


def test_value_representations_are_those_of_pydicom() -> None:
    assert {vr.encode() for vr in VR if len(vr) == 2} == VRS
    assert {vr for vr in VRS if vr in {one.encode() for one in EXPLICIT_VR_LENGTH_32}} < VRS


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "liver_1frame.dcm"])
def test_elements_are_those_of_the_data_set_itself(name: str) -> None:
    with (DATA / name).open("rb") as file:
        found = scan_header(file)
    assert found.elements is not None
    data = pydicom.dcmread(DATA / name, stop_before_pixels=True)
    assert [tag for tag, *_ in found.elements] == [int(tag) for tag in data.keys()]  # noqa: SIM118
    meta = data.file_meta.keys()
    assert [tag for tag, *_ in found.meta] == [int(tag) for tag in meta]


def test_elements_that_nobody_can_be_sure_of_are_not_noted(write: Write, tmp_path: Path) -> None:
    content = write(1).read_bytes()
    place = content.rindex(b"\xe0\x7f\x10\x00")
    path = tmp_path / "a.dcm"
    path.write_bytes(content[:place] + b"\x29\x00\x10\x10ZZ\x02\x00ab" + content[place:])
    with path.open("rb") as file:
        found = scan_header(file)
    assert found.elements is None
    assert found.pixels is not None


def test_a_walk_stops_at_another_group(write: Write) -> None:
    data = write(1).read_bytes()
    walk = Walk(data, len(data), len(data), implicit=False, group=2)
    end = walk.run(132)
    assert data[end : end + 2] == b"\x08\x00"
    assert walk.syntax == "1.2.840.10008.1.2.1"


def test_an_item_at_the_top_ends_the_walk(write: Write, tmp_path: Path) -> None:
    data = pydicom.dcmread(write(1))
    data.ReferencedImageSequence = [Dataset()]
    data["ReferencedImageSequence"].is_undefined_length = True
    data.save_as(tmp_path / "a.dcm")
    content = (tmp_path / "a.dcm").read_bytes()
    walk = Walk(content, len(content), len(content), implicit=False)
    assert walk.run(132) == content.rindex(b"\xe0\x7f\x10\x00")
