"""An ECG's header in the messages of a reader process."""

import math
import re
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from common.formats.ecg.recording import LEADS_MAX, SAMPLES_MAX, Recording
from common.formats.reading.messages import Message

_LEAD = re.compile(r"[A-Za-z0-9+-]{1,16}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_PATIENT_MAX = 256


def recording_message(recording: Recording) -> Message:
    """What a file says of its recording."""
    start = recording.start
    return {**asdict(recording), "start": None if start is None else start.isoformat()}


def recording_of(message: Message) -> Recording:
    """The recording in a message.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    leads = tuple(_word(name, _LEAD) for name in message["leads"])
    samples, rate, gains = int(message["samples"]), message["sampling_rate_hz"], message["gains"]
    if not 0 < len(leads) <= LEADS_MAX or not 0 < samples <= SAMPLES_MAX:
        raise ValueError("shape")
    if gains is not None and len(gains) != len(leads):
        raise ValueError("gains")
    return Recording(
        leads=leads,
        samples=samples,
        sampling_rate_hz=None if rate is None else _positive(rate),
        gains=None if gains is None else tuple(map(_positive, gains)),
        filters=tuple(_word(code, _CODE) for code in message["filters"]),
        start=None if message["start"] is None else datetime.fromisoformat(message["start"]),
        zone=_zone(message["zone"]),
        patient=str(message["patient"])[:_PATIENT_MAX],
        problems=tuple(_word(code, _CODE) for code in message["problems"]),
    )


def _zone(name: object) -> Literal["utc", "unknown"]:
    if name == "utc":
        return "utc"
    if name == "unknown":
        return "unknown"
    raise ValueError("zone")


def _positive(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or number <= 0:
        raise ValueError("number")
    return number


def _word(word: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(word, str) or not pattern.fullmatch(word):
        raise ValueError("word")
    return word
