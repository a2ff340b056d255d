"""Values of a header: plain ones as pydicom reads them, and numbers that it drops."""

from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.uid import ImplicitVRLittleEndian

from common.formats.dicom.values import number, numbers, values_of
from tests.common.formats.dicom.dicom_files import DATA, Write, slices_of, volume

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def values(path: Path) -> dict[str, Any]:
    return values_of(pydicom.dcmread(path, stop_before_pixels=True), {})


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm"]
)
def test_values_are_those_of_pydicom(name: str) -> None:
    found, theirs = values(DATA / name), pydicom.dcmread(DATA / name)
    for keyword in ("Rows", "BitsAllocated", "SOPInstanceUID", "Modality"):
        assert found[keyword] == theirs[keyword].value
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        assert (
            list(numbers(found, keyword, len(theirs[keyword].value)) or ()) == theirs[keyword].value
        )
    assert found["ImageType"] == list(theirs.ImageType)
    assert number(found, "InstanceNumber") == theirs.InstanceNumber


def test_a_decimal_comma_is_a_decimal_point(write: Write) -> None:
    path = write(1)
    data = pydicom.dcmread(path)
    data.add(DataElement(0x00281053, "LO", "0,5"))
    data.add(DataElement(0x00281052, "LO", "-12,5"))
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    data.save_as(path, implicit_vr=True, little_endian=True)
    assert volume(path)[0][:, 0, 0].tolist() == [37.5, 38.0, 38.5, 39.0]


def test_a_slope_that_is_no_number_is_refused(write: Write) -> None:
    path = write(1)
    data = pydicom.dcmread(path)
    data.add(DataElement(0x00281053, "LO", "one half"))
    data.save_as(path)
    with pytest.raises(Exception, match="RescaleSlope is not a number"):
        slices_of(path)


def test_a_slope_of_zero_leaves_the_values_and_is_told(write: Write) -> None:
    path = write(1, RescaleSlope=0, RescaleIntercept=0)
    [plane] = slices_of(path)
    assert (plane.slope, plane.problems) == (1.0, ("slope_zero",))
    assert volume(path)[0].max() == 111


def test_private_values_count_only_in_their_owners_block(write: Write) -> None:
    path = write(1)
    for owner, expected in (("GEMS_PARM_01", ["1000", "8"]), ("SOMEBODY ELSE", None)):
        data = pydicom.dcmread(path)
        data.add_new(0x00430010, "LO", owner)
        data.add_new(0x00431039, "IS", ["1000", "8"])
        data.save_as(path)
        assert values(path).get("GeBValue") == expected
