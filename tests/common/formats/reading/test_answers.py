"""What the reader process does for a request, in this process."""

from pathlib import Path

import numpy as np
import pytest

from common.formats.buffers import in_memory
from common.formats.dicom.file_kinds import NotDicom
from common.formats.reading.answers import Answerer
from common.formats.reading.messages import layout_message, layout_of
from tests.common.formats.dicom.dicom_files import DATA
from tests.common.formats.nifti.nifti_files import saver


def test_the_volumes_of_a_series_are_read_by_number(tmp_path: Path) -> None:
    limits: list[float] = []
    answerer = Answerer(limits.append)
    data = np.arange(3, dtype=np.uint8) * np.ones((2, 2, 2, 1), np.uint8)
    path = saver(tmp_path)(data, "a.nii.gz")
    answer = answerer.header({"nifti": True, "path": str(path)})
    layout = layout_of(answer["layout"])
    for number in range(3):
        request = {"path": str(path), "label": "a", "layout": layout_message(layout),
                   "stamp": answer["stamp"], "number": number, "frames": 1800}  # fmt: skip
        assert answerer.voxels(request, in_memory).max() == number
    assert limits[-1] == 190


def test_a_file_without_preamble_is_read_only_if_it_may_be_dicom(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes((DATA / "MR_small_implicit.dcm").read_bytes()[132:])
    answerer = Answerer(lambda _: None)
    with pytest.raises(NotDicom):
        answerer.header({"nifti": False, "path": str(path), "bare": False})
    assert answerer.header({"nifti": False, "path": str(path), "bare": True})["slices"]
