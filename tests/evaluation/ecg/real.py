"""Real records: those in the folder that ``ECG_RECORDS`` names, pydicom's, scipy's."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.data import get_testdata_file

from common.domain.ecg_measures import EcgMeasures
from fr_brain.analyzers.ecg.measure import measure
from tests.evaluation.ecg.matching import BeatCounts, match_beats
from tests.evaluation.ecg.outcomes import times_of
from tests.evaluation.ecg.peers import detect

BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""The annotation codes that stand for beats (MIT-BIH)."""
DEVICE = {"rr_ms": 982, "pr_ms": 161, "qrs_ms": 75, "qt_ms": 368, "qtc_bazett_ms": 370}
"""What the device measured in pydicom's ``waveform_ecg.dcm``."""
_GOAL = 0.999
_DEVICE_MS = 25


@dataclass(frozen=True, slots=True)
class RealRecord:
    """One real record."""

    name: str
    samples: npt.NDArray[Any]
    hz: float
    leads: tuple[str, ...]
    beats_s: tuple[float, ...] | None = None
    """Annotated beats; None: nobody annotated them."""


@dataclass(frozen=True, slots=True)
class RealOutcome:
    """What was found in a real record."""

    name: str
    found: EcgMeasures
    beats: BeatCounts | None
    peers: dict[str, BeatCounts]
    seconds: float
    wrong: tuple[str, ...]


def folder() -> Path | None:
    """The folder of real records; None: there is none."""
    name = os.environ.get("ECG_RECORDS")
    return Path(name) if name else None


def read_wfdb(name: str) -> RealRecord:
    """A record of the folder, read by the package ``wfdb``."""
    import wfdb

    path = str((folder() or Path()) / name)
    record = wfdb.rdrecord(path)
    beats = None
    if Path(f"{path}.atr").exists():
        notes = wfdb.rdann(path, "atr")
        beats = tuple(
            float(at / record.fs)
            for at, symbol in zip(notes.sample, notes.symbol, strict=True)
            if symbol in BEATS
        )
    samples = record.p_signal.astype(np.float32)
    return RealRecord(name, samples, float(record.fs), tuple(record.sig_name), beats)


def read_dicom() -> RealRecord:
    """pydicom's sample."""
    data = pydicom.dcmread(str(get_testdata_file("waveform_ecg.dcm", download=False)))
    group = data.WaveformSequence[0]
    leads = tuple(
        channel.ChannelSourceSequence[0].CodeMeaning for channel in group.ChannelDefinitionSequence
    )
    millivolts = (data.waveform_array(0) / 1000).astype(np.float32)  # its unit is uV
    return RealRecord("waveform_ecg.dcm", millivolts, float(group.SamplingFrequency), leads)


def read_records() -> Iterator[RealRecord]:
    """All that are there."""
    yield read_dicom()
    place = folder()
    if place is not None:
        for header in sorted(place.glob("*.hea")):
            if any((place / f"{header.stem}.{kind}").exists() for kind in ("dat", "mat")):
                yield read_wfdb(header.stem)


def evaluate_real(record: RealRecord, peers: Sequence[str]) -> RealOutcome:
    """Measure a record and compare."""
    started = time.process_time()
    found = measure(record.samples, record.hz, record.leads)
    seconds = time.process_time() - started
    beats, others = None, {}
    if record.beats_s is not None:
        beats = match_beats(record.beats_s, times_of(found))
        for peer in peers:
            times = detect(peer, record.samples, record.hz, record.leads)
            others[peer] = match_beats(record.beats_s, times)
    return RealOutcome(record.name, found, beats, others, seconds, tuple(_wrong(found, beats)))


def _wrong(found: EcgMeasures, beats: BeatCounts | None) -> Iterator[str]:
    if found.peaks is None:
        yield "no beats"
    if beats is not None:
        for name in ("sensitivity", "precision"):
            if (getattr(beats, name) or 0) < _GOAL:
                yield f"{name} {getattr(beats, name):.4f}, at least {_GOAL}"


def device_errors(found: EcgMeasures) -> dict[str, float | None]:
    """Differences to what the device measured in pydicom's sample, ms."""
    measured = {
        "rr_ms": found.rr.mean_ms if found.rr else None,
        **{name: getattr(found, name).value for name in DEVICE if name != "rr_ms"},
    }
    return {
        name: None if value is None else round(value - DEVICE[name], 1)
        for name, value in measured.items()
    }
