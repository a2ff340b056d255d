"""Heart rate variability of known rhythms."""

import numpy as np
import pytest

from fr_brain.analyzers.ecg.variability import variability


def rhythm(seconds: float, lf_ms: float, hf_ms: float) -> tuple[np.ndarray, np.ndarray]:
    times, rr = [0.0], [np.nan]
    while times[-1] < seconds:
        at = times[-1]
        swing = lf_ms * np.sin(2 * np.pi * 0.1 * at) + hf_ms * np.sin(2 * np.pi * 0.25 * at)
        rr.append(0.8 + swing / 1000)
        times.append(at + rr[-1])
    return np.array(times), np.array(rr)


def test_sdnn_and_the_powers_of_sines() -> None:
    found = variability(*rhythm(620, 30, 15))
    assert found.sdnn_ms.value == pytest.approx(np.sqrt(30**2 / 2 + 15**2 / 2), rel=0.05)
    assert found.lf_ms2.value == pytest.approx(30**2 / 2, rel=0.15)
    assert found.hf_ms2.value == pytest.approx(15**2 / 2, rel=0.25)
    assert found.pnn50_percent.value == 0


def test_alternating_intervals() -> None:
    rr = np.where(np.arange(200) % 2, 0.8, 0.86)
    found = variability(np.cumsum(rr), rr)
    assert found.rmssd_ms.value == pytest.approx(60)
    assert found.pnn50_percent.value == 100
    assert found.lf_hf.withheld is not None


def test_a_short_record_has_none() -> None:
    found = variability(*rhythm(30, 10, 10))
    assert found.sdnn_ms.withheld == "needs 60 s of normal beats; the record has 30 s"
