"""From scan to masks and labels: the steps of the analysis in order.

Own method; ``METHOD.md`` explains the steps and their constants.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan
from fr_brain.analyzers.volume.bitmask import Bitmask
from fr_brain.analyzers.volume.components import MeasuredLesion
from fr_brain.analyzers.volume.field import BiasField
from fr_brain.analyzers.volume.image import (
    CanonicalImage,
    CoarseImage,
    UnreadableImage,
    canonical_image,
    coarsen,
)
from fr_brain.analyzers.volume.intracranial import (
    IntracranialMasks,
    blocks_around,
    bright_rim,
    find_intracranial,
)
from fr_brain.analyzers.volume.lesions import find_lesions
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.motion import Ghosts, ghosts_of, most_in_line
from fr_brain.analyzers.volume.normalize import WHITE, NormalizedImage, normalize
from fr_brain.analyzers.volume.outline_head import outline_head, outline_t1_again
from fr_brain.analyzers.volume.refine import refine_field
from fr_brain.analyzers.volume.registration.tissue_map import blocks_to_mm
from fr_brain.analyzers.volume.strong_field import left_over_percent
from fr_brain.analyzers.volume.thresholds import (
    TissueThresholds,
    find_thresholds,
    white_matter_zone,
)
from fr_brain.analyzers.volume.tissue import (
    TissueIntensities,
    find_csf_adjacent,
    find_tissues,
    tissue_planes,
    tissue_volumes,
)
from fr_brain.analyzers.volume.tissue_depth import measure_pure

CONTRAST_MIN, CONTRAST_DOUBTED = 1.01, 1.03
"""Pure grey over pure white matter on FLAIR: below the first, their volumes are withheld, below the
second doubted."""

_NOISE_MAX = 0.15  # standard deviation of smoothed white matter over its intensity
_NOISE_VOXELS_MIN = 200  # second differences, below which noise is not measured
_DEEP_MM = 12.0  # depth of the deep brain
_IN_LINE_MAX = 100  # lesions that are compared with each other
_MAD = 0.6745  # median absolute value of a standard normal distribution
_FLANK_SIGMAS, _TISSUE_MAX = 2.45, 1.35  # end of healthy tissue on FLAIR over white matter
_LOAD_MAX = 0.15  # lesions over the brain's tissue, by volume
_TISSUE = 620  # normalized intensity from which FLAIR shows tissue instead of fluid
_GREY_TO_WHITE = 0.6, 3.0  # grey over white matter, by volume
_LIKELY_T1, _POSSIBLE_T1 = (0.9, 2.5), (0.5, 3.0)  # the same on T1: measured; brain measured
_SIMILAR_MAX = 1.12  # grey over white matter on FLAIR, up to which they may look alike


@dataclass(frozen=True)
class Segmentation:
    """Everything that was found in a scan."""

    image: CanonicalImage
    coarse: CoarseImage
    masks: CoarseMasks
    field: BiasField
    normalized: NormalizedImage
    intracranial_masks: IntracranialMasks
    thresholds: TissueThresholds
    tissues: TissueIntensities
    lesions: list[MeasuredLesion]
    """The largest first."""
    labels: npt.NDArray[np.uint16]
    """Of the box: n where lesion n (from 1) is, else 0."""
    volumes_ml: dict[str, float]
    """``intracranial``, ``csf``, ``brain``, ``lesion``, and, unless they could not be told apart,
    ``grey`` and ``white``, ml."""
    t1_like: bool
    """Whether grey matter is darker than white, as on T1; then lesions are dark too."""
    csf_adjacent: Bitmask | None
    """The voxels of the box near fluid on FLAIR; None on T1."""
    left_over_percent: float | None
    """Range of the bias field that is left after the correction of a strong one, %; infinite if
    even the brain's outline is doubtful; None if the field is not strong."""
    noise_percent: float | None
    """Standard deviation of noise, % of white matter; None if the deep brain is too small."""
    fat_in_rim: float | None
    """On T1 with bright fat, the share of the outer layer inside the skull that is as bright as
    white matter, 0 to 1; else None."""
    deep_share: float | None
    """On FLAIR, the share of the intracranial space, without lesions, that lies about 4 mm and more
    away from fluid, 0 to 1; None on T1 and in coarse voxels."""

    @property
    def ghosts(self) -> Ghosts | None:
        """Ghosts of motion and flow in the air; None where the air does not show them."""
        image = self.image
        offset = image.low / (image.high - image.low)
        white = float(1 / self.field.weights[0])
        return ghosts_of(self.coarse, self.masks.head, self.masks.brain, white, offset)

    @property
    def most_in_line(self) -> int:
        """Lesions, of the largest 100, on one line along an axis of the image."""
        centroids = [lesion.centroid for lesion in self.lesions[:_IN_LINE_MAX]]
        return most_in_line(np.array(centroids).reshape(-1, 3) * self.image.spacing_mm)

    def lesion_labels(self) -> npt.NDArray[np.uint16]:
        """n where lesion n (from 1, the largest first) is, else 0; the scan's shape and axes."""
        return self.to_scan(self.labels)

    def brain_mask(self) -> npt.NDArray[np.bool_]:
        """Tissue and what it encloses; the scan's shape and axes."""
        return self.to_scan(self.intracranial_masks.unpacked(self.intracranial_masks.brain))

    def intracranial_mask(self) -> npt.NDArray[np.bool_]:
        """All inside the skull; the scan's shape and axes."""
        return self.to_scan(self.intracranial_masks.unpacked(self.intracranial_masks.intracranial))

    def tissue_planes(self) -> tuple[Bitmask, Bitmask]:
        """The bits, lowest first, of labels of the box: 1 fluid, 2 grey matter, 3 white matter."""
        return tissue_planes(
            self.normalized, self.intracranial_masks, self.tissues, self.csf_adjacent
        )

    def without(self, numbers: Collection[int], *, of_brain: bool = False) -> "Segmentation":
        """The segmentation without some of its lesions (numbers from 1). The others keep their
        order.

        Args:
            numbers: of those to leave out.
            of_brain: whether their voxels are a part of the brain all the same.
        """
        if not numbers:
            return self
        kept = [n for n in range(1, len(self.lesions) + 1) if n not in numbers]
        renumbered = np.zeros(len(self.lesions) + 1, np.uint16)
        renumbered[kept] = np.arange(1, len(kept) + 1)
        dropped = sum(self.lesions[n - 1].with_partial for n in numbers) * self.image.voxel_ml
        names = ("lesion",) if of_brain else ("brain", "lesion")
        smaller = {name: self.volumes_ml[name] - dropped for name in names}
        return replace(
            self,
            lesions=[self.lesions[n - 1] for n in kept],
            labels=renumbered[self.labels],
            volumes_ml=self.volumes_ml | smaller | {"lesion": max(0.0, smaller["lesion"])},
        )

    def to_scan(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An array of the box (axes z, y, x) in the scan's shape and axes, Fortran order; 0 outside
        the box."""
        shape = tuple(self.image.view.shape[self.image.order.index(axis)] for axis in range(3))
        out = np.zeros(shape, part.dtype, order="F")
        flips = tuple(slice(None, None, -1 if flip else 1) for flip in self.image.flipped)
        out.transpose(self.image.order)[flips][self.normalized.box] = part
        return out


def segment(scan: BrainScan, voxels: npt.NDArray[Any]) -> Segmentation:
    """Find brain, tissues and lesions.

    Args:
        scan: the header; its affine (mm, RAS+) places the volume. Contrast 't1' matters only if
            the image does not show which of grey and white matter is brighter.
        voxels: array of ``scan.shape``, three axes, any real dtype.

    Raises:
        UnreadableImage: the image cannot be analysed; the text is the reason.
    """
    image = canonical_image(scan, voxels)
    coarse = coarsen(image)
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    to_mm = blocks_to_mm(image, coarse, np.array(scan.affine))
    outline = outline_head(scan, coarse, shape, image.voxel_ml, to_mm)
    masks, field, t1_like = outline.masks, outline.field, outline.t1_like
    if field.grey is not None and not t1_like and field.inu_percent is not None:
        field = refine_field(field, image, coarse, masks)
    left_over = None
    if outline.strong:
        left_over = left_over_percent(field, coarse, masks, shape, image.voxel_ml, outline.find)
    blocks = coarse.mean * field.on_blocks(coarse, shape)
    if t1_like:
        field, masks = outline_t1_again(outline, coarse, shape, image.voxel_ml, to_mm)
        blocks = coarse.mean * field.on_blocks(coarse, shape)
    normalized = normalize(image, coarse, blocks_around(coarse, masks), field)
    zone = white_matter_zone(blocks, masks, coarse, t1_like=t1_like)
    thresholds = find_thresholds(normalized, masks, zone, t1_like=t1_like)
    if thresholds is None or thresholds.sigma > _NOISE_MAX * WHITE:
        raise UnreadableImage(
            "The brain has no distinct main intensity: the image is too noisy or inconsistent."
        )
    brightest = (thresholds.grow - _FLANK_SIGMAS * thresholds.sigma) / WHITE
    if not t1_like and brightest > _TISSUE_MAX:
        raise UnreadableImage(
            f"A large part of the brain is {brightest:.1f} times as bright as the rest: bright "
            "fluid as on T2, a very large lesion, or not a brain. Lesions cannot be told from "
            "tissue there."
        )
    noise = _noise_percent(image, masks, field, normalized)
    tissues = find_tissues(normalized, masks, thresholds, noise, t1_like=t1_like)
    begins = (tissues.csf + tissues.grey) // 2 if t1_like else _TISSUE
    intracranial_masks = find_intracranial(
        normalized, masks, begins, image.spacing_mm, t1_like=t1_like, in_fat=outline.in_fat
    )
    detected = find_lesions(
        normalized,
        masks,
        zone,
        thresholds,
        tissues,
        image.spacing_mm,
        image.voxel_ml,
        t1_like=t1_like,
    )
    csf_adjacent = (
        None
        if t1_like
        else find_csf_adjacent(normalized, intracranial_masks, tissues, image.spacing_mm)
    )
    deep_share = None
    if csf_adjacent is not None:
        tissues, deep_share = measure_pure(
            normalized, intracranial_masks, tissues, csf_adjacent, detected.labels, image.spacing_mm
        )
    fat_in_rim = (
        bright_rim(
            normalized, intracranial_masks, (tissues.grey + tissues.white) // 2, image.spacing_mm
        )
        if outline.in_fat
        else None
    )
    voxel_counts = tissue_volumes(
        normalized, intracranial_masks, tissues, csf_adjacent, detected.labels
    )
    lesion = sum(lesion.with_partial for lesion in detected.lesions)
    volumes = _volumes_ml(voxel_counts, lesion, image, tissues, t1_like=t1_like)
    return Segmentation(
        image, coarse, masks, field, normalized, intracranial_masks, thresholds, tissues,
        detected.lesions, detected.filled(),
        volumes, t1_like, csf_adjacent, left_over, noise, fat_in_rim, deep_share,
    )  # fmt: skip


def _noise_percent(
    image: CanonicalImage, masks: CoarseMasks, field: BiasField, normalized: NormalizedImage
) -> float | None:
    """Standard deviation of noise, % of white matter; None if the deep brain is too small.

    Own method: the median absolute second difference along x in the deep brain, where bias field
    and anatomy contribute little.
    """
    whole = normalized.box
    deep = masks.depth >= _DEEP_MM
    differences = []
    for part in normalized.slabs()[::4]:
        planes = slice(whole[0].start + part.start, whole[0].start + part.stop)
        slab = image.slab(planes, whole[1], whole[2])
        second = slab[..., 1:-1] - (slab[..., 2:] + slab[..., :-2]) * np.float32(0.5)
        differences.append(np.abs(second[normalized.upsample(deep, part)[..., 1:-1]]))
    rough = np.concatenate(differences)
    if rough.size < _NOISE_VOXELS_MIN:
        return None
    middle = float(1 / field.weights[0])  # white matter at the centre
    return 100 * float(np.median(rough)) / (_MAD * math.sqrt(1.5) * middle)


def _volumes_ml(
    voxels: dict[str, float],
    lesion: int,
    image: CanonicalImage,
    tissues: TissueIntensities,
    *,
    t1_like: bool,
) -> dict[str, float]:
    """The volumes of a segmentation, without those of grey and white matter where the two could
    not be told apart.

    Raises:
        UnreadableImage: no head has such volumes.
    """
    tissue = voxels["grey"] + voxels["white"] + lesion
    if lesion > _LOAD_MAX * tissue:
        raise UnreadableImage(
            f"Lesions would fill {lesion / tissue:.0%} of the brain: the image has another "
            "contrast, or the brain was not separated from the rest of the head."
        )
    volumes = {name: count * image.voxel_ml for name, count in voxels.items()}
    volumes |= {"brain": tissue * image.voxel_ml, "lesion": lesion * image.voxel_ml}
    ratio = voxels["grey"] / max(voxels["white"], 1)
    likely = _LIKELY_T1 if t1_like else _GREY_TO_WHITE
    similar = tissues.deep is not None and tissues.pure_grey < CONTRAST_MIN * tissues.deep
    if likely[0] <= ratio <= likely[1] and not similar:
        return volumes
    if t1_like:
        plausible = _POSSIBLE_T1[0] <= ratio <= _POSSIBLE_T1[1]
    else:
        plausible = similar or tissues.grey <= _SIMILAR_MAX * tissues.white
    if not plausible:
        raise UnreadableImage(
            f"The measured volume of grey matter is {ratio:.1f} times that of white matter, "
            "a ratio that no head has: the two could not be told apart."
        )
    # They are nearly as bright as each other: brain and lesions are measured all the same.
    del volumes["grey"], volumes["white"]
    return volumes
