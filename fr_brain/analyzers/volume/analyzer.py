"""The analyzer of volumes: brain, tissues and lesions of a head, on FLAIR or T1."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.findings import (
    LESIONS_LISTED_MAX,
    Findings,
    Lesion,
    Lesions,
    Quality,
    SizeCounts,
    Verdict,
    Volumes,
)
from common.domain.scan import BrainScan
from fr_brain.analyzers.base import Analysis, Overlay
from fr_brain.analyzers.volume.image import UnreadableImage
from fr_brain.analyzers.volume.lesions import MIN_ML, MeasuredLesion
from fr_brain.analyzers.volume.normalize import WHITE
from fr_brain.analyzers.volume.quality import quality_warnings
from fr_brain.analyzers.volume.segment import Segmentation, segment

LARGEST_LISTED = min(20, LESIONS_LISTED_MAX)

_VOXELS_MIN = 12  # along each axis
_SPACING_MAX_MM = 8.0
_VIEW_MM = (80.0, 600.0)
_INTRACRANIAL_ML = (1000.0, 2000.0)  # of an adult
# A lesion whose rise is this many times the smoothed noise is as good as certain; half of it is a
# coin's throw. Not calibrated: an order, no probability.
_SURE_CNR = 16.0

_LIMITATIONS = (
    "Checked on synthetic heads only (MNI152's anatomy deformed, from the same authors as the "
    "method, so its figures are optimistic), and on Colin27 and MNI152, which have no lesions. On "
    "no real lesion.",
    "FLAIR: only lesions brighter than grey matter are found. Held-out heads, 20 of each kind, "
    "voxels of 0.75 to 2 mm, noise 3 to 9 %, field 20 to 40 %: F1 0.98 to 1.00, Dice 0.94 to "
    "0.96; faint small lesions (1.2 to 1.7 times white matter, 1.2 to 5 mm radius): F1 0.90, "
    "Dice 0.88; 1 false on 180 heads. In voxels of 2.5 to 3 mm, on heads that it was tuned on "
    "(39, noise 1 to 5 %): 19 of 20 found, none false, total volume -12 to +7 %. Finer than 0.75 "
    "mm unchecked.",
    "T1: only dark lesions inside of white matter, apart from grey matter and fluid, are found: "
    "on synthetic heads of 1 mm 1 (noise 9 %) to 4 (noise 3 %) of 10; none false where the field "
    "is read rightly, but 15 on 20 heads in slices of 3 mm.",
    "None is found at the brain's surface (outer 4 mm); lesions that touch count as one. Adult "
    "heads only.",
    "Volumes on held-out heads of 1 mm, in the mean: grey and white matter 1 to 6 % off, fluid 2 "
    "to 4 %, intracranial 1 %; of 80 tuning heads on FLAIR the worst had white matter 8 % off, of "
    "124 on T1 with 3 % noise the worst lost 15 % of its fluid. On T1 with 9 % noise and a field "
    "of 40 %, 5 of 92 tuning heads had the field misread: 2 got no measures, tissues of 3 were 16 "
    "to 104 % off, of which 2 were read as FLAIR and doubted. At 1.4 mm and more grey and white "
    "matter are 4 to 12 % off, fluid 3 to 12 %. How far the skull lies out is tuned on the "
    "synthetic heads and, on T1, bounded by Colin27, whose 2.0 l are at the upper "
    "end.",
)


class VolumeAnalyzer:
    """Finds brain, tissues and lesions in a three-dimensional head, of any dtype, orientation and
    voxel size.

    Steps: canonical orientation; block means of 4 mm; head by Otsu's threshold (1979); brain by
    erosion inside of the skull; bias field as a quadratic (on FLAIR refined by voxels of grey and
    white matter; on T1 the brain is then outlined once more); at full resolution, intracranial
    space by growth, tissues by their levels, lesions by thresholds and connected components
    (cc3d), each measured at half of its rise.

    FLAIR (lesions bright) is told from T1 (lesions dark) by whether grey matter is brighter than
    white; a scan type 't1' or 'flair' that says otherwise is doubted in the report.

    An image that cannot be judged is of quality 'fail' with the reason; no measure is given
    then. The result is the same for the same scan, and hangs on the orientation of its axes only
    by rounding. Memory: at most 6 bytes a voxel beside the scan.
    """

    name = "volume"
    version = "5"
    scan_types = frozenset({"volume", "flair", "t1"})
    priority = 0

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
        """Read one volume.

        Args:
            scan: the header; its affine (mm, RAS+) places the volume in space.
            voxels: array of ``scan.shape``, three axes, any real dtype.
        """
        return self.analyse_with_overlay(scan, voxels).findings

    def analyse_with_overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Analysis:
        """Read one volume and offer the outlines of its lesions and brain; both come from one
        segmentation.

        Args:
            scan: the header; its affine (mm, RAS+) places the volume in space.
            voxels: array of ``scan.shape``, three axes, any real dtype.
        """
        try:
            _check_geometry(scan, voxels)
            segmentation = segment(scan, voxels)
        except UnreadableImage as unreadable:
            return Analysis(
                _withheld(str(unreadable)), lambda: Overlay(np.zeros(voxels.shape, np.uint8))
            )
        return Analysis(
            _findings(scan, segmentation),
            lambda: Overlay(segmentation.lesion_labels(), segmentation.brain_mask()),
        )


def _withheld(reason: str) -> Findings:
    return Findings(
        quality=Quality(verdict=Verdict.FAIL, reasons=(reason,), flags=("not_judged",)),
        lesions=None,
        limitations=_LIMITATIONS,
    )


def _findings(scan: BrainScan, segmentation: Segmentation) -> Findings:
    ml = segmentation.volumes_ml
    plausible = _INTRACRANIAL_ML[0] <= ml["intracranial"] <= _INTRACRANIAL_ML[1]
    noise = segmentation.noise_percent
    reasons = quality_warnings(scan, segmentation, noise, plausible=plausible)
    lesions, image = segmentation.lesions, segmentation.image
    sizes = [lesion.voxels * image.voxel_ml for lesion in lesions]
    head_ml = max(segmentation.masks.head_ml, ml["intracranial"])
    return Findings(
        quality=Quality(
            verdict=Verdict.WARN if reasons else Verdict.PASS,
            reasons=tuple(reasons.values()),
            flags=tuple(reasons),
            noise_percent=None if noise is None else round(noise, 1),
            inu_percent=(
                None
                if segmentation.field.inu_percent is None
                else round(segmentation.field.inu_percent, 1)
            ),
            intracranial_plausible=plausible,
        ),
        lesions=Lesions(
            count=len(lesions),
            voxels=sum(lesion.voxels for lesion in lesions),
            volume_ml=ml["lesion"],
            by_size=SizeCounts.of(sizes),
            largest=tuple(
                _lesion(lesion, scan, segmentation) for lesion in lesions[:LARGEST_LISTED]
            ),
        ),
        volumes=Volumes(
            head_ml=head_ml,
            brain_ml=ml["grey"] + ml["white"] + ml["lesion"],
            intracranial_ml=ml["intracranial"],
            grey_matter_ml=ml["grey"],
            white_matter_ml=ml["white"],
            csf_ml=ml["csf"],
        ),
        parameters={
            "contrast": "t1" if segmentation.t1_like else "flair",
            "smallest_lesion_ml": MIN_ML,
            "block_mm": tuple(round(mm, 3) for mm in segmentation.coarse.spacing_mm),
        },
        thresholds={
            "lesion_over_white": round(
                (
                    segmentation.thresholds.seed
                    if not segmentation.t1_like
                    else 2 * WHITE - segmentation.thresholds.zone_seed
                )
                / WHITE,
                3,
            ),
            "grey_over_white": round(segmentation.tissues.grey / WHITE, 3),
            "csf_over_white": round(segmentation.tissues.csf / WHITE, 3),
        },
        limitations=_LIMITATIONS,
    )


def _check_geometry(scan: BrainScan, voxels: npt.NDArray[Any]) -> None:
    if voxels.ndim != 3:
        raise UnreadableImage(f"A volume has three axes, this image has {voxels.ndim}.")
    size = "x".join(map(str, voxels.shape))
    if min(voxels.shape) < _VOXELS_MIN:
        raise UnreadableImage(
            f"Too few voxels or slices to judge: {size}; at least {_VOXELS_MIN} along each axis."
        )
    if scan.voxel_size_mm is None:
        raise UnreadableImage(
            "The image is not placed in space, so the size of nothing in it is known."
        )
    if max(scan.voxel_size_mm) > _SPACING_MAX_MM:
        raise UnreadableImage(
            f"Voxels of {max(scan.voxel_size_mm):.1f} mm are too coarse to judge; "
            f"at most {_SPACING_MAX_MM:.0f} mm."
        )
    view = [n * mm for n, mm in zip(voxels.shape, scan.voxel_size_mm, strict=True)]
    if min(view) < _VIEW_MM[0] or max(view) > _VIEW_MM[1]:
        extent = " x ".join(f"{mm:.0f}" for mm in view)
        raise UnreadableImage(
            f"The field of view of {extent} mm is not a head's: "
            f"{_VIEW_MM[0]:.0f} to {_VIEW_MM[1]:.0f} mm along each axis."
        )


def _lesion(lesion: MeasuredLesion, scan: BrainScan, segmentation: Segmentation) -> Lesion:
    image = segmentation.image
    centroid = image.scan_index(lesion.centroid)
    affine = np.array(scan.affine)
    x, y, z = affine[:, :3] @ centroid + affine[:, 3]
    edges = [voxels * mm for voxels, mm in zip(lesion.extent, image.spacing_mm, strict=True)]
    return Lesion(
        voxels=lesion.voxels,
        volume_ml=lesion.voxels * image.voxel_ml,
        centroid_voxel=centroid,
        centroid_mm=(float(x), float(y), float(z)),
        extent_mm=(edges[2], edges[1], edges[0]),
        intensity_ratio=round(lesion.ratio, 4),
        confidence=round(1 - math.exp2(-2 * max(0.0, lesion.cnr) / _SURE_CNR), 3),
    )
