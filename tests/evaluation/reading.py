"""Run the analyzer and return arrays; the only file of the evaluation that runs the analyzer."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from common.domain.findings import Findings
from common.domain.scan import BrainScan
from common.domain.types import Affine, hash_voxels, utc_now
from fr_brain.analyzers.base import Overlay
from fr_brain.analyzers.volume.analyzer import LARGEST_LISTED, VolumeAnalyzer
from fr_brain.analyzers.volume.confidence import Evidence, evidence_of
from fr_brain.analyzers.volume.image import UnreadableImage
from fr_brain.analyzers.volume.lesions import inner_brain
from fr_brain.analyzers.volume.registration.locate import locate
from fr_brain.analyzers.volume.segment import segment
from fr_brain.analyzers.volume.small_lesions import Candidates, find_candidates
from fr_brain.analyzers.volume.streaks import on_streaks


@dataclass(frozen=True, slots=True)
class Reading:
    """The analysis of one scan; all arrays have its shape."""

    labels: npt.NDArray[Any]
    """Label array of the lesions; 0 is background."""
    brain: npt.NDArray[np.bool_] | None
    """Mask of the brain with its ventricles and sulci; None if not available."""
    volumes_ml: dict[str, float]
    """Measured volumes of ``grey``, ``white``, ``csf``, ``intracranial``, ``lesion``, without those
    that the report withholds."""
    failed: str | None
    """Reason if the analysis failed; then there are no lesions and no volumes."""
    flags: tuple[str, ...]
    """Of the report; none with verdict ``pass``."""
    seconds: float
    """CPU time, seconds."""
    to_mni: Affine | None = None
    """From mm in the scan's space to mm in MNI space; None if the report withholds it."""
    regions: dict[int, str] = field(default_factory=dict)
    """Region of each listed finding, by its label."""
    confidence: dict[int, float] = field(default_factory=dict)
    """Confidence of each listed finding, by its label."""


def read(scan_type: str, voxels: npt.NDArray[Any], affine: Affine) -> Reading:
    """Analyse one image.

    Args:
        scan_type: selects the analyzer.
        voxels: intensities, in Fortran order.
        affine: maps voxel indices to mm, RAS+.
    """
    scan = _scan_of(scan_type, voxels, affine)
    started = time.process_time()
    analysis = VolumeAnalyzer().analyse_with_overlay(scan, voxels)
    seconds = time.process_time() - started
    findings = cast("Findings", analysis.findings)
    quality, lesions, volumes = findings.quality, findings.lesions, findings.volumes
    if lesions is None or volumes is None:
        labels = np.zeros(voxels.shape, np.uint8)
        return Reading(labels, None, {}, quality.reasons[0], quality.flags, seconds)
    overlay = cast("Callable[[], Overlay]", analysis.overlay)()
    measured = {
        "grey": volumes.grey_matter_ml,
        "white": volumes.white_matter_ml,
        "csf": volumes.csf_ml,
        "intracranial": volumes.intracranial_ml,
        "lesion": lesions.volume_ml,
    }
    known = {name: ml for name, ml in measured.items() if ml is not None}
    registration = findings.registration
    return Reading(
        overlay.lesions, overlay.brain, known, None, quality.flags, seconds,
        to_mni=None if registration is None else registration.to_mni,
        regions={
            lesion.id: lesion.region.value
            for lesion in lesions.largest
            if lesion.id is not None and lesion.region is not None
        },
        confidence={
            lesion.id: lesion.confidence
            for lesion in lesions.largest
            if lesion.id is not None and lesion.confidence is not None
        },
    )  # fmt: skip


def read_evidence(
    scan_type: str, voxels: npt.NDArray[Any], affine: Affine
) -> tuple[npt.NDArray[Any], list[Evidence]]:
    """The labels of the findings, as ``Reading`` has them, and the evidence of those that a report
    would list; arguments as for ``read``. Nothing if the image cannot be analysed."""
    try:
        scan = _scan_of(scan_type, voxels, affine)
        found = segment(scan, voxels)
    except UnreadableImage:
        return np.zeros(voxels.shape, np.uint8), []
    found = found.without(on_streaks(found), of_brain=True)
    found = found.without(locate(scan, found).outside)
    listed = range(1, min(len(found.lesions), LARGEST_LISTED) + 1)
    return found.lesion_labels(), [evidence_of(found, number) for number in listed]


def read_candidates(
    scan_type: str, voxels: npt.NDArray[Any], affine: Affine, truth: npt.NDArray[Any]
) -> tuple[Candidates, npt.NDArray[Any]]:
    """What the search for small faint lesions judges, and ``truth`` (an array of the scan's shape)
    on the voxels that its positions count; other arguments as for ``read``.

    Raises:
        UnreadableImage: the image cannot be analysed.
    """
    found = segment(_scan_of(scan_type, voxels, affine), voxels)
    large = [n for n, lesion in enumerate(found.lesions, 1) if lesion.small_logit is None]
    candidates = find_candidates(
        found.normalized, inner_brain(found.masks), found.thresholds, found.tissues,
        found.image.spacing_mm, np.isin(found.labels, large),
    )  # fmt: skip
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in found.image.flipped)
    return candidates, truth.transpose(found.image.order)[flips][found.normalized.box]


def _scan_of(scan_type: str, voxels: npt.NDArray[Any], affine: Affine) -> BrainScan:
    return BrainScan(
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
