"""A reader process: its answers are checked, and it ends with its pipe."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from common.formats.reading.messages import Message
from common.formats.reading.process import NotAsked, Question, ReaderFailed, ReaderProcess
from tests.common.formats.dicom.dicom_files import DATA

WAIT_S = 120.0


def header(path: Path) -> Question:
    return Question({"op": "header", "path": str(path), "nifti": False, "bare": True}, 10, WAIT_S)


def answered(process: ReaderProcess, question: Question) -> Message:
    process.ask(question)
    process.wait_for(question)
    assert question.answer is not None, question.error
    return question.answer


def test_questions_are_answered_in_their_order() -> None:
    process = ReaderProcess(1 << 20)
    questions = [
        header(DATA / "MR_small.dcm"),
        header(DATA / "absent"),
        header(DATA / "CT_small.dcm"),
    ]
    for question in questions:
        process.ask(question)
    process.wait_for(questions[2])
    assert [question.answered for question in questions] == [True] * 3
    assert questions[0].answer["slices"][0]["rows"] == 64  # type: ignore[index]
    assert "No such file" in str(questions[1].error)
    assert process.confined is not None
    process.close()
    process.close()
    process.ask(questions[0])
    assert isinstance(questions[0].error, NotAsked)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "O"},
        {"shape": [1 << 40]},
        {"shape": [-1, -1]},
        {"shape": [0]},
        {"fd": 0},
        {"fd": 999},
        {"shape": None},
    ],
)
def test_an_answer_that_makes_no_sense_ends_the_child(change: Message) -> None:
    process = ReaderProcess(1 << 20)
    answered(process, header(DATA / "MR_small.dcm"))
    good: Message = {"dtype": "<i2", "shape": [2, 2, 1], "serial": 0}
    question = Question({}, 10, WAIT_S, max_bytes=1 << 20)
    with pytest.raises((ValueError, OSError, TypeError)):
        process._voxels({**good, **change}, question)
    process.close()


def test_a_long_question_to_a_child_that_is_stopped_does_not_last_for_ever() -> None:
    process = ReaderProcess(1 << 20)
    answered(process, header(DATA / "MR_small.dcm"))
    os.kill(process.pid, 9)
    long = Question({"op": "header", "path": "x" * (8 << 20)}, 10, WAIT_S)
    process.ask(long)
    process.wait_for(long)
    assert isinstance(long.error, ReaderFailed | NotAsked)


def test_a_child_ends_when_its_parent_is_gone() -> None:
    process = ReaderProcess(1 << 20)
    answered(process, header(DATA / "MR_small.dcm"))
    child: Any = process._child
    child.stdin.close()
    deadline = time.monotonic() + WAIT_S
    while child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert child.returncode == 0
    process.close()
