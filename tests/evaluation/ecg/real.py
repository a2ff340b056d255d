"""Real records: those in the folder that ``ECG_RECORDS`` names, pydicom's, scipy's."""

import os
import sys
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
from common.formats.ecg.wfdb import open_wfdb
from fr_brain.analyzers.ecg.measure import measure
from tests.evaluation.ecg.annotations import beats_of
from tests.evaluation.ecg.matching import BeatCounts, match_beats
from tests.evaluation.ecg.outcomes import times_of
from tests.evaluation.ecg.peers import detect

SCIPY = Path(sys.prefix, "ecg.dat")
"""MIT-BIH record 208, 5 minutes of one lead without annotations, from scipy 1.11 (``make
ecg-record``)."""
_SCIPY_HZ, _SCIPY_GAIN, _SCIPY_ZERO = 360.0, 200, 1024
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
    """A record of the folder."""
    path = (folder() or Path()) / f"{name}.hea"
    opened = open_wfdb(path)
    recording, notes = opened.recording, path.with_suffix(".atr")
    samples = np.full((recording.samples, len(recording.leads)), np.nan, np.float32, order="F")
    opened.read(samples)
    hz = recording.sampling_rate_hz
    assert hz is not None
    beats = tuple(at / hz for at in beats_of(notes)) if notes.exists() else None
    return RealRecord(name, samples, hz, recording.leads, beats)


def read_scipy() -> RealRecord:
    """scipy's sample."""
    with np.load(SCIPY) as file:
        digital = file["ecg"].astype(np.float32)
    millivolts = (digital[:, None] - _SCIPY_ZERO) / _SCIPY_GAIN
    return RealRecord("scipy's ecg.dat", millivolts, _SCIPY_HZ, ("MLII",))


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
    if SCIPY.exists():
        yield read_scipy()
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
