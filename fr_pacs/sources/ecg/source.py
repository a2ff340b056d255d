"""Synthetic electrocardiograms as a source of scans."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from common.domain.scan import SAMPLES_MAX, BrainScan, Signal
from common.domain.types import hash_voxels, utc_now
from common.errors import SettingsError
from fr_pacs.sources.base import LoadedScan
from fr_pacs.sources.ecg.model import TWELVE, EcgRecipe, make_ecg
from fr_pacs.sources.synthetic import SyntheticSource

SAMPLING_RATE_HZ = 500.0

_SHORTEST_S = 2.0
"""A shorter recording is the beginning of one of this length, which has a heartbeat."""

_MADE_BY = "ecg 2"
"""Changes with the samples: an id must not stand for two recordings."""


class EcgSource(SyntheticSource["EcgTask"]):
    """Scans of type ``'ecg'``: samples in mV, float32, at 500 Hz, in sinus rhythm (``make_ecg``).

    The same ``seed``, ``shape`` and index give the same samples in any process.

    Args:
        pacs: name of this Fr-PACS.
        scans: how many; None: endless.
        seed: of the samples.
        shape: samples, and leads (1 to 12).
        run: as of ``SyntheticSource``.

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
        super().__init__(pacs, scans, seed, run)
        samples, leads = shape
        if not 2 <= samples <= SAMPLES_MAX or not 1 <= leads <= len(TWELVE):
            raise SettingsError(
                f"SHAPE is {samples}x{leads}; an ECG has 2 samples or more and 1 to {len(TWELVE)} "
                "leads, such as 5000x12"
            )
        self._shape = shape

    def _task(self, index: int) -> "EcgTask":
        scan_id = self._scan_id(_MADE_BY, self._seed, index, self._shape)
        return EcgTask(self._pacs, self._seed, index, self._shape, scan_id)


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
        leads = TWELVE[: self.shape[1]]
        scan = BrainScan(
            scan_id=self.scan_id,
            pacs=self.pacs,
            scan_type="ecg",
            modality="ECG",
            acquired_at=self.acquired_at,
            signal=Signal(sampling_rate_hz=SAMPLING_RATE_HZ, leads=leads, units="mV"),
            shape=self.shape,
            dtype="float32",
            voxels_bytes=len(voxels),
            voxels_hash=hash_voxels(voxels),
        )
        return LoadedScan(scan, voxels)


def make_samples(seed: int, index: int, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Samples (samples, leads) in mV, Fortran order, little-endian."""
    seconds = max(_SHORTEST_S, shape[0] / SAMPLING_RATE_HZ)
    recipe = EcgRecipe(leads=TWELVE[: shape[1]], hz=SAMPLING_RATE_HZ, duration_s=seconds)
    made = make_ecg(seed, index, recipe).samples[: shape[0]]
    return np.asfortranarray(made, dtype="<f4")
