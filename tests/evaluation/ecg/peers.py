"""Other detectors on the same signals: the ``evaluate`` extra. Each gets one lead, as its users
would give it: II, else the first; gaps bridged, because none of them takes NaN."""

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Detector = Callable[[Array, float], list[float]]


def _neurokit(signal: Array, hz: float) -> list[float]:
    import neurokit2

    cleaned = neurokit2.ecg_clean(signal, sampling_rate=hz)
    _, found = neurokit2.ecg_peaks(cleaned, sampling_rate=hz)
    return [float(place) / hz for place in found["ECG_R_Peaks"]]


def _xqrs(signal: Array, hz: float) -> list[float]:
    from wfdb import processing

    detector = processing.XQRS(sig=signal, fs=hz)
    detector.detect(verbose=False)
    return [float(place) / hz for place in detector.qrs_inds]


def _biosppy(signal: Array, hz: float) -> list[float]:
    from biosppy.signals import ecg

    (found,) = ecg.hamilton_segmenter(signal=signal, sampling_rate=hz)
    (corrected,) = ecg.correct_rpeaks(signal=signal, rpeaks=found, sampling_rate=hz, tol=0.05)
    return [float(place) / hz for place in corrected]


_PEERS: dict[str, tuple[str, Detector]] = {
    "NeuroKit2": ("neurokit2", _neurokit),
    "XQRS": ("wfdb", _xqrs),
    "BioSPPy": ("biosppy", _biosppy),
}


def installed_peers() -> list[str]:
    """The names of those that are installed."""
    return [name for name, (module, _) in _PEERS.items() if importlib.util.find_spec(module)]


def detect(peer: str, samples: Array, hz: float, leads: tuple[str, ...]) -> list[float]:
    """Times of the beats that a peer finds, s. One that fails on a record finds none."""
    lead = next((n for n, name in enumerate(leads) if name in ("II", "MLII")), 0)
    signal = samples[:, lead].astype(np.float64)
    good = np.isfinite(signal)
    signal = np.interp(np.arange(len(signal)), np.flatnonzero(good), signal[good])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return sorted(_PEERS[peer][1](signal, hz))
        except ImportError:
            raise
        except Exception:  # noqa: BLE001 - their failures are their result
            return []
