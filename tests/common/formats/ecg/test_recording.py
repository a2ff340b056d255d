"""What a recording must be to become a scan."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.errors import SourceError
from common.formats.ecg.recording import Recording, check_not_flat, checked

GOOD = Recording(leads=("I",), samples=10, sampling_rate_hz=250.0)


def test_a_recording_is_what_it_is() -> None:
    assert checked(GOOD) is GOOD
    assert checked(replace(GOOD, sampling_rate_hz=None)).sampling_rate_hz is None


@pytest.mark.parametrize(
    "fields",
    [
        {"leads": ()},
        {"samples": 0},
        {"samples": 2**31},
        {"leads": ("I",) * 300},
        {"sampling_rate_hz": 0.0},
        {"sampling_rate_hz": float("nan")},
        {"sampling_rate_hz": float("inf")},
    ],
    ids=str,
)
def test_an_impossible_recording_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SourceError):
        checked(replace(GOOD, **fields))


def test_a_flat_recording_is_refused_and_one_flat_lead_is_not() -> None:
    flat = np.full((100, 2), 0.5)
    with pytest.raises(SourceError, match="flat"):
        check_not_flat(flat)
    flat[:50] = np.nan
    with pytest.raises(SourceError, match="flat"):
        check_not_flat(flat)
    flat[70, 1] = 0.6
    check_not_flat(flat)
    check_not_flat(np.ones((1, 1)))
