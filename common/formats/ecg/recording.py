"""A recording as its file describes it, and where it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from common.errors import SourceError

LEADS_MAX = 256
SAMPLES_MAX = 2**31 - 1

_FRAME_BYTES = 1 << 20

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file says of its recording.

    Attributes:
        leads: names of the leads, in the order of the samples.
        samples: of each lead.
        sampling_rate_hz: samples per second; None: the file does not say.
        gains: digital steps per mV of each lead; None: not known.
        filters: codes of the filters that the recorder applied.
        start: when it starts; without a zone if ``zone`` is ``'unknown'``.
        patient: the file's identifier of the person; it never leaves this process as it is.
        problems: codes of ``common.domain.input_problems``.
    """

    leads: tuple[str, ...]
    samples: int
    sampling_rate_hz: float | None
    gains: tuple[float, ...] | None = None
    filters: tuple[str, ...] = ()
    start: datetime | None = None
    zone: Literal["utc", "unknown"] = "unknown"
    patient: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A recording and a way to its samples."""

    recording: Recording
    read: Callable[[Samples], None]
    """Writes the samples, mV, into an array of (samples, leads); NaN where there are none.

    Raises SourceError: they are damaged or missing."""


@dataclass(frozen=True, slots=True)
class EcgFile:
    """A recording of a file, for whoever reads its samples later."""

    label: str
    path: Path
    recording: Recording
    format: str
    """How it is written (``EcgFormat``)."""
    stamp: tuple[int, int]
    """Size of the file, bytes, and when it was last written, ns since the epoch."""
    subject: str | None = None
    """The pseudonym of the person."""
    patient: str | None = None
    """What stands for the person in the id of the scan."""

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and leads."""
        return self.recording.samples, len(self.recording.leads)

    @property
    def declared_bytes(self) -> int:
        """Bytes of memory that the samples take."""
        return 4 * self.recording.samples * len(self.recording.leads)

    @property
    def frames(self) -> int:
        """For the budget of reading it: a text takes longer than its samples."""
        return 4 * self.stamp[0] // _FRAME_BYTES + 1

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it (codes such as ``channels_left_out``)."""
        return self.recording.problems


def checked(recording: Recording) -> Recording:
    """The recording, if there can be a scan of it.

    Raises:
        SourceError: it has no samples or leads, too many, or an impossible sampling rate.
    """
    if not recording.leads or recording.samples < 1:
        raise SourceError("an empty recording: it has no samples; export it again")
    if len(recording.leads) > LEADS_MAX:
        raise SourceError(f"{len(recording.leads)} leads; Fr reads up to {LEADS_MAX}: export fewer")
    if recording.samples > SAMPLES_MAX:
        raise SourceError(f"its header declares {recording.samples} samples: split the recording")
    rate = recording.sampling_rate_hz
    if rate is not None and not 0 < rate <= 1e9:
        raise SourceError("its header declares an impossible sampling rate: export it again")
    return recording


def check_not_flat(samples: npt.NDArray[Any]) -> None:
    """Refuse a recording in which nothing was recorded.

    Raises:
        SourceError: all leads have one value, or none, throughout.
    """
    for lead in samples.T:
        finite = lead[np.isfinite(lead)]
        if finite.size and (finite != finite[0]).any():
            return
    if samples.shape[0] > 1:
        raise SourceError(
            "a flat recording: no lead ever changes its value; check the electrodes and the export"
        )
