"""What the analyzer makes of a scan, as arrays: the only file here that knows the analyzer."""

import time
from dataclasses import dataclass
from typing import Any, cast

import cc3d
import numpy as np
import numpy.typing as npt

from common.models import Affine, BrainScan, hash_voxels, utc_now
from fr_brain.analyzers.volume_field import fit_field
from fr_brain.analyzers.volume_image import Unfit, canonical, coarsen
from fr_brain.analyzers.volume_lesions import even_out, find_flank, find_regions
from fr_brain.analyzers.volume_masks import find_masks


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one scan; all arrays have its shape."""

    labels: npt.NDArray[Any]
    """Lesion n is where it is n; 0 is none."""
    brain: npt.NDArray[np.bool_] | None
    """The intracranial volume; None where it is not told."""
    volumes_ml: dict[str, float]
    """Those measured of ``grey``, ``white``, ``csf``, ``intracranial``, ``lesion``."""
    failed: str | None
    """Why the image could not be judged: then there are no lesions and no volumes."""
    seconds: float
    """CPU time."""


def read(scan_type: str, voxels: npt.NDArray[Any], affine: Affine) -> Reading:
    """Analyse one image.

    Args:
        scan_type: picks how.
        voxels: Fortran order.
        affine: voxel indices to mm, RAS+.
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
    except Unfit as unfit:
        labels, brain, volumes = np.zeros(voxels.shape, np.uint8), None, {}
        failed = str(unfit)
    return Reading(labels, brain, volumes, failed, time.process_time() - started)


def _segment(
    scan: BrainScan, voxels: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None, dict[str, float]]:
    image = canonical(scan, voxels)
    coarse = coarsen(image)
    masks = find_masks(coarse, image.voxel_ml)
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    evened = even_out(image, coarse, masks, fit_field(coarse, masks, shape))
    flank = find_flank(evened.histogram)
    if flank is None:
        raise Unfit("no clear main intensity")
    regions = find_regions(evened, flank, image.spacing, image.voxel_ml)
    pieces = cc3d.connected_components((evened.codes >= flank.grow).view(np.uint8), connectivity=18)
    labels = np.zeros(voxels.shape, np.uint8)
    view = labels.T
    offset = np.array(evened.start)
    for number, region in enumerate(regions, 1):
        z, y, x = np.rint(np.array(region.centroid) - offset).astype(int)
        piece = pieces[z, y, x]
        if piece:
            box = tuple(slice(a, a + n) for a, n in zip(evened.start, pieces.shape, strict=True))
            view[box][pieces == piece] = number
    lesion_ml = sum(region.voxels for region in regions) * image.voxel_ml
    return labels, None, {"lesion": lesion_ml}
