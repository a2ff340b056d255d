"""The loop of the reader process: one answer for each request, whatever goes wrong."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.formats.buffers import Allocate
from common.formats.reading.answers import Answerer
from common.formats.reading.child import serve
from common.formats.reading.messages import Message, encode, read_message
from tests.common.formats.dicom.dicom_files import DATA


class Failing(Answerer):
    """Raises for voxels."""

    def __init__(self, error: Exception) -> None:
        super().__init__(lambda _: None)
        self._error = error

    def voxels(self, request: Message, allocate: Allocate) -> npt.NDArray[Any]:
        del request, allocate
        raise self._error


def answers_to(answerer: Answerer, *requests: Message) -> io.BytesIO:
    asked = b"".join(encode({"mapped": [], "returned": [], **one}) for one in requests)
    answers = io.BytesIO()
    serve(io.BytesIO(asked), answers, answerer)
    answers.seek(0)
    return answers


def header(path: Path) -> Message:
    return {"op": "header", "path": str(path), "nifti": False, "bare": True}


def test_each_request_has_its_answer_and_a_failure_is_one(tmp_path: Path) -> None:
    answerer = Answerer(lambda _: None)
    answers = answers_to(answerer, header(tmp_path / "absent"), header(DATA / "MR_small.dcm"))
    assert read_message(answers.read)["reason"] == "cannot be read: No such file or directory"
    [plane] = read_message(answers.read)["slices"]
    request = {"op": "voxels", "frames": 1, "files": [[str(DATA / "MR_small.dcm"), "a"]],
               "slices": [[0, plane]]}  # fmt: skip
    answers = answers_to(answerer, request)
    assert read_message(answers.read) == {"dtype": "<i2", "shape": [64, 64, 1]}
    assert len(np.frombuffer(answers.read(), "<i2")) == 64 * 64


def test_what_a_library_raises_is_no_part_of_the_reason() -> None:
    answers = answers_to(Failing(ValueError("DOE^JOHN")), {"op": "voxels"})
    assert read_message(answers.read)["reason"] == (
        "the file cannot be read (ValueError): export it again"
    )
    answers = answers_to(Failing(MemoryError()), {"op": "voxels"})
    assert "not enough memory" in read_message(answers.read)["reason"]


def test_processor_time_is_limited_for_each_request() -> None:
    limits: list[float] = []
    answers_to(Answerer(limits.append), header(DATA / "MR_small.dcm"))
    assert limits == [10.0, 10.1]
