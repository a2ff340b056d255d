"""Warnings about results that the report gives nevertheless."""

import math

from common.domain.scan import BrainScan
from fr_brain.analyzers.volume.brain_shape import compactness
from fr_brain.analyzers.volume.masks import edge_fraction
from fr_brain.analyzers.volume.motion import GHOST_WARN
from fr_brain.analyzers.volume.normalize import WHITE
from fr_brain.analyzers.volume.segment import CONTRAST_DOUBTED, Segmentation

_SPACING_WARN_MM = 2.5  # largest voxel edge without a warning
_FLAT_WARN = 2.05  # largest voxel edge over the smallest one
_PEAKS_MIN = 1.05  # grey over white matter, of the peaks in coarse voxels
_DEEP_MIN = 0.21  # share of the intracranial space that is far from fluid
_NOISE_WARN = 10.0  # % of white matter
_STREAK_WARN = 4.5  # standard deviations of noise
_IN_LINE_WARN = ((20, 3), (60, 4), (math.inf, 5))  # lesions on one line, of up to so many lesions
_FIELD_WARN = 60.0  # range of the bias field, %
_LEFT_OVER_MAX = 15.0  # range of the bias field after the correction, %
_FIELD_MAX = 130.0  # range of the bias field, %: stronger ones were never tried
_INTRACRANIAL_ML = (1000.0, 2000.0, 2400.0)  # of an adult: the least, the most, of a large head
_COMPACT = 0.8  # of the outline of a large brain
_FLUID_MAX = 0.5  # over white matter, on FLAIR
_RIM_MAX = 0.1  # share of the outer layer inside the skull that is fat: more makes tissues wrong
_AT_EDGE_WARN = 0.003  # fraction of the brain's blocks at the edge of the field of view


def is_intracranial_plausible(segmentation: Segmentation) -> bool:
    """Whether the intracranial volume is an adult's. A large head is no reason for doubt where the
    outline of its brain is as compact as one without face and neck."""
    low, high, largest = _INTRACRANIAL_ML
    volume = segmentation.volumes_ml["intracranial"]
    if volume > high and segmentation.t1_like:
        return False  # on T1 an outline may also have taken in fat, and stay compact
    if volume > high:
        compact = compactness(segmentation.masks.brain, segmentation.coarse)
        return volume <= largest and compact >= _COMPACT
    return volume >= low


def is_field_corrected(segmentation: Segmentation) -> bool:
    """Whether the bias field was corrected so far that volumes of lesions and tissues are
    measured."""
    inu = segmentation.field.inu_percent
    left_over = segmentation.left_over_percent or 0.0
    return inu is not None and inu <= _FIELD_MAX and left_over <= _LEFT_OVER_MAX


def is_free_of_fat(segmentation: Segmentation) -> bool:
    """Whether so little fat counts as brain that volumes of grey and white matter are measured."""
    return (segmentation.fat_in_rim or 0.0) <= _RIM_MAX


def quality_warnings(
    scan: BrainScan,
    segmentation: Segmentation,
    noise: float | None,
    *,
    plausible: bool,
    unlike_a_head: str | None,
    spots: int = 0,
) -> dict[str, str]:
    """Why a result needs caution.

    Args:
        scan: the header.
        segmentation: what was found.
        noise: standard deviation, % of white matter; None if it could not be measured.
        plausible: whether the intracranial volume is in the adult range.
        unlike_a_head: why the head could not be registered to the template, in a sentence; None if
            it was.
        spots: number of findings that were left out, as they lie on streaks of flow.

    Returns:
        A sentence for each flag of the report, in the order of the report.
    """
    image = segmentation.image
    reasons: dict[str, str] = {}
    if segmentation.coarse.not_finite:
        reasons["not_finite"] = (
            f"{segmentation.coarse.not_finite} of {image.view.size} voxels are not finite numbers; "
            "they count as background."
        )
    if segmentation.t1_like:
        reasons["t1"] = (
            "Grey matter is darker than white matter, as on T1: lesions are assumed to be dark, "
            "and only those inside white matter can be found."
        )
    appears = "t1" if segmentation.t1_like else "flair"
    sent_as = scan.declared_contrast
    if sent_as in ("t1", "flair") and sent_as != appears:
        reasons["contrast"] = (
            f"The scan was sent as {sent_as} but looks like {appears}; it was read as "
            f"{appears}."
        )
    fluid = segmentation.tissues.csf / WHITE
    if not segmentation.t1_like and fluid > _FLUID_MAX:
        reasons["bright_fluid"] = (
            f"Fluid is {100 * fluid:.0f} % as bright as white matter: it is not suppressed as on "
            "FLAIR, so the image may have another contrast. A part of the fluid may count as "
            "tissue, and bright areas may not be lesions."
        )
    if max(image.spacing_mm) > _SPACING_WARN_MM:
        smallest = 3 * image.voxel_ml
        reasons["coarse"] = (
            f"Voxels of {max(image.spacing_mm):.1f} mm: lesions below {smallest:.2g} ml cannot be "
            "found, and volumes of larger lesions and of grey and white matter are imprecise."
        )
    elif max(image.spacing_mm) > _FLAT_WARN * min(image.spacing_mm):
        reasons["flat"] = (
            f"Slices of {max(image.spacing_mm):.1f} mm are more than twice as thick as voxels are "
            f"wide ({min(image.spacing_mm):.1f} mm): lesions may be missed, and "
            "the volumes of those that were found may be off by up to 60 %."
        )
    if noise is not None and noise > _NOISE_WARN:
        reasons["noisy"] = (
            f"Noise is {noise:.0f} % of the intensity of white matter: small lesions may "
            "be missed, and small findings may be noise."
        )
    reasons |= _motion(segmentation, spots)
    if edge_fraction(segmentation.masks.brain) > _AT_EDGE_WARN:
        reasons["cut_off"] = (
            "The brain reaches the edge of the field of view: a part of it may be missing."
        )
    if segmentation.field.inu_percent is None:
        reasons["no_field"] = (
            "The bias field could not be fitted, so the image was not corrected for one: the "
            "volumes of lesions and tissues are not given."
        )
    elif not is_field_corrected(segmentation):
        reasons["strong_field"] = (
            f"The bias field varies by {segmentation.field.inu_percent:.0f} %, too much to be "
            "corrected reliably: the volumes of lesions and tissues are not given, lesions may be "
            "missed, and findings may be false."
        )
    elif segmentation.field.inu_percent > _FIELD_WARN:
        reasons["strong_field"] = (
            f"The bias field varies by {segmentation.field.inu_percent:.0f} %. It was corrected, "
            "but volumes of grey and white matter may be off by up to 20 %."
        )
    if not is_free_of_fat(segmentation):
        reasons["bright_fat"] = (
            "Fat is brighter than white matter, and a part of it counts as brain: the volumes of "
            "grey and white matter are not given."
        )
    elif segmentation.fat_in_rim is not None:
        reasons["bright_fat"] = (
            "The brain was found between fat that is as bright as tissue: a part of the fat may "
            "count as brain, so its volumes may be too large by up to 25 %."
        )
    if segmentation.t1_like and "grey" not in segmentation.volumes_ml:
        reasons["no_tissues"] = (
            "Grey and white matter could not be told apart, so their volumes are not given. The "
            "bias field may be wrong, too."
        )
    if not segmentation.t1_like and "grey" not in segmentation.volumes_ml:
        reasons["low_contrast"] = (
            "Grey matter is hardly brighter than white matter: the volumes of both are not given, "
            "and those of lesions may be off by up to 35 %."
        )
    elif not segmentation.t1_like and _is_contrast_low(segmentation):
        reasons["low_contrast"] = (
            "Grey matter is hardly brighter than white matter: the volumes of both may be off by "
            "up to 50 %."
        )
    elif segmentation.deep_share is not None and segmentation.deep_share < _DEEP_MIN:
        reasons["thin_cortex"] = (
            f"Only {100 * segmentation.deep_share:.0f} % of the intracranial volume lies more than "
            "4 mm away from fluid, so the cortex may be too thin for voxels of this size: "
            "the volumes of grey and white matter may be off by up to 50 %."
        )
    if not plausible:
        intracranial_ml = segmentation.volumes_ml["intracranial"]
        reasons["intracranial"] = (
            f"The intracranial volume of {intracranial_ml:.0f} ml is outside the adult range "
            "(1000 to 2000 ml, larger if the brain's outline is compact): the outline may be "
            "wrong, so findings have no confidence."
        )
    if unlike_a_head is not None:
        reasons["registration"] = (
            f"{unlike_a_head} The image may not show what the analyzer expects, so no measurement "
            "in this report is reliable, and findings have neither regions nor confidence."
        )
    return reasons


def _is_contrast_low(segmentation: Segmentation) -> bool:
    tissues = segmentation.tissues
    if tissues.deep is not None:
        return tissues.pure_grey < CONTRAST_DOUBTED * tissues.deep
    return tissues.grey < _PEAKS_MIN * WHITE


def _motion(segmentation: Segmentation, spots: int) -> dict[str, str]:
    """What ghosts in the air, findings in a row and on streaks say about motion and flow."""
    ghosts, reasons = segmentation.ghosts, {}
    if ghosts is not None and ghosts.percent > GHOST_WARN:
        reasons["motion"] = (
            f"The air beside the head has a ghost of {ghosts.percent:.1f} % of white matter, as "
            "after motion: ghosts in the brain may look like lesions or hide them, and volumes may "
            "be off."
        )
    elif ghosts is not None and ghosts.streak > _STREAK_WARN:
        reasons["motion"] = (
            "A bright line runs through the air on both sides of the head, as from flow or motion: "
            "findings on it may be false."
        )
    in_line, count = segmentation.most_in_line, len(segmentation.lesions)
    if in_line >= next(least for most, least in _IN_LINE_WARN if count <= most):
        reasons["flow"] = (
            f"{in_line} findings lie on one line along an axis of the image, as the pulsation of a "
            "vessel leaves them: they may be false."
        )
    elif spots:
        reasons["flow"] = (
            f"Faint findings left out because of flow: {spots}. They lie on a line along an axis "
            "of the image that is bright in the air beside the head, too, as the pulsation of a "
            "vessel leaves it. Lesions on it may be missed, and other findings on it may be false."
        )
    return reasons
