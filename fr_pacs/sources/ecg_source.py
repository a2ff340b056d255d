"""Synthetic electrocardiograms as a source of scans."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from common.domain.scan import SAMPLES_MAX, BrainScan, Signal
from common.domain.types import hash_voxels, utc_now
from common.errors import SettingsError
from fr_pacs.sources.base import LoadedScan, synthetic_scan_id

SAMPLING_RATE_HZ = 500.0
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
RATE_PER_MINUTE = (50.0, 110.0)
NOISE_MV = 0.015

_WAVES = (
    # centre and width as shares of the interval to the next beat, height in lead II, mV
    (-0.20, 0.028, 0.14),
    (-0.028, 0.008, -0.10),
    (0.0, 0.010, 1.10),
    (0.030, 0.009, -0.22),
    (0.30, 0.050, 0.30),
)
"""P, Q, R, S and T as Gaussians, after the waves of McSharry et al. (IEEE Trans. Biomed. Eng. 50,
2003)."""
_INDEPENDENT = {"I": 0.6, "II": 1.0, "V1": -0.7, "V2": -0.3, "V3": 0.4, "V4": 1.3, "V5": 1.2,
                "V6": 0.9}  # fmt: skip
"""Height of each lead that is recorded, relative to lead II."""


class EcgSource:
    """Scans of type ``'ecg'``: samples in mV, float32, at 500 Hz.

    The same ``seed``, ``shape`` and index give the same samples in any process. Its tasks may be
    loaded by any number of threads.

    Args:
        pacs: name of this Fr-PACS.
        scans: how many; None: endless.
        seed: of the samples.
        shape: samples, and leads (1 to 12).
        run: gives the same ECGs the same ids in each run of this name; None: ids are random.

    Raises:
        SettingsError: a negative seed or number of scans, or a shape that no ECG can have.
    """

    def __init__(
        self,
        pacs: str,
        scans: int | None,
        seed: int,
        shape: tuple[int, int] = (5000, 12),
        run: str | None = None,
    ) -> None:
        if scans is not None and scans < 0:
            raise SettingsError(f"scans is {scans}; it must be 0 or more, or None for endless")
        if seed < 0:
            raise SettingsError(f"seed is {seed}; it must be 0 or more")
        samples, leads = shape
        if not 2 <= samples <= SAMPLES_MAX or not 1 <= leads <= len(LEADS):
            raise SettingsError(
                f"SHAPE is {samples}x{leads}; an ECG has 2 samples or more and 1 to {len(LEADS)} "
                "leads, such as 5000x12"
            )
        self._pacs = pacs
        self._scans = scans
        self._seed = seed
        self._shape = shape
        self._run = run

    @property
    def total(self) -> int | None:
        """The number of scans; None: endless."""
        return self._scans

    @property
    def waits(self) -> bool:
        """False: it streams like a recorder, whether Fr-HUB is reachable or not."""
        return False

    def __iter__(self) -> Iterator["EcgTask"]:
        """One task per scan, each with its own id."""
        index = 0
        while self._scans is None or index < self._scans:
            what = ("ecg", self._seed, index, self._shape)
            scan_id = synthetic_scan_id(self._run, self._pacs, *what)
            yield EcgTask(self._pacs, self._seed, index, self._shape, scan_id)
            index += 1


@dataclass(frozen=True, slots=True, eq=False)
class EcgTask:
    """One ECG to make. Loading it again gives the same scan under the same id."""

    pacs: str
    seed: int
    index: int
    shape: tuple[int, int]
    scan_id: str
    acquired_at: datetime = field(default_factory=utc_now)

    @property
    def label(self) -> str:
        """Names the ECG and its seed in logs."""
        return f"ecg {self.index} of seed {self.seed}"

    def load(self) -> LoadedScan:
        """Make the ECG; this cannot fail."""
        samples = make_samples(self.seed, self.index, self.shape)
        # The transpose is the same memory in C order, as a flat view requires.
        voxels = samples.T.reshape(-1).view(np.uint8).data
        scan = BrainScan(
            scan_id=self.scan_id,
            pacs=self.pacs,
            scan_type="ecg",
            modality="ECG",
            acquired_at=self.acquired_at,
            signal=Signal(
                sampling_rate_hz=SAMPLING_RATE_HZ, leads=LEADS[: self.shape[1]], units="mV"
            ),
            shape=self.shape,
            dtype="float32",
            voxels_bytes=len(voxels),
            voxels_hash=hash_voxels(voxels),
        )
        return LoadedScan(scan, voxels)


def make_samples(seed: int, index: int, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Samples (samples, leads) in mV, Fortran order, little-endian: a sinus rhythm at a rate that
    varies with breathing, and white noise."""
    generator = np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(index,)))
    )
    count = shape[0]
    seconds = count / SAMPLING_RATE_HZ
    mean_s = 60 / generator.uniform(*RATE_PER_MINUTE)
    beats = np.arange(int(seconds / mean_s) + 4)
    intervals = mean_s * (1 + 0.03 * np.sin(0.9 * beats) + generator.normal(0, 0.01, len(beats)))
    peaks = np.cumsum(intervals) - mean_s * generator.uniform(1, 2)
    time = np.arange(count) / SAMPLING_RATE_HZ
    nearest = np.clip(np.searchsorted(peaks + mean_s / 2, time), 0, len(peaks) - 1)
    phase = (time - peaks[nearest]) / mean_s
    # The waves reach into the beats before and after.
    wave = np.zeros(count)
    for turn in (-1, 0, 1):
        for centre, width, height in _WAVES:
            wave += height * np.exp(-(((phase + turn - centre) / width) ** 2) / 2)
    leads = {
        name: factor * wave + generator.normal(0, NOISE_MV, count)
        for name, factor in _INDEPENDENT.items()
    }
    one, two = leads["I"], leads["II"]
    # Einthoven's law, and Goldberger's.
    leads["III"] = two - one
    leads["aVR"], leads["aVL"], leads["aVF"] = -(one + two) / 2, one - two / 2, two - one / 2
    chosen = [leads[name] for name in LEADS[: shape[1]]]
    return np.array(chosen, dtype="<f4").T
