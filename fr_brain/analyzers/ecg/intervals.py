"""PR, QRS and QT from the average beat.

QRS starts and ends where the leads together no longer move: where their slope (as a length in the
space of leads, as the spatial velocity of a vectorcardiogram) stays below a share of its maximum.
T ends where the tangent at the steepest point behind its peak meets the baseline (Lepeschkin and
Surawicz, Circulation 6, 1952). P starts likewise, a quarter further out: where a Gaussian wave has
4 % of its height.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.ecg.average import AverageBeat

Array = npt.NDArray[Any]

_SLOPE_SHARE = 0.03
_SLOPE_NOISES = 2.0
_STILL_S = 0.012
"""QRS ends where the leads keep still for so long."""
_QRS_REACH_S = (0.11, 0.14)
_P_REACH_S = 0.30
_P_MIN_MV = 0.015
_P_NOISES = 5.0
_P_SHARE = 0.015
"""Of the height of QRS: less is its own ripple."""
_T_NOISES = 6.0
_T_MIN_MV = 0.03
_P_FOOT = 1.25
"""From the peak of a Gaussian, 2.5 sigma over the 2 sigma at which its tangent ends."""


@dataclass(frozen=True, slots=True)
class Waves:
    """Where the waves of an average beat are, s from its middle; None: not seen."""

    qrs_start: float
    qrs_end: float
    r_peak: float
    p_start: float | None
    p_peak: float | None
    t_peak: float | None
    t_end: float | None

    @property
    def pr_s(self) -> float | None:
        """From the start of P to the start of QRS."""
        return None if self.p_start is None else self.qrs_start - self.p_start

    @property
    def qrs_s(self) -> float:
        """From the start of QRS to its end."""
        return self.qrs_end - self.qrs_start

    @property
    def qt_s(self) -> float | None:
        """From the start of QRS to the end of T."""
        return None if self.t_end is None else self.t_end - self.qrs_start


def find_waves(beat: AverageBeat, values: Array, leads: Array, rr_s: float) -> Waves | None:
    """The waves of an average, or of one of its halves; None if there is no QRS complex.

    Args:
        beat: of which ``values`` are the average or a half.
        values: (samples, leads), mV.
        leads: numbers of the leads to use.
        rr_s: interval between beats.
    """
    if not len(leads):
        return None
    own, hz, middle = values[:, leads], beat.hz, beat.middle
    noise = np.maximum(beat.noise[leads], 1e-4)
    qrs = _qrs(own, hz, middle)
    if qrs is None:
        return None
    start, end = qrs
    if end - start < 2:
        return None
    centre = start + int(np.argmax(np.abs(own[start : end + 1] - own[start]).sum(axis=1)))
    t = _t(own, noise, start, end, hz, rr_s)
    # The T wave of the beat before ends here.
    clear = 0 if t is None else round(t[1] - rr_s * hz)
    p = _p(own, noise, max(clear, start - int(_P_REACH_S * hz), 0), start, hz)

    def at(place: float) -> float:
        return (place - middle) / hz

    return Waves(
        qrs_start=at(start),
        qrs_end=at(end),
        r_peak=at(centre),
        p_start=at(p[0]) if p else None,
        p_peak=at(p[1]) if p else None,
        t_peak=at(t[0]) if t else None,
        t_end=at(t[1]) if t else None,
    )


def _qrs(own: Array, hz: float, middle: int) -> tuple[int, int] | None:
    """First and last sample of the QRS complex."""
    width = max(1, round(0.008 * hz))
    kernel = np.ones(width) / width
    smooth = np.stack([np.convolve(column, kernel, "same") for column in own.T], axis=1)
    slope = np.zeros(len(own))
    slope[1:-1] = np.linalg.norm(smooth[2:] - smooth[:-2], axis=1)
    reach = int(0.06 * hz)
    low, high = max(1, middle - reach), min(len(own) - 1, middle + reach)
    top = low + int(np.argmax(slope[low:high]))
    still = max(1, round(_STILL_S * hz))
    noise_slope = float(np.median(slope[1 : max(2, middle - int(0.12 * hz))]))
    floor = max(_SLOPE_SHARE * slope[top], _SLOPE_NOISES * noise_slope)
    floor = min(floor, 0.25 * slope[top])
    if slope[top] <= 0:
        return None
    start, end = top, top
    limit = max(still, middle - int(_QRS_REACH_S[0] * hz))
    while start > limit and slope[start - still : start].max() > floor:
        start -= 1
    limit = min(len(own) - still - 1, middle + int(_QRS_REACH_S[1] * hz))
    while end < limit and slope[end + 1 : end + 1 + still].max() > floor:
        end += 1
    return start, end


def _p(own: Array, noise: Array, first: int, start: int, hz: float) -> tuple[float, int] | None:
    """Start and peak of the P wave, from ``first`` on."""
    last = start - int(0.012 * hz)
    if last - first < int(0.06 * hz):
        return None
    quiet = own[max(0, start - int(0.02 * hz)) : start + 1].mean(axis=0)
    part = own[first:last] - quiet
    summed, sigma = _summed(part, noise)
    peak = int(np.argmax(summed))
    height = summed[peak]
    qrs_height = np.ptp(own, axis=0).max()
    if height < max(_P_NOISES * sigma, _P_MIN_MV, _P_SHARE * qrs_height):
        return None
    if peak <= int(0.012 * hz) or last - first - peak < int(0.008 * hz):
        return None
    back = summed[: peak + 1]
    foot = _tangent(back[::-1])
    if foot is None:
        return None
    onset = peak - _P_FOOT * foot
    return (first + onset, first + peak) if onset > -0.02 * hz else None


def _summed(part: Array, noise: Array) -> tuple[Array, float]:
    """The leads as one wave: each weighted by its height over its noise, with its sign."""
    peak = int(np.argmax(np.linalg.norm(part / noise, axis=1)))
    weights = part[peak] / noise**2
    size = np.linalg.norm(weights)
    if size <= 0:
        return np.zeros(len(part)), 1.0
    weights = weights / size
    return part @ weights, float(np.linalg.norm(weights * noise))


def _tangent(wave: Array) -> float | None:
    """Samples from a peak, the first value, to where the steepest tangent behind it meets 0."""
    smooth = np.convolve(wave, np.ones(3) / 3, "same") if len(wave) > 6 else wave
    half = int(np.argmax(smooth < 0.15 * wave[0])) or len(smooth)
    slope = smooth[2:half] - smooth[: half - 2]
    if len(slope) < 2:
        return None
    at = int(np.argmin(slope)) + 1
    steepest = slope[at - 1] / 2
    return float(at - smooth[at] / steepest) if steepest < 0 else None


def _t(
    own: Array, noise: Array, start: int, end: int, hz: float, rr_s: float
) -> tuple[float, float] | None:
    """Peak and end of the T wave."""
    first = end + int(0.03 * hz)
    last = min(len(own) - 2, start + int(min(0.60, 0.72 * rr_s**0.5 * 0.9) * hz))
    if last - first < int(0.08 * hz):
        return None
    quiet = own[max(0, start - int(0.016 * hz)) : start + 1].mean(axis=0)
    part = own[first : last + 1] - quiet
    summed, sigma = _summed(part, noise)
    peak = int(np.argmax(summed))
    if summed[peak] < max(_T_NOISES * sigma, _T_MIN_MV):
        return None
    if peak < int(0.02 * hz) or len(summed) - peak < int(0.03 * hz):
        return None
    foot = _tangent(summed[peak:])
    if foot is None:
        return None
    t_end = first + peak + foot
    return (first + peak, t_end) if t_end < len(own) + 0.02 * hz else None
