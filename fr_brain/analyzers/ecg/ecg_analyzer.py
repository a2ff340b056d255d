"""The built-in analyzer of electrocardiograms."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.findings import AnyQuality, Verdict
from common.domain.scan import BrainScan, Signal
from fr_brain.analyzers.ecg.zero_crossings import NumpyZeroCrossings, ZeroCrossings

_LIMITATIONS = (
    "Zero crossings count changes of sign in the samples as they were recorded, noise and baseline "
    "wander included: samples that are exactly zero have no sign, and missing samples are gaps.",
)
_MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "nV": 1e-6, "V": 1e3}
"""Units of voltage, in mV."""


class EcgAnalyzer:
    """Counts the zero crossings of each lead.

    A scan that is no signal, or has no finite sample, gets quality 'fail'; one that misses samples
    gets 'warn'.

    Args:
        crossings: counts them; the default is the fast one.
    """

    name = "ecg"
    version = "1"
    scan_types = frozenset({"ecg"})
    priority = 0

    def __init__(self, crossings: ZeroCrossings | None = None) -> None:
        self._crossings = crossings or NumpyZeroCrossings()

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> EcgFindings:
        """Read one recording.

        Args:
            scan: the header, with the signal part.
            voxels: samples of any dtype, (samples, leads).
        """
        signal = scan.signal
        if signal is None or voxels.ndim != 2:
            return _failed("The scan is no signal: it has no leads and no sampling rate.", ())
        crossings = tuple(
            LeadCrossings(lead=lead, zero_crossings=self._crossings.count(voxels[:, n]))
            for n, lead in enumerate(signal.leads)
        )
        if not np.isfinite(voxels).any():
            return _failed("No sample is a finite number.", crossings)
        problems = list(_problems(signal, voxels))
        return EcgFindings(
            quality=AnyQuality(
                verdict=Verdict.WARN if problems else Verdict.PASS,
                flags=tuple(flag for flag, _ in problems),
                reasons=tuple(reason for _, reason in problems),
            ),
            crossings=crossings,
            limitations=_LIMITATIONS,
        )


def _problems(signal: Signal, voxels: npt.NDArray[Any]) -> Iterator[tuple[str, str]]:
    """What limits the findings: flags and reasons."""
    missing = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
    if missing:
        percent = 100 * missing / voxels.size
        yield "samples_missing", f"{percent:.3g} % of the samples are missing or not finite."
    units = signal.lead_units or (signal.units,)
    if strange := sorted(set(units) - set(_MILLIVOLTS)):
        yield "not_a_voltage", f"Samples are in {', '.join(strange)}, which is no voltage."


def _failed(reason: str, crossings: tuple[LeadCrossings, ...]) -> EcgFindings:
    return EcgFindings(
        quality=AnyQuality(verdict=Verdict.FAIL, reasons=(reason,), flags=("no_signal",)),
        crossings=crossings,
        limitations=_LIMITATIONS,
    )
