"""pydicom parses a header, or some elements of one, that was measured."""

from pathlib import Path

import pydicom
import pytest

from common.formats.dicom.file_kinds import NotDicom
from common.formats.dicom.header_scan import ScannedHeader, scan_header
from common.formats.dicom.parsing import parse_elements, parse_header
from tests.common.formats.dicom.dicom_files import DATA


def scanned(path: Path) -> ScannedHeader:
    with path.open("rb") as file:
        return scan_header(file)


def test_only_the_wanted_elements_are_parsed() -> None:
    data = parse_header(scanned(DATA / "CT_small.dcm"), [0x00280010, 0x00100020], force=False)
    assert {element.keyword for element in data} <= {"Rows", "PatientID", "SpecificCharacterSet"}
    assert data.Rows == 128


def test_some_elements_are_parsed_on_their_own() -> None:
    header, whole = scanned(DATA / "CT_small.dcm"), pydicom.dcmread(DATA / "CT_small.dcm")
    numbers = [n for n, one in enumerate(header.elements or ()) if one[0] >> 16 == 0x0020]
    data = parse_elements(header, numbers)
    assert data == whole.group_dataset(0x0020)


def test_garbage_that_is_read_by_force_is_not_dicom(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x08\x00\x16\x00OB\0\0")  # without its length
    with pytest.raises(NotDicom):
        parse_header(scanned(path), [0x00280010], force=True)
