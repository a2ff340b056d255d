"""The analyzer of volumes: bright lesions in a head, by thresholds and connected components."""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.models import BrainScan, Findings, Lesion, Lesions, Quality, Verdict, Volumes
from fr_brain.analyzers.volume_field import Field, fit_field
from fr_brain.analyzers.volume_image import Coarse, Image, Unfit, canonical, coarsen
from fr_brain.analyzers.volume_lesions import WHITE, Region, even_out, find_flank, find_regions
from fr_brain.analyzers.volume_masks import Masks, at_edge, find_masks

LARGEST_LISTED = 20

_VOXELS_MIN = 12  # along each axis
_SPACING_MAX_MM = 8.0
_SPACING_WARN_MM = 3.5
_VIEW_MM = (80.0, 600.0)
_NOISE_WARN = 0.08
_NOISE_MAX = 0.15
_LOAD_MAX = 0.15
# The flank's foot is 2.45 sigma from its peak. Grey matter on FLAIR is at most about 1.25 times as
# bright as white; what is more, and common enough to shape the histogram, is no healthy tissue.
_FLANK_SIGMAS, _TISSUE_MAX = 2.45, 1.35
# Shares of the brain's blocks at the edge of the field of view: a top or bottom that is cut off
# gives about 0.02, a slab out of the middle 0.08 and more.
_AT_EDGE_WARN, _AT_EDGE_MAX = 0.01, 0.06
_RIM_MM = 8.0

_LIMITATIONS = (
    "A first method: thresholds and connected components. Checked on synthetic heads only "
    "(FLAIR-like, 2 mm voxels, lesions of 2 to 6.5 mm radius and 1.35 to 1.8 times white matter, "
    "noise 1 to 5 %, field 10 to 40 %), from the same authors as the method: its figures there "
    "are optimistic (110 of 112 lesions found, none false, in 20 scans). On no real lesion.",
    "Only lesions brighter than all healthy tissue are found; none at the brain's surface (outer "
    "4 mm), none below 0.01 ml or 3 voxels; lesions that touch count as one.",
    "The brain is outlined in blocks of about 4 mm; adult heads only. The head's volume is taken "
    "with its cavities and some 5 % too large; that of the brain hangs on the contrast.",
)


class VolumeAnalyzer:
    """Finds bright lesions in a three-dimensional head, of any dtype, orientation and voxel size.

    Steps: canonical orientation; block means of 4 mm; head by Otsu's threshold (1979); brain by
    erosion inside of the skull; bias field as a quadratic; threshold at the right flank of the
    brain's histogram; 18-connected components (cc3d); volumes at half of a lesion's rise.

    On 20 held-out phantoms of 96^3 it finds 110 of 112 lesions and no false one, their total
    volume 6 % off in the mean and 27 % at most; a test holds it to bounds near these. On Colin27
    and MNI152 (T1, healthy) it reports no lesion, and finds those put into Colin27.

    An image that cannot be judged is of quality 'fail' with the reason; no measure is given
    then. The result is the same for the same scan, and hangs on the orientation of its axes only
    by rounding. Memory: about 6 bytes a voxel of the brain's box, beside the scan.
    """

    name = "volume"
    version = "1"
    scan_types = frozenset({"volume", "flair", "t1"})
    priority = 0

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
        """Read one volume.

        Args:
            scan: its header; the affine (mm, RAS+) places it.
            voxels: three axes, any real dtype.
        """
        try:
            return _judge(scan, voxels)
        except Unfit as unfit:
            return Findings(
                quality=Quality(verdict=Verdict.FAIL, reasons=(str(unfit),)),
                lesions=None,
                limitations=_LIMITATIONS,
            )


def _judge(scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
    _check_geometry(scan, voxels)
    image = canonical(scan, voxels)
    coarse = coarsen(image)
    masks = find_masks(coarse, image.voxel_ml)
    if at_edge(masks.brain) > _AT_EDGE_MAX:
        raise Unfit(
            "The brain goes on past the edge of the field of view: a part of it is missing."
        )
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    field = fit_field(coarse, masks, shape)
    evened = even_out(image, coarse, masks, field)
    flank = find_flank(evened.histogram)
    if flank is None or flank.sigma > _NOISE_MAX * WHITE:
        raise Unfit("The brain has no clear main intensity: too noisy, or not one image.")
    brightest = (flank.grow - _FLANK_SIGMAS * flank.sigma) / WHITE
    if brightest > _TISSUE_MAX:
        raise Unfit(
            f"A large part of the brain is {brightest:.1f} times as bright as the rest: fluid as "
            "on T2, a very large lesion, or no brain; lesions cannot be told from tissue there."
        )
    regions = find_regions(evened, flank, image.spacing, image.voxel_ml)
    found = sum(region.voxels for region in regions)
    if found > _LOAD_MAX * evened.tissue_voxels:
        raise Unfit(
            f"{found / evened.tissue_voxels:.0%} of the brain is brighter than its tissue: "
            "another contrast, or the brain was not told apart."
        )
    reasons = _doubts(image, coarse, masks, field, flank.sigma)
    return Findings(
        quality=Quality(verdict=Verdict.WARN if reasons else Verdict.PASS, reasons=reasons),
        lesions=Lesions(
            count=len(regions),
            voxels=found,
            volume_ml=found * image.voxel_ml,
            largest=tuple(_lesion(region, scan, image) for region in regions[:LARGEST_LISTED]),
        ),
        volumes=Volumes(head_ml=masks.head_ml, brain_ml=evened.tissue_voxels * image.voxel_ml),
        limitations=_LIMITATIONS,
    )


def _check_geometry(scan: BrainScan, voxels: npt.NDArray[Any]) -> None:
    if voxels.ndim != 3:
        raise Unfit(f"A volume has three axes, this image has {voxels.ndim}.")
    size = "x".join(map(str, voxels.shape))
    if min(voxels.shape) < _VOXELS_MIN:
        raise Unfit(
            f"Too few voxels or slices to judge: {size}; at least {_VOXELS_MIN} along each axis."
        )
    if scan.voxel_size_mm is None:
        raise Unfit("The image is not placed in space, so the size of nothing in it is known.")
    if max(scan.voxel_size_mm) > _SPACING_MAX_MM:
        raise Unfit(
            f"Voxels of {max(scan.voxel_size_mm):.1f} mm are too coarse to judge; "
            f"at most {_SPACING_MAX_MM:.0f} mm."
        )
    view = [n * mm for n, mm in zip(voxels.shape, scan.voxel_size_mm, strict=True)]
    if min(view) < _VIEW_MM[0] or max(view) > _VIEW_MM[1]:
        extent = " x ".join(f"{mm:.0f}" for mm in view)
        raise Unfit(
            f"The field of view of {extent} mm is not a head's: "
            f"{_VIEW_MM[0]:.0f} to {_VIEW_MM[1]:.0f} mm along each axis."
        )


def _doubts(
    image: Image, coarse: Coarse, masks: Masks, field: Field, sigma: float
) -> tuple[str, ...]:
    """What to doubt in a result that is given."""
    reasons = []
    if coarse.not_finite:
        reasons.append(
            f"{coarse.not_finite} of {image.view.size} voxels are no finite numbers; "
            "they were taken as background."
        )
    if masks.stripped:
        reasons.append("Scalp and skull are missing: 'head' is what is left of it.")
    if not _grey_is_brighter(coarse, masks):
        reasons.append(
            "Grey matter is not brighter than white, as on T1: lesions are dark there and would "
            "not be seen."
        )
    if max(image.spacing) > _SPACING_WARN_MM:
        smallest = 3 * image.voxel_ml
        reasons.append(
            f"Voxels of {max(image.spacing):.1f} mm: lesions below {smallest:.2g} ml cannot be "
            "seen, and the volumes of others are coarse."
        )
    if sigma > _NOISE_WARN * WHITE:
        reasons.append(
            f"White matter varies by {sigma / WHITE:.0%}: small lesions may be missed, and small "
            "findings may be noise."
        )
    if at_edge(masks.brain) > _AT_EDGE_WARN:
        reasons.append("The brain reaches the edge of the field of view: a part may be missing.")
    if field.inu_percent is None:
        reasons.append("The bias field could not be fitted; none was taken off.")
    return tuple(reasons)


def _grey_is_brighter(coarse: Coarse, masks: Masks) -> bool:
    """Whether the cortex outshines the deep brain, as on FLAIR and T2."""
    rim = masks.brain & (masks.depth > 0) & (masks.depth <= _RIM_MM)
    deep = masks.brain & (masks.depth >= 12.0)
    if not rim.any() or not deep.any():
        return True
    return bool(np.quantile(coarse.mean[rim], 0.75) > np.median(coarse.mean[deep]))


def _lesion(region: Region, scan: BrainScan, image: Image) -> Lesion:
    centroid = image.scan_index(region.centroid)
    affine = np.array(scan.affine)
    x, y, z = affine[:, :3] @ centroid + affine[:, 3]
    return Lesion(
        voxels=region.voxels,
        volume_ml=region.voxels * image.voxel_ml,
        centroid_voxel=centroid,
        centroid_mm=(float(x), float(y), float(z)),
    )
