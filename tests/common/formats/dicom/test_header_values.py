"""Plain values are those that pydicom reads, whatever the encoding, and are read without it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from common.formats.dicom.header_scan import ScannedHeader, scan_header
from common.formats.dicom.header_tags import HEADER_TAGS
from common.formats.dicom.header_values import header_of, plain_header
from common.formats.dicom.parsing import parse_header
from common.formats.dicom.values import PRIVATE_TAGS, values_of
from tests.common.formats.dicom.dicom_files import DATA, Write, enhanced
from tests.imports import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")


def scanned(path: Path) -> ScannedHeader:
    with path.open("rb") as file:
        return scan_header(file)


def by_pydicom(header: ScannedHeader) -> dict[str, Any]:
    data = parse_header(header, [*HEADER_TAGS, *PRIVATE_TAGS], force=True)
    return {
        name: value
        for name, value in values_of(data, HEADER_TAGS).items()
        if name != "SpecificCharacterSet"
    }


def plain(path: Path) -> dict[str, Any] | None:
    found = plain_header(scanned(path), HEADER_TAGS)
    if found is not None:
        found.pop("SpecificCharacterSet", None)
    return found


def test_values_are_those_of_pydicom() -> None:
    compared = 0
    for path in sorted(DATA.glob("*.dcm")):
        if (found := plain(path)) is not None:
            assert found == by_pydicom(scanned(path)), path.name
            compared += 1
    assert compared > 50


def test_sequences_private_elements_and_names_in_other_scripts_are_read(write: Write) -> None:
    path = enhanced(write(1), [0.0, 5.0])
    data = pydicom.dcmread(path)
    data.SpecificCharacterSet, data.PatientID = "ISO_IR 192", "Ж-1"
    data.add_new(0x00430010, "LO", "GEMS_PARM_01")
    data.add_new(0x00431039, "IS", ["1000", "8"])
    item = Dataset()
    item.add_new(0x00430010, "LO", "SOMEBODY ELSE")
    data.ModalityLUTSequence = [item]
    for implicit in (False, True):
        if implicit:
            data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        data.save_as(path, implicit_vr=implicit, little_endian=True)
        found = plain(path)
        assert found == by_pydicom(scanned(path))
        assert found is not None
        assert found["PatientID"] == "Ж-1"
        assert found["GeBValue"] == ["1000", "8"]


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "image_dfl.dcm"])
def test_what_is_not_plain_goes_through_pydicom(name: str) -> None:
    header = scanned(DATA / name)
    assert plain_header(header, HEADER_TAGS) is None
    found = header_of(header, HEADER_TAGS, force=True)
    assert found.values["Rows"] > 0
    assert found.little is (name != "MR_small_bigendian.dcm")


def test_plain_slices_are_read_without_pydicom(write: Write) -> None:
    """To import it takes as long as to read a thousand headers."""
    code = (
        "import sys; from pathlib import Path\n"
        "from common.formats.reading.answers import Answerer\n"
        "from common.formats.reading.messages import slice_of\n"
        "from common.formats.dicom.stack_voxels import read_stack\n"
        "path = sys.argv[1]\n"
        "[plane] = Answerer(lambda _: None).header({'path': path})['slices']\n"
        "assert read_stack([slice_of(plane, Path(path), '', None)]).max() == 111\n"
        "assert 'pydicom' not in sys.modules, 'pydicom was imported'\n"
    )
    path = str(write(1))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, path], check=True, env=environment)
