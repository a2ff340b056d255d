"""Measure an ECG: beats first, then everything that needs them; withhold what cannot be judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.ecg_measures import (
    EcgLead,
    EcgMeasures,
    Measured,
    Rhythm,
    RPeaks,
    RrStatistics,
)
from fr_brain.analyzers.ecg.average import AverageBeat, average_beat
from fr_brain.analyzers.ecg.axis import electrical_axis
from fr_brain.analyzers.ecg.beats import find_beats
from fr_brain.analyzers.ecg.classes import sort_beats
from fr_brain.analyzers.ecg.conditioning import HZ_MIN
from fr_brain.analyzers.ecg.intervals import Waves, find_waves
from fr_brain.analyzers.ecg.lead_names import standard_name
from fr_brain.analyzers.ecg.quality import (
    HEARTLESS,
    SWAPPED,
    gaps_of,
    judge_leads,
    upside_down,
)
from fr_brain.analyzers.ecg.reasons import reasons_of
from fr_brain.analyzers.ecg.rhythm import name_rhythm
from fr_brain.analyzers.ecg.selection import JUDGED_S, Beats
from fr_brain.analyzers.ecg.variability import variability, withheld_variability

Array = npt.NDArray[Any]

SECONDS_MIN = 2.0
_RATE_BEATS_MIN = 3
_HALVES_DIFFER_S = 0.04
"""An interval that differs by more between every other beat is not one."""
_P_JUDGED_MV = 0.012
"""Noise of the average below which a small P wave would stand out in a lead."""
_QT_S, _PR_S, _QRS_S = (0.2, 0.65), (0.06, 0.4), (0.04, 0.24)


def measure(samples: Array, sampling_hz: float, leads: Sequence[str]) -> EcgMeasures:
    """Measure one record. Reads the samples, keeps nothing and changes nothing.

    Args:
        samples: (samples, leads), mV; NaN or infinite where nothing was recorded.
        sampling_hz: sampling rate.
        leads: names of the leads.

    Returns:
        The measures; a record that cannot be judged has the verdict 'fail' and no values.

    Raises:
        ValueError: the shape does not fit the leads, or the sampling rate is no positive number.
    """
    if samples.ndim != 2 or samples.shape[1] != len(leads):
        raise ValueError(
            f"samples have the shape {samples.shape}, and there are {len(leads)} leads"
        )
    if not (np.isfinite(sampling_hz) and sampling_hz > 0):
        raise ValueError("the sampling rate must be a positive number")
    duration = len(samples) / sampling_hz
    beats = None
    if duration >= SECONDS_MIN and sampling_hz >= HZ_MIN and len(leads):
        beats = find_beats(samples, sampling_hz)
    if beats is None or len(beats.times_s) < _RATE_BEATS_MIN:
        return _failed(samples, sampling_hz, leads, duration)
    return _Measuring(samples, sampling_hz, leads, beats).measures()


@dataclass(slots=True)
class _Measuring:
    """The steps for a record that has beats."""

    samples: Array
    hz: float
    names: Sequence[str]
    beats: Beats

    def measures(self) -> EcgMeasures:
        """All measures."""
        duration = len(self.samples) / self.hz
        found = sort_beats(self.beats, gaps_of(self.samples, self.hz))
        rr = found.rr_s[np.isfinite(found.rr_s)]
        usual = self.beats.times_s[found.usual]
        rr_s = float(np.median(rr)) if len(rr) else 1.0
        average = average_beat(self.samples, self.hz, usual, rr_s)
        if average is None:
            average = average_beat(self.samples, self.hz, self.beats.times_s, rr_s)
        leads = judge_leads(self.samples, self.hz, self.names, average)
        use = [n for n, lead in enumerate(leads) if not HEARTLESS.intersection(lead.problems)]
        use = [n for n in use if average is not None and np.isfinite(average.noise[n])]
        waves = self._waves(average, np.array(use, np.intp), rr_s)
        leads = self._turned(leads, average, waves)
        analysed = min(duration, float(self.beats.judged.sum()) * JUDGED_S)
        swapped = any("swapped" in lead.problems for lead in leads)
        intervals = self._intervals(average, np.array(use, np.intp), waves, rr_s)
        # A P wave that every other beat has elsewhere is none: fibrillation has such.
        has_p = intervals["pr_ms"].value is not None
        quiet = average is not None and bool(use)
        quiet = quiet and float(np.min(average.noise[use])) < _P_JUDGED_MV  # type: ignore[union-attr]
        rhythm = name_rhythm(found, has_p=has_p, p_judged=has_p or quiet)
        shift = waves.r_peak if waves is not None else 0.0
        times = np.clip(self.beats.times_s + shift, 0, duration)
        verdict, reasons, flags = reasons_of(leads, duration, analysed)
        return EcgMeasures(
            verdict=verdict,
            reasons=reasons,
            flags=flags,
            duration_s=round(duration, 3),
            analysed_s=round(analysed, 3),
            leads=leads,
            peaks=RPeaks.of([1000 * float(time) for time in times]),
            heart_rate_bpm=_rate(rr, self.beats),
            rr=_statistics(rr),
            hrv=(
                variability(self.beats.times_s, found.normal_rr_s)
                if has_p
                else withheld_variability("measured only in sinus rhythm")
            ),
            axis_degrees=electrical_axis(leads, average, waves, swapped=swapped),
            rhythm=rhythm,
            **intervals,
        )

    def _waves(self, average: AverageBeat | None, use: Array, rr_s: float) -> Waves | None:
        return None if average is None else find_waves(average, average.values, use, rr_s)

    def _turned(
        self, leads: tuple[EcgLead, ...], average: AverageBeat | None, waves: Waves | None
    ) -> tuple[EcgLead, ...]:
        """The leads, with those that look upside down marked."""
        if average is None or waves is None or waves.p_peak is None or waves.t_peak is None:
            return leads
        place = [
            int(np.clip(average.middle + s * average.hz, 0, len(average.values) - 1))
            for s in (waves.qrs_start, waves.qrs_end, waves.p_peak, waves.t_peak)
        ]
        quiet = average.values[place[0]]
        area = (average.values[place[0] : place[1] + 1] - quiet).sum(axis=0)
        p, t = average.values[place[2]] - quiet, average.values[place[3]] - quiet
        net = [(float(p[n]), float(area[n]), float(t[n])) for n in range(len(leads))]
        down = upside_down(leads, net)
        if not down:
            return leads
        limb = {"I", "II", "III", "AVR", "AVL"}
        marked = []
        for lead in leads:
            standard = standard_name(lead.name)
            word = None
            if SWAPPED in down:
                word = "swapped" if standard in limb else None
            elif standard in down:
                word = "inverted"
            if word is not None:
                grade = "usable" if lead.grade == "good" else lead.grade
                problems = (*lead.problems, word)
                lead = lead.model_copy(update={"problems": problems, "grade": grade})
            marked.append(lead)
        return tuple(marked)

    def _intervals(
        self,
        average: AverageBeat | None,
        use: Array,
        waves: Waves | None,
        rr_s: float,
    ) -> dict[str, Measured]:
        names = ("pr_ms", "qrs_ms", "qt_ms", "qtc_bazett_ms", "qtc_fridericia_ms")
        if average is None or waves is None:
            return dict.fromkeys(names, Measured.no("too few similar beats"))
        halves = [find_waves(average, half, use, rr_s) for half in average.halves]
        seen = [waves, *halves]
        count = average.beats
        out = {
            "pr_ms": _interval(
                [w.pr_s if w else None for w in seen], _PR_S, "no P wave is seen", count
            ),
            "qrs_ms": _interval(
                [w.qrs_s if w else None for w in seen], _QRS_S, "no QRS is seen", count
            ),
            "qt_ms": _interval(
                [w.qt_s if w else None for w in seen], _QT_S, "no end of a T wave is seen", count
            ),
        }
        qt = out["qt_ms"]
        for name, power in (("qtc_bazett_ms", 1 / 2), ("qtc_fridericia_ms", 1 / 3)):
            if qt.value is None:
                out[name] = qt
            else:
                out[name] = Measured(
                    value=round(qt.value / rr_s**power, 1), confidence=qt.confidence
                )
        return out


def _interval(
    seen: Sequence[float | None], allowed: tuple[float, float], missing: str, beats: int
) -> Measured:
    """An interval, if every other beat has about the same one.

    Args:
        seen: in the average of all beats, and in those of every other beat, s.
        allowed: what a heart can have, s.
        missing: why there is none.
        beats: how many were averaged.
    """
    seconds, *halves = seen
    if seconds is None:
        return Measured.no(missing)
    known = [half for half in halves if half is not None]
    if len(known) < len(halves):
        return Measured.no("seen in only part of the beats")
    apart = abs(known[0] - known[1])
    if apart > _HALVES_DIFFER_S:
        return Measured.no("beats differ too much")
    if not allowed[0] <= seconds <= allowed[1]:
        return Measured.no("outside the physiological range")
    confidence = (1 - apart / _HALVES_DIFFER_S) * min(1.0, 0.5 + beats / 20)
    return Measured(value=round(1000 * seconds, 1), confidence=round(confidence, 2))


def _rate(rr: Array, beats: Beats) -> Measured:
    if len(rr) < _RATE_BEATS_MIN - 1:
        return Measured.no("too few beats in a row")
    confidence = float(np.mean(1 / (1 + np.exp(-beats.odds))))
    return Measured(value=round(60 / float(np.mean(rr)), 1), confidence=round(confidence, 2))


def _statistics(rr: Array) -> RrStatistics | None:
    if not len(rr):
        return None
    milliseconds = 1000 * rr
    return RrStatistics(
        intervals=len(rr),
        mean_ms=round(float(milliseconds.mean()), 2),
        median_ms=round(float(np.median(milliseconds)), 2),
        shortest_ms=round(float(milliseconds.min()), 2),
        longest_ms=round(float(milliseconds.max()), 2),
    )


def _failed(samples: Array, hz: float, names: Sequence[str], duration: float) -> EcgMeasures:
    """The measures of a record without beats that can be judged."""
    leads = judge_leads(samples, hz, names, None)
    if duration < SECONDS_MIN:
        reason, flag = f"The record is shorter than {SECONDS_MIN:.0f} s.", "too_short"
    elif hz < HZ_MIN:
        reason, flag = f"The sampling rate is below {HZ_MIN:.0f} Hz.", "sampling_rate"
    else:
        reason, flag = "No heartbeats can be told from noise.", "no_beats"
    none = Measured.no("no heartbeats")
    return EcgMeasures(
        verdict="fail",
        reasons=(reason,),
        flags=(flag,),
        duration_s=round(duration, 3),
        analysed_s=0.0,
        leads=leads,
        peaks=None,
        heart_rate_bpm=none,
        rr=None,
        hrv=withheld_variability("no heartbeats"),
        pr_ms=none,
        qrs_ms=none,
        qt_ms=none,
        qtc_bazett_ms=none,
        qtc_fridericia_ms=none,
        axis_degrees=none,
        rhythm=Rhythm(name=None, withheld="no heartbeats"),
    )
