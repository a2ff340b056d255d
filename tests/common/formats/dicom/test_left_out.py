"""What is left out says what it is."""

from pathlib import Path

from common.formats.dicom.left_out import LeftOut


def test_what_is_left_out_says_what_it_is() -> None:
    error = LeftOut("copy", Path("a.dcm"))
    assert str(error) == "left out: a copy of a slice"
    assert (error.kind, error.path) == ("copy", Path("a.dcm"))
