"""The protocol of the GDCM child: one answer per line, and a reason where decoding fails."""

import io
import json
from pathlib import Path

import numpy as np
import pydicom

from common.formats.dicom.gdcm_worker import serve
from tests.common.formats.dicom.dicom_files import DATA


def answers_to(*requests: tuple[Path, list[int]]) -> io.BytesIO:
    """What the worker writes for these requests."""
    lines = "".join(json.dumps([str(path), frames]) + "\n" for path, frames in requests)
    answers = io.BytesIO()
    serve(io.BytesIO(lines.encode()), answers)
    answers.seek(0)
    return answers


def test_an_array_follows_the_line_with_its_type_and_shape() -> None:
    answers = answers_to((DATA / "MR_small.dcm", [0]))
    dtype, shape = json.loads(answers.readline())
    array = np.frombuffer(answers.read(), dtype).reshape(shape)
    np.testing.assert_array_equal(array[0], pydicom.dcmread(DATA / "MR_small.dcm").pixel_array)


def test_a_file_that_fails_gets_a_reason_and_the_next_one_an_array(tmp_path: Path) -> None:
    answers = answers_to((tmp_path / "absent.dcm", [0]), (DATA / "MR_small.dcm", [0]))
    [reason] = json.loads(answers.readline())
    assert "No such file" in reason
    assert json.loads(answers.readline()) == ["<i2", [1, 64, 64]]


def test_a_reason_is_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 240 + ".dcm")
    [reason] = json.loads(answers_to((path, [0])).readline())
    assert len(reason) <= 200
