"""The built-in analyzer of volumes: brain, tissues and lesions of a head, on FLAIR or T1."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from common.domain.findings import (
    LESIONS_LISTED_MAX,
    MISSED_ON_T1,
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
from fr_brain.analyzers.volume.confidence import confidence_of, evidence_of
from fr_brain.analyzers.volume.follow_up.follow_up import follow_up
from fr_brain.analyzers.volume.follow_up.read_heads import MAPS_COMPARED
from fr_brain.analyzers.volume.image import UnreadableImage
from fr_brain.analyzers.volume.label_maps import label_maps
from fr_brain.analyzers.volume.lesions import MIN_ML
from fr_brain.analyzers.volume.limits import limits_of
from fr_brain.analyzers.volume.normalize import WHITE
from fr_brain.analyzers.volume.quality import (
    is_field_corrected,
    is_free_of_fat,
    is_intracranial_plausible,
    quality_warnings,
)
from fr_brain.analyzers.volume.registration.locate import Located, LocatedLesion, locate
from fr_brain.analyzers.volume.segment import Segmentation, segment
from fr_brain.analyzers.volume.streaks import on_streaks
from fr_brain.analyzers.volume.with_t1.with_t1 import with_t1

LARGEST_LISTED = min(20, LESIONS_LISTED_MAX)
"""Lesions that a report lists one by one."""

_CONTRASTS = ("flair", "t1")
_VOXELS_MIN = 12  # along each axis
_SPACING_MAX_MM = 8.0  # largest voxel edge
_FIELD_OF_VIEW_MM = (80.0, 600.0)  # along each axis


class VolumeAnalyzer:
    """Measures brain, tissues and lesions of a head in three dimensions, of any dtype, orientation
    and voxel size.

    FLAIR (bright lesions) is told from T1 (dark lesions) by whether grey matter is brighter than
    white. If the contrast in the header says otherwise, the report warns about it. An image that
    cannot be analysed, or has another contrast by its header, gets quality 'fail' with the reason,
    and no measures.

    The same scan always gives the same result; another order of its axes changes only rounding.
    Memory: at most 6 bytes a voxel besides the scan. ``METHOD.md`` explains the method.
    """

    name = "volume"
    version = "14"
    scan_types = frozenset({"volume", "flair", "t1"})
    priority = 0

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Findings:
        """Read one volume.

        Args:
            scan: the header; its affine (mm, RAS+) places the volume in space.
            voxels: array of ``scan.shape``, three axes, any real dtype.
        """
        return cast("Findings", self.analyse_with_overlay(scan, voxels).findings)

    def analyse_with_overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Analysis:
        """Read one volume and offer the outlines of its lesions and brain, and its label maps
        (``label_maps``); all come from one segmentation.

        Args:
            scan: the header; its affine (mm, RAS+) places the volume in space.
            voxels: array of ``scan.shape``, three axes, any real dtype.
        """
        try:
            _check_contrast(scan)
            _check_geometry(scan, voxels)
            segmentation = segment(scan, voxels)
        except UnreadableImage as unreadable:
            return Analysis(
                _withheld(str(unreadable)), lambda: Overlay(np.zeros(voxels.shape, np.uint8))
            )
        spots = on_streaks(segmentation)
        segmentation = segmentation.without(spots, of_brain=True)
        located = locate(scan, segmentation)
        segmentation = segmentation.without(located.outside)
        findings = _findings(scan, segmentation, located, len(spots))
        is_flair = not segmentation.t1_like
        return Analysis(
            findings,
            lambda: Overlay(segmentation.lesion_labels(), segmentation.brain_mask()),
            lambda: label_maps(segmentation, located.regions),
            follow_up=lambda earlier: follow_up(scan, segmentation, findings, earlier),
            with_t1=(lambda t1: with_t1(scan, segmentation, findings, t1)) if is_flair else None,
            compares=MAPS_COMPARED,
        )


def _withheld(reason: str) -> Findings:
    return Findings(
        quality=Quality(verdict=Verdict.FAIL, reasons=(reason,), flags=("not_judged",)),
        lesions=None,
        limitations=limits_of(None),
    )


def _findings(
    scan: BrainScan, segmentation: Segmentation, located: Located, spots: int
) -> Findings:
    """The report of a scan.

    Args:
        scan: the header.
        segmentation: of the scan, without what is no lesion.
        located: the places of its lesions.
        spots: number of findings that were left out, as they lie on streaks.
    """
    ml = segmentation.volumes_ml
    plausible = is_intracranial_plausible(segmentation)
    noise = segmentation.noise_percent
    doubt = located.registration.withheld
    reasons = quality_warnings(
        scan, segmentation, noise, plausible=plausible, unlike_a_head=doubt, spots=spots
    )
    lesions, image = segmentation.lesions, segmentation.image
    measured = is_field_corrected(segmentation)
    # The confidence was not fitted on other heads.
    rated = measured and plausible and doubt is None
    if not measured or not is_free_of_fat(segmentation):
        ml = {name: volume for name, volume in ml.items() if name not in ("grey", "white")}
    sizes = [lesion.with_partial * image.voxel_ml for lesion in lesions]
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
            volume_ml=ml["lesion"] if measured else None,
            missed=MISSED_ON_T1 if segmentation.t1_like else None,
            by_size=SizeCounts.of(sizes) if measured else None,
            by_region=located.by_region(sizes if measured else None),
            largest=tuple(
                _lesion(number, place, scan, segmentation, measured=measured, rated=rated)
                for number, place in enumerate(located.lesions[:LARGEST_LISTED], 1)
            ),
        ),
        volumes=Volumes(
            head_ml=head_ml,
            brain_ml=ml["brain"],
            intracranial_ml=ml["intracranial"],
            grey_matter_ml=ml.get("grey"),
            white_matter_ml=ml.get("white"),
            csf_ml=ml["csf"],
        ),
        registration=located.registration,
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
        limitations=limits_of(segmentation),
    )


def _check_contrast(scan: BrainScan) -> None:
    """What a sender says about the contrast is believed: the image alone does not tell FLAIR from
    other contrasts with bright grey matter."""
    declared = scan.declared_contrast
    if declared is not None and declared not in _CONTRASTS:
        raise UnreadableImage(
            f"The header says that the contrast is {declared}; this analyzer reads FLAIR and T1 "
            "only."
        )


def _check_geometry(scan: BrainScan, voxels: npt.NDArray[Any]) -> None:
    if voxels.ndim != 3:
        raise UnreadableImage(f"A volume has three axes; this image has {voxels.ndim}.")
    size = "x".join(map(str, voxels.shape))
    if min(voxels.shape) < _VOXELS_MIN:
        raise UnreadableImage(
            f"Too few voxels or slices to judge: {size}; each axis needs at least {_VOXELS_MIN}."
        )
    if scan.voxel_size_mm is None:
        raise UnreadableImage(
            "The image has no position in space (no affine), so sizes in it are unknown."
        )
    if max(scan.voxel_size_mm) > _SPACING_MAX_MM:
        raise UnreadableImage(
            f"Voxels of {max(scan.voxel_size_mm):.1f} mm are too coarse to judge; "
            f"the limit is {_SPACING_MAX_MM:.0f} mm."
        )
    view = [n * mm for n, mm in zip(voxels.shape, scan.voxel_size_mm, strict=True)]
    if min(view) < _FIELD_OF_VIEW_MM[0] or max(view) > _FIELD_OF_VIEW_MM[1]:
        extent = " x ".join(f"{mm:.0f}" for mm in view)
        raise UnreadableImage(
            f"A field of view of {extent} mm does not fit a head; it must be "
            f"{_FIELD_OF_VIEW_MM[0]:.0f} to {_FIELD_OF_VIEW_MM[1]:.0f} mm along each axis."
        )


def _lesion(
    number: int,
    place: LocatedLesion,
    scan: BrainScan,
    segmentation: Segmentation,
    *,
    measured: bool,
    rated: bool,
) -> Lesion:
    image, lesion = segmentation.image, segmentation.lesions[number - 1]
    centroid = image.scan_index(lesion.centroid)
    affine = np.array(scan.affine)
    x, y, z = affine[:, :3] @ centroid + affine[:, 3]
    edges = [voxels * mm for voxels, mm in zip(lesion.extent, image.spacing_mm, strict=True)]
    return Lesion(
        voxels=lesion.voxels,
        volume_ml=lesion.with_partial * image.voxel_ml if measured else None,
        centroid_voxel=centroid,
        centroid_mm=(float(x), float(y), float(z)),
        mni_mm=place.mni_mm,
        region=place.region,
        slice_number=place.slice_number,
        extent_mm=(edges[2], edges[1], edges[0]),
        intensity_ratio=round(lesion.ratio, 4),
        confidence=round(confidence_of(evidence_of(segmentation, number)), 3) if rated else None,
    )
