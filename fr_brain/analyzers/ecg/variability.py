"""Heart rate variability from intervals between normal beats (Task Force of the European Society
of Cardiology and the North American Society of Pacing and Electrophysiology, Circulation 93, 1996).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.ecg_measures import HeartRateVariability, Measured

Array = npt.NDArray[Any]

SECONDS_MIN, INTERVALS_MIN = 60.0, 40
"""What SDNN, RMSSD and pNN50 need. The Task Force asks for 5 min: less lowers the confidence."""
_SEGMENT_S = 300.0
_COVERED = 0.9
"""Share of a segment of five minutes that normal intervals must cover."""
_GRID_HZ = 4.0
LF_HZ, HF_HZ = (0.04, 0.15), (0.15, 0.4)


def withheld_variability(reason: str) -> HeartRateVariability:
    """All measures withheld for the same reason."""
    none = Measured.no(reason)
    return HeartRateVariability(
        sdnn_ms=none, rmssd_ms=none, pnn50_percent=none, lf_ms2=none, hf_ms2=none, lf_hf=none
    )


def variability(times_s: Array, normal_rr_s: Array) -> HeartRateVariability:
    """The measures.

    Args:
        times_s: times of the beats.
        normal_rr_s: interval before each beat; NaN unless both beats are normal.
    """
    known = np.isfinite(normal_rr_s)
    intervals = 1000 * normal_rr_s[known]
    seconds = float(intervals.sum() / 1000)
    if len(intervals) < INTERVALS_MIN or seconds < SECONDS_MIN:
        return withheld_variability(
            f"needs {SECONDS_MIN:.0f} s of normal beats; the record has {seconds:.0f} s"
        )
    pairs = known[1:] & known[:-1]
    steps = 1000 * np.diff(normal_rr_s)[pairs]
    confidence = round(min(1.0, 0.5 + seconds / 600) * float(known.mean()), 2)
    if len(steps) < INTERVALS_MIN // 2:
        successive = Measured.no("too few successive normal beats")
        pnn50 = successive
    else:
        successive = _measured(float(np.sqrt(np.mean(steps**2))), confidence)
        pnn50 = _measured(100 * float(np.mean(np.abs(steps) > 50)), confidence)
    lf, hf, ratio = _powers(times_s[known], intervals)
    return HeartRateVariability(
        sdnn_ms=_measured(float(np.std(intervals, ddof=1)), confidence),
        rmssd_ms=successive,
        pnn50_percent=pnn50,
        lf_ms2=lf,
        hf_ms2=hf,
        lf_hf=ratio,
    )


def _measured(value: float, confidence: float) -> Measured:
    return Measured(value=round(value, 2), confidence=confidence)


def _powers(times: Array, intervals: Array) -> tuple[Measured, Measured, Measured]:
    """Powers of LF and HF and their ratio, means over segments of five minutes."""
    powers = []
    segments = int((times[-1] - times[0] + 1) // _SEGMENT_S)
    for number in range(segments):
        start = times[0] + number * _SEGMENT_S
        own = (times >= start) & (times < start + _SEGMENT_S)
        if intervals[own].sum() / 1000 >= _COVERED * _SEGMENT_S:
            powers.append(_spectrum(times[own], intervals[own]))
    if not powers:
        none = Measured.no("needs 5 min in which 90 % of the beats are normal")
        return none, none, none
    lf, hf = np.mean(powers, axis=0)
    confidence = round(len(powers) / segments, 2)
    ratio = (
        _measured(lf / hf, confidence) if hf > 0 else Measured.no("no power from 0.15 to 0.4 Hz")
    )
    return _measured(lf, confidence), _measured(hf, confidence), ratio


def _spectrum(times: Array, intervals: Array) -> tuple[float, float]:
    """Power of LF and HF in ms²: periodogram, Hann's window, of intervals on a grid of 4 Hz."""
    grid = np.arange(times[0], times[-1], 1 / _GRID_HZ)
    values = np.interp(grid, times, intervals)
    values -= np.polyval(np.polyfit(grid - grid[0], values, 1), grid - grid[0])
    window = np.hanning(len(values))
    density = np.abs(np.fft.rfft(values * window)) ** 2 / (_GRID_HZ * np.sum(window**2)) * 2
    hz = np.fft.rfftfreq(len(values), 1 / _GRID_HZ)
    bands = [density[(hz >= low) & (hz < high)].sum() * hz[1] for low, high in (LF_HZ, HF_HZ)]
    return float(bands[0]), float(bands[1])
