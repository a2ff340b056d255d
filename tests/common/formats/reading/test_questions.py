"""What a reader process is asked for an ECG."""

from pathlib import Path

from common.formats.ecg.recording import EcgFile, Recording
from common.formats.reading.questions import affine_of, shape_of, voxels_question


def test_the_question_for_an_ecg_has_its_header_and_room_for_its_samples() -> None:
    recording = Recording(leads=("I", "II"), samples=1000, sampling_rate_hz=250.0, patient="P-1")
    file = EcgFile("x.hea", Path("x.hea"), recording, "wfdb", (4000, 1))
    question = voxels_question(file)
    assert question.request["op"] == "voxels"
    assert question.request["format"] == "wfdb"
    assert question.request["recording"]["samples"] == 1000
    assert question.max_bytes >= file.declared_bytes == 8000
    assert shape_of(file) == (1000, 2)
    assert affine_of(file) is None
