"""An ECG's header survives the way from the reader process, and nothing else gets through."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from common.formats.ecg.recording import Recording
from common.formats.reading.recordings import recording_message, recording_of

GOOD = Recording(
    leads=("I", "-aVR"),
    samples=10,
    sampling_rate_hz=250.0,
    gains=(200.0, 0.5),
    filters=("notch_50_hz",),
    start=datetime.fromisoformat("2024-05-17T12:00:00"),
    patient="P-1",
    problems=("gaps",),
)


@pytest.mark.parametrize("recording", [GOOD, replace(GOOD, gains=None, start=None, zone="utc")])
def test_it_comes_back(recording: Recording) -> None:
    assert recording_of(json.loads(json.dumps(recording_message(recording)))) == recording


@pytest.mark.parametrize(
    "fields",
    [
        {"leads": []},
        {"leads": ["Jane Doe", "II"]},
        {"leads": [1, 2]},
        {"samples": 0},
        {"samples": 2**31},
        {"sampling_rate_hz": 0},
        {"sampling_rate_hz": float("nan")},
        {"gains": [1.0]},
        {"gains": [1.0, -1.0]},
        {"filters": ["Jane Doe"]},
        {"zone": "Europe/Berlin"},
        {"start": "yesterday"},
        {"problems": [None]},
    ],
    ids=str,
)
def test_what_no_file_can_say_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        recording_of({**recording_message(GOOD), **fields})
