"""What the reader process does for a request, in this process."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import SourceError
from common.formats.buffers import in_memory
from common.formats.not_a_scan import NotAScan
from common.formats.reading.answers import Answerer
from common.formats.reading.messages import layout_message, layout_of
from tests.common.formats.dicom.dicom_files import DATA
from tests.common.formats.nifti.nifti_files import saver


def test_the_volumes_of_a_series_are_read_by_number(tmp_path: Path) -> None:
    limits: list[float] = []
    answerer = Answerer(limits.append)
    data = np.arange(3, dtype=np.uint8) * np.ones((2, 2, 2, 1), np.uint8)
    path = saver(tmp_path)(data, "a.nii.gz")
    answer = answerer.header({"path": str(path), "alone": False})
    layout = layout_of(answer["layout"])
    for number in range(3):
        request = {"path": str(path), "label": "a", "layout": layout_message(layout),
                   "stamp": answer["stamp"], "number": number, "frames": 1800}  # fmt: skip
        assert answerer.voxels(request, in_memory).max() == number
    assert limits[-1] == 190


@pytest.mark.parametrize(
    "name", ["a.dcm", "IM0001", "E6977S4I1.MR", "1.3.12.2.1107", "I.001", "i.img"]
)
def test_dicom_without_preamble_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes((DATA / "MR_small_implicit.dcm").read_bytes()[132:])
    assert Answerer(lambda _: None).header({"path": str(path), "alone": False})["slices"]


def test_what_looks_like_dicom_and_is_none_fails_only_if_its_name_says_so(tmp_path: Path) -> None:
    answerer = Answerer(lambda _: None)
    for name in ("a.dcm", "a.bin"):
        (tmp_path / name).write_bytes(b"\x08\0\x05\0\x04\0\0\0" + b"\xff" * 99)
    with pytest.raises(SourceError, match="not an image") as caught:
        answerer.header({"path": str(tmp_path / "a.dcm"), "alone": False})
    assert not isinstance(caught.value, NotAScan)
    with pytest.raises(NotAScan):
        answerer.header({"path": str(tmp_path / "a.bin"), "alone": False})
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        answerer.header({"path": str(tmp_path / "absent"), "alone": False})
