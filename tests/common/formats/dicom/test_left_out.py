"""What is left out says what it is."""

from pathlib import Path

from common.formats.dicom.left_out import LeftOut, SlicesRefused
from tests.common.formats.dicom.dicom_files import Write, slices_of


def test_what_is_left_out_says_what_it_is() -> None:
    error = LeftOut("copy", Path("a.dcm"), "b.dcm")
    assert str(error) == "left out: a copy of a slice"
    assert (error.kind, error.path, error.original) == ("copy", Path("a.dcm"), "b.dcm")


def test_what_is_refused_has_its_slices(write: Write) -> None:
    slices = slices_of(write(1))
    error = SlicesRefused("incomplete", "001.dcm", slices)
    assert (str(error), error.file, error.slices) == ("incomplete", "001.dcm", tuple(slices))
