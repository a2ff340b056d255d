"""Run the analyzer and return arrays; the only file of the evaluation that uses the analyzer."""

import time
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan
from common.domain.types import Affine, hash_voxels, utc_now
from fr_brain.analyzers.volume.image import UnreadableImage
from fr_brain.analyzers.volume.segment import segment


@dataclass(frozen=True, slots=True)
class Reading:
    """The analysis of one scan; all arrays have its shape."""

    labels: npt.NDArray[Any]
    """Label array of the lesions; 0 is background."""
    brain: npt.NDArray[np.bool_] | None
    """Mask of the brain with its ventricles and sulci; None if not available."""
    volumes_ml: dict[str, float]
    """Measured volumes of ``grey``, ``white``, ``csf``, ``intracranial``, ``lesion``."""
    failed: str | None
    """Reason if the analysis failed; then there are no lesions and no volumes."""
    seconds: float
    """CPU time, seconds."""


def read(scan_type: str, voxels: npt.NDArray[Any], affine: Affine) -> Reading:
    """Analyse one image.

    Args:
        scan_type: selects the analyzer.
        voxels: intensities, in Fortran order.
        affine: maps voxel indices to mm, RAS+.
    """
    scan = BrainScan(
        scan_id="evaluation",
        pacs="evaluation",
        scan_type=scan_type,
        acquired_at=utc_now(),
        shape=voxels.shape,
        dtype=cast("Any", voxels.dtype.name),
        voxels_bytes=voxels.nbytes,
        voxels_hash=hash_voxels(b""),
        affine=affine,
    )
    started = time.process_time()
    try:
        labels, brain, volumes = _segment(scan, voxels)
        failed = None
    except UnreadableImage as unreadable:
        labels, brain, volumes = np.zeros(voxels.shape, np.uint8), None, {}
        failed = str(unreadable)
    return Reading(labels, brain, volumes, failed, time.process_time() - started)


def _segment(
    scan: BrainScan, voxels: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None, dict[str, float]]:
    found = segment(scan, voxels)
    return found.lesion_labels(), found.brain_mask(), found.volumes_ml
