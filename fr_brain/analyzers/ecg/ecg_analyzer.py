"""The built-in analyzer of electrocardiograms."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.ecg_measures import EcgMeasures
from common.domain.findings import AnyQuality, Verdict
from common.domain.scan import BrainScan, Signal
from fr_brain.analyzers.ecg.measure import measure as measure_heart
from fr_brain.analyzers.ecg.zero_crossings import NumpyZeroCrossings, ZeroCrossings

_LIMITATIONS = (
    "Zero crossings count changes of sign in the samples as they were recorded, including noise "
    "and baseline wander: samples that are exactly zero have no sign, and missing samples are "
    "gaps.",
    "Beats, rhythm and intervals were validated on synthetic recordings and two real ones only. "
    "Noise as strong as the heartbeats may hide some of them.",
)
_MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "nV": 1e-6, "V": 1e3}
"""Units of voltage, in mV."""


Measure = Callable[[npt.NDArray[np.float32], float, Sequence[str]], EcgMeasures]
"""Measures a recording: samples (samples, leads) in mV, sampling rate in Hz, names of the leads."""


class EcgAnalyzer:
    """Counts the zero crossings of each lead, and measures the heart.

    A scan that is no signal, or has no finite sample, gets quality 'fail'; one that misses samples
    gets 'warn'. What is no voltage, or has no sampling rate, is counted and not measured: 'warn'.

    Args:
        crossings: counts them; the default is the fast one.
        measure: measures the heart (METHOD.md says how); None: nothing is measured.
    """

    name = "ecg"
    version = "2"
    scan_types = frozenset({"ecg"})
    priority = 0

    def __init__(
        self, crossings: ZeroCrossings | None = None, measure: Measure | None = measure_heart
    ) -> None:
        self._crossings = crossings or NumpyZeroCrossings()
        self._measure = measure

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> EcgFindings:
        """Read one recording.

        Args:
            scan: the header, with the signal part.
            voxels: samples of any dtype, (samples, leads).
        """
        signal = scan.signal
        if signal is None or voxels.ndim != 2:
            return _failed("The scan is not a signal: it has no leads and no sampling rate.", ())
        crossings = tuple(
            LeadCrossings(lead=lead, zero_crossings=self._crossings.count(voxels[:, n]))
            for n, lead in enumerate(signal.leads)
        )
        if not np.isfinite(voxels).any():
            return _failed("No sample is a finite number.", crossings)
        measures = self._measured(signal, voxels)
        problems = dict(_problems(signal, voxels))
        verdict, flags, reasons = Verdict.PASS, tuple(problems), tuple(problems.values())
        if measures is not None:
            verdict = Verdict(measures.verdict)
            flags = tuple(dict.fromkeys((*measures.flags, *flags)))
            reasons = tuple(dict.fromkeys((*measures.reasons, *reasons)))
        if problems and verdict is Verdict.PASS:
            verdict = Verdict.WARN
        return EcgFindings(
            quality=AnyQuality(verdict=verdict, flags=flags, reasons=reasons),
            crossings=crossings,
            measures=measures,
            limitations=_LIMITATIONS,
        )

    def _measured(self, signal: Signal, voxels: npt.NDArray[Any]) -> EcgMeasures | None:
        units = signal.lead_units or (signal.units,) * len(signal.leads)
        rate = signal.sampling_rate_hz
        if self._measure is None or rate is None or not set(units) <= set(_MILLIVOLTS):
            return None
        scale = np.array([_MILLIVOLTS[unit] for unit in units])
        with np.errstate(over="ignore", invalid="ignore"):
            # A day of samples is not copied for nothing.
            scaled = voxels if (scale == 1).all() else voxels * scale
            samples = scaled.astype(np.float32, copy=False)
        return self._measure(samples, rate, signal.leads)


def _problems(signal: Signal, voxels: npt.NDArray[Any]) -> Iterator[tuple[str, str]]:
    """What limits the findings: flags and reasons."""
    missing = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
    if missing:
        percent = 100 * missing / voxels.size
        yield "samples_missing", f"{percent:.3g} % of the samples are missing or not finite."
    if signal.sampling_rate_hz is None:
        reason = "The file gives no sampling rate, so only zero crossings are counted."
        yield "no_sampling_rate", reason
    units = signal.lead_units or (signal.units,)
    if strange := sorted(set(units) - set(_MILLIVOLTS)):
        reason = f"The samples are in {', '.join(strange)}, which is not a unit of voltage."
        yield "not_a_voltage", reason


def _failed(reason: str, crossings: tuple[LeadCrossings, ...]) -> EcgFindings:
    return EcgFindings(
        quality=AnyQuality(verdict=Verdict.FAIL, reasons=(reason,), flags=("no_signal",)),
        crossings=crossings,
        limitations=_LIMITATIONS,
    )
