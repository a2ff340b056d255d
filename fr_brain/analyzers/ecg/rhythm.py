"""Name the rhythm, and what interrupts it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.ecg_measures import Rhythm
from fr_brain.analyzers.ecg.classes import Sorted

Array = npt.NDArray[Any]

PAUSE_S = 2.0
_SLOW_BPM, _FAST_BPM = 60.0, 100.0
_IRREGULAR = 0.10
"""Median change between successive intervals, of the interval: fibrillation has 0.15 and more,
sinus arrhythmia with each breath up to 0.08."""
_INTERVALS_MIN = 4
_DROPPED = (1.7, 2.3)
"""Of the usual interval: a beat in between was not conducted."""


def name_rhythm(sorted_beats: Sorted, *, has_p: bool, p_judged: bool) -> Rhythm:
    """The rhythm.

    Args:
        sorted_beats: the beats.
        has_p: whether the average beat has a P wave.
        p_judged: whether one would be seen, if it were there.
    """
    rr = sorted_beats.rr_s[np.isfinite(sorted_beats.rr_s)]
    if len(rr) < _INTERVALS_MIN:
        return Rhythm(name=None, withheld=f"needs {_INTERVALS_MIN + 1} beats in a row")
    median = float(np.median(rr))
    findings = _findings(sorted_beats, rr, median)
    ventricular = int(sorted_beats.ventricular.sum())
    early = int(sorted_beats.supraventricular.sum())
    irregular = _irregularity(sorted_beats) > _IRREGULAR
    name: Any
    withheld = None
    if irregular and not has_p:
        name = "irregular"
        # Early beats have no meaning where each interval is another.
        early = 0
        findings += ["no_p_waves", "irregularly_irregular"] if p_judged else []
    elif irregular:
        name = "irregular"
    elif has_p:
        name = "sinus"
    elif p_judged:
        name = "regular"
        findings.append("no_p_waves")
    else:
        name, withheld = None, "P waves cannot be judged"
    if ventricular or early:
        findings.append("ectopic_beats")
    return Rhythm(
        name=name,
        withheld=withheld,
        findings=tuple(findings),
        ventricular_like=ventricular,
        supraventricular_like=early,
        pauses=int(np.count_nonzero(rr >= PAUSE_S)),
    )


def _findings(sorted_beats: Sorted, rr: Array, median: float) -> list[str]:
    rate = 60 / float(np.mean(rr))
    findings = []
    if rate < _SLOW_BPM:
        findings.append("bradycardia")
    if rate > _FAST_BPM:
        findings.append("tachycardia")
    if np.count_nonzero(rr >= max(PAUSE_S, 1.3 * median)):
        findings.append("pauses")
    normal = sorted_beats.normal_rr_s / median
    if np.count_nonzero((normal > _DROPPED[0]) & (normal < _DROPPED[1])) >= 2:
        findings.append("dropped_beats")
    return findings


def _irregularity(sorted_beats: Sorted) -> float:
    """Median change between successive intervals without ventricular beats, of the interval."""
    beside = sorted_beats.ventricular.copy()
    beside[1:] |= sorted_beats.ventricular[:-1]
    for rr in (np.where(beside, np.nan, sorted_beats.rr_s), sorted_beats.rr_s):
        changes = np.abs(np.diff(rr)) / rr[1:]
        changes = changes[np.isfinite(changes)]
        if len(changes) >= _INTERVALS_MIN - 1:
            return float(np.median(changes))
    return 0.0
