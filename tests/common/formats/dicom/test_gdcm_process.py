"""The child process that decodes with GDCM: its arrays, its crashes and its time limit."""

import os
import threading
from pathlib import Path

import numpy as np
import pydicom
import pytest

from common.formats.dicom import gdcm_process
from tests.common.formats.dicom.dicom_files import DATA
from tests.fuzz.targets import CORPUS, FINDINGS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def test_a_file_whose_decoding_does_not_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = tmp_path / "endless.dcm"
    os.mkfifo(endless)  # its reader waits for ever
    monkeypatch.setattr(gdcm_process, "_FILE_S", 2.0)
    with pytest.raises(gdcm_process.DecodingFailed, match="the decoder took longer than 2 s"):
        gdcm_process.decode_in_child(endless, [0])
    monkeypatch.undo()
    good = DATA / "MR_small_jpeg_ls_lossless.dcm"  # by a new child
    assert gdcm_process.decode_in_child(good, [0]).shape == (1, 64, 64)


def test_frames_are_decoded_as_in_this_process() -> None:
    path = DATA / "MR_small_jpeg_ls_lossless.dcm"
    frames = gdcm_process.decode_in_child(path, [0])
    np.testing.assert_array_equal(frames[0], pydicom.dcmread(DATA / "MR_small.dcm").pixel_array)


def test_a_file_that_cannot_be_read_fails_with_the_reason_and_the_child_lives_on(
    tmp_path: Path,
) -> None:
    gdcm_process.decode_in_child(CORPUS / "dicom" / "jpeg-lossless", [0])
    child = gdcm_process._decoder._child
    with pytest.raises(gdcm_process.DecodingFailed, match="No such file"):
        gdcm_process.decode_in_child(tmp_path / "absent.dcm", [0])
    assert gdcm_process._decoder._child is child


def test_a_crash_fails_its_own_file_only() -> None:
    damaged = FINDINGS / "dicom" / "lossless-jpeg-ends-the-process"
    good = CORPUS / "dicom" / "jpeg-lossless"
    shapes: list[tuple[int, ...]] = []
    threads = [
        threading.Thread(
            target=lambda: shapes.append(gdcm_process.decode_in_child(good, [0]).shape)
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    with pytest.raises(gdcm_process.DecodingFailed, match="the decoder crashed"):
        gdcm_process.decode_in_child(damaged, [0])
    for thread in threads:
        thread.join()
    assert shapes == [(1, 3, 4)] * 3
