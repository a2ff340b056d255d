"""What each scan of a world truly holds: computed again from its seed, apart from the units.

A grid's cells follow from the rule in ``fr_pacs.sources.grid``, its findings from the grid
analyzer's: each cell that is not zero is a lesion. Both are computed here without their code. A
phantom's voxels and findings are those of the phantom model and the volume analyzer, run in the
process of the harness; so are an ECG's.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from blake3 import blake3

from common.domain.findings import Findings, Lesions, Quality, Verdict
from common.domain.scan import BrainScan, Signal
from common.domain.types import utc_now
from fr_brain.analyzers.ecg.ecg_analyzer import EcgAnalyzer
from fr_brain.analyzers.volume import VolumeAnalyzer
from fr_pacs.sources.ecg.model import TWELVE
from fr_pacs.sources.ecg.source import SAMPLING_RATE_HZ, make_samples
from fr_pacs.sources.phantom.model import Recipe, make_voxels
from tests.faults.essence import essence_of
from tests.faults.lines import LineReader

Contrast = Literal["flair", "t1"]

_LESION_CHANCE = np.float32(0.2)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a scan holds, and what a right report says of it."""

    voxels_hash: str
    findings: str | None = None
    """Their ``essence``; None: not known."""


def grid_cells(seed: int, index: int, shape: tuple[int, int]) -> bytes:
    """The cells of grid ``index``: uint8, 0 or 1, as the source's documentation has it."""
    cells = math.prod(shape)
    together = max(1, min(512, (1 << 20) // cells))
    number, place = divmod(index, together)
    return _block(seed, number, together * cells)[place * cells : (place + 1) * cells]


@lru_cache(maxsize=16)
def _block(seed: int, number: int, cells: int) -> bytes:
    bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(number,)))
    drawn = np.random.Generator(bits).random(cells, dtype=np.float32)
    return (drawn < _LESION_CHANCE).tobytes()


@lru_cache(maxsize=65536)
def grid_truth(seed: int, index: int, shape: tuple[int, int]) -> Truth:
    """The truth of a grid: each cell that is not zero is a lesion of one voxel."""
    cells = grid_cells(seed, index, shape)
    count = len(cells) - cells.count(0)
    findings = Findings(
        quality=Quality(verdict=Verdict.PASS),
        lesions=Lesions(count=count, voxels=count, volume_ml=None),
    )
    return Truth(blake3(cells).hexdigest(), essence_of(findings))


@lru_cache(maxsize=4096)
def phantom_truth(seed: int, index: int, shape: tuple[int, int, int], contrast: Contrast) -> Truth:
    """The truth of a phantom, which takes as long as its analysis: kept."""
    array, affine = make_voxels(seed, index, shape, Recipe(contrast=contrast))
    voxels = np.asarray(array, dtype="<i2").tobytes(order="F")
    scan = BrainScan(
        scan_id="truth",
        pacs="truth",
        scan_type="volume",
        contrast=contrast,
        acquired_at=utc_now(),
        shape=shape,
        dtype="int16",
        voxels_bytes=len(voxels),
        voxels_hash=blake3(voxels).hexdigest(),
        affine=affine,
    )
    findings = VolumeAnalyzer().analyse(scan, scan.array(voxels))
    return Truth(scan.voxels_hash, essence_of(findings))


@lru_cache(maxsize=4096)
def ecg_truth(seed: int, index: int, shape: tuple[int, int]) -> Truth:
    """The truth of a synthetic ECG: kept, as that of a phantom."""
    samples = make_samples(seed, index, shape)
    voxels = samples.tobytes(order="F")
    scan = BrainScan(
        scan_id="truth",
        pacs="truth",
        scan_type="ecg",
        signal=Signal(sampling_rate_hz=SAMPLING_RATE_HZ, leads=TWELVE[: shape[1]], units="mV"),
        shape=shape,
        dtype="float32",
        voxels_bytes=len(voxels),
        voxels_hash=blake3(voxels).hexdigest(),
    )
    return Truth(scan.voxels_hash, essence_of(EcgAnalyzer().analyse(scan, scan.array(voxels))))


class Truths:
    """The truth of each scan that the sources of a world made; computed when it is asked for.

    Args:
        files: what each Fr-PACS records of its scans; see ``recorders``.
        labelled: the truth of scans that come from files, by label.
    """

    def __init__(self, files: Iterable[Path], labelled: Mapping[str, Truth] | None = None) -> None:
        self.labelled = dict(labelled or {})
        self._readers = [LineReader(path) for path in files]
        self._made: dict[str, Callable[[], Truth | None]] = {}
        self._labels: dict[str, str] = {}

    def read(self) -> None:
        """Read what was recorded since the last call."""
        for reader in self._readers:
            for line in reader.read():
                self._made[line["scan_id"]] = self._rule(line)
                if line["kind"] == "file":
                    self._labels[line["scan_id"]] = line["label"]

    def label_of(self, scan_id: str) -> str | None:
        """The file that this scan comes from."""
        self.read()
        return self._labels.get(scan_id)

    def _rule(self, line: dict[str, Any]) -> Callable[[], Truth | None]:
        seed, index, shape = line.get("seed", 0), line.get("index", 0), tuple(line["shape"])
        match line["kind"]:
            case "grid":
                return lambda: grid_truth(seed, index, (shape[0], shape[1]))
            case "ecg":
                return lambda: ecg_truth(seed, index, (shape[0], shape[1]))
            case "phantom":
                size = (shape[0], shape[1], shape[2])
                return lambda: phantom_truth(seed, index, size, line["contrast"])
            case _:
                return lambda: self.labelled.get(line["label"])

    def of(self, scan_ids: Iterable[str]) -> dict[str, Truth]:
        """The truths of these scans, without those that nobody recorded."""
        self.read()
        found = {}
        for scan_id in scan_ids:
            rule = self._made.get(scan_id)
            truth = None if rule is None else rule()
            if truth is not None:
                found[scan_id] = truth
        return found
