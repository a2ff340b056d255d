"""The frames of a file."""

import pytest

from common.errors import SourceError
from common.formats.dicom.frames import frames_of
from tests.common.formats.dicom.dicom_files import Write, enhanced, slices_of


def test_one_image_is_one_frame_without_a_number() -> None:
    assert frames_of({"Rows": 3, "Columns": 4}, 1) == [(None, {})]


def test_each_functional_group_is_a_frame_with_the_shared_values(write: Write) -> None:
    slices = slices_of(enhanced(write(1), [0.0, 3.0, 6.0]))
    assert [plane.frame for plane in slices] == [0, 1, 2]
    assert [plane.geometry and plane.geometry.position[2] for plane in slices] == [0.0, 3.0, 6.0]
    assert all(plane.geometry and plane.geometry.spacing == (1.0, 1.0) for plane in slices)


def test_an_enhanced_file_that_miscounts_its_frames_is_refused(write: Write) -> None:
    with pytest.raises(SourceError, match="5 frames in one file, but functional groups for 2"):
        slices_of(enhanced(write(1), [0.0, 3.0], NumberOfFrames=5))
