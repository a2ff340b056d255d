"""From scan to masks: all steps of the analysis in their order; no measures, no words."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan
from fr_brain.analyzers.volume.bitmask import Bitmask
from fr_brain.analyzers.volume.field import BiasField, fit_field
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
    find_intracranial,
)
from fr_brain.analyzers.volume.lesions import MeasuredLesion, find_lesions
from fr_brain.analyzers.volume.masks import (
    CoarseMasks,
    edge_fraction,
    find_masks,
    refine_brain_mask_t1,
)
from fr_brain.analyzers.volume.normalize import WHITE, NormalizedImage, normalize
from fr_brain.analyzers.volume.refine import refine_field
from fr_brain.analyzers.volume.thresholds import (
    TissueThresholds,
    find_thresholds,
    white_matter_zone,
)
from fr_brain.analyzers.volume.tissue import (
    TissueIntensities,
    find_csf_adjacent,
    find_tissues,
    tissue_labels,
    tissue_volumes,
)

_NOISE_MAX = 0.15
_NOISE_VOXELS_MIN = 200
_DEEP_MM = 12.0
_MAD = 0.6745  # the median of what is normal, without sign, in standard deviations
# The flank's foot is 2.45 sigma from its peak. Grey matter on FLAIR is at most about 1.25 times as
# bright as white; what is more, and common enough to shape the histogram, is no healthy tissue.
_FLANK_SIGMAS, _TISSUE_MAX = 2.45, 1.35
_LOAD_MAX = 0.15
# Share of the brain's blocks at the edge of the field of view: a top or bottom that is cut off
# gives about 0.02, a slab out of the middle 0.08 and more.
_AT_EDGE_MAX = 0.06
_TISSUE = 620  # tissue from fluid on FLAIR; on T1, where grey matter is dim, half way between them
# Grey over white matter, by volume: 1 to 2 in adults. Far from that the field was misread.
_RATIO = 0.6, 3.0
# Grey matter over white below which an image is taken for T1: 0.6 to 0.93 there, 1.02 to 1.25 on
# FLAIR.
_T1_BELOW = 0.97


@dataclass(frozen=True)
class Segmentation:
    """What is where in a scan."""

    image: CanonicalImage
    coarse: CoarseImage
    masks: CoarseMasks
    field: BiasField
    normalized: NormalizedImage
    intracranial: IntracranialMasks
    thresholds: TissueThresholds
    tissues: TissueIntensities
    lesions: list[MeasuredLesion]
    """The largest first."""
    labels: npt.NDArray[np.uint16]
    """Of the box: n where lesion n (from 1) is, else 0."""
    volumes_ml: dict[str, float]
    """``intracranial``, ``csf``, ``grey``, ``white``, ``lesion``."""
    t1_like: bool
    """Whether grey matter is darker than white, as on T1: then lesions are dark too."""
    csf_adjacent: Bitmask | None

    @property
    def noise_percent(self) -> float | None:
        """Standard deviation of noise, % of white matter: from second differences along x in the
        deep brain, in which neither field nor anatomy is much. None where there is too little."""
        whole = self.normalized.box
        deep = self.masks.depth >= _DEEP_MM
        differences = []
        for part in self.normalized.slabs()[::4]:
            planes = slice(whole[0].start + part.start, whole[0].start + part.stop)
            slab = self.image.slab(planes, whole[1], whole[2])
            second = slab[..., 1:-1] - (slab[..., 2:] + slab[..., :-2]) * np.float32(0.5)
            differences.append(np.abs(second[self.normalized.upsample(deep, part)[..., 1:-1]]))
        rough = np.concatenate(differences)
        if rough.size < _NOISE_VOXELS_MIN:
            return None
        middle = float(1 / self.field.weights[0])  # white matter at the centre
        return 100 * float(np.median(rough)) / (_MAD * math.sqrt(1.5) * middle)

    def lesion_labels(self) -> npt.NDArray[np.uint16]:
        """The scan's shape: n where lesion n (from 1, the largest first) is, else 0."""
        return self._to_scan(self.labels)

    def brain_mask(self) -> npt.NDArray[np.bool_]:
        """The scan's shape: tissue and what it encloses."""
        return self._to_scan(self.intracranial.of(self.intracranial.brain))

    def intracranial_mask(self) -> npt.NDArray[np.bool_]:
        """The scan's shape: all inside of the skull."""
        return self._to_scan(self.intracranial.of(self.intracranial.intracranial))

    def tissue_labels(self) -> npt.NDArray[np.uint8]:
        """The scan's shape: 0 outside, 1 fluid, 2 grey matter, 3 white matter."""
        return self._to_scan(
            tissue_labels(self.normalized, self.intracranial, self.tissues, self.csf_adjacent)
        )

    def _to_scan(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        shape = tuple(self.image.view.shape[self.image.order.index(axis)] for axis in range(3))
        out = np.zeros(shape, part.dtype, order="F")
        flips = tuple(slice(None, None, -1 if flip else 1) for flip in self.image.flipped)
        out.transpose(self.image.order)[flips][self.normalized.box] = part
        return out


def segment(scan: BrainScan, voxels: npt.NDArray[Any]) -> Segmentation:
    """Find brain, tissues and lesions.

    Args:
        scan: its header; the affine (mm, RAS+) places it, scan type 't1' or 'flair' is believed
            where the image does not speak against it.
        voxels: three axes, any real dtype.

    Raises:
        Unfit: the image cannot be judged; the text says why.
    """
    image = canonical_image(scan, voxels)
    coarse = coarsen(image)
    masks = find_masks(coarse, image.voxel_ml)
    if edge_fraction(masks.brain) > _AT_EDGE_MAX:
        raise UnreadableImage(
            "The brain goes on past the edge of the field of view: a part of it is missing."
        )
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    field = fit_field(coarse, masks, shape)
    t1_like = field.grey is not None and field.grey < _T1_BELOW
    if field.grey is None:
        t1_like = scan.scan_type == "t1"
    elif not t1_like and field.inu_percent is not None:
        field = refine_field(field, image, coarse, masks)
    blocks = coarse.mean * field.on_blocks(coarse, shape)
    if t1_like and field.grey is not None:
        masks = refine_brain_mask_t1(masks, coarse, blocks, field.grey, image.voxel_ml)
    normalized = normalize(image, coarse, blocks_around(coarse, masks), field)
    zone = white_matter_zone(blocks, masks, coarse, t1_like=t1_like)
    thresholds = find_thresholds(normalized, masks, zone, t1_like=t1_like)
    if thresholds is None or thresholds.sigma > _NOISE_MAX * WHITE:
        raise UnreadableImage("The brain has no clear main intensity: too noisy, or not one image.")
    brightest = (thresholds.grow - _FLANK_SIGMAS * thresholds.sigma) / WHITE
    if not t1_like and brightest > _TISSUE_MAX:
        raise UnreadableImage(
            f"A large part of the brain is {brightest:.1f} times as bright as the rest: fluid as "
            "on T2, a very large lesion, or no brain; lesions cannot be told from tissue there."
        )
    tissues = find_tissues(normalized, masks, thresholds, t1_like=t1_like)
    begins = (tissues.csf + tissues.grey) // 2 if t1_like else _TISSUE
    intracranial = find_intracranial(normalized, masks, begins, image.spacing_mm, t1_like=t1_like)
    detected = find_lesions(
        normalized, masks, thresholds, image.spacing_mm, image.voxel_ml, t1_like=t1_like
    )
    csf_adjacent = (
        None if t1_like else find_csf_adjacent(normalized, intracranial, tissues, image.spacing_mm)
    )
    voxel_counts = tissue_volumes(normalized, intracranial, tissues, csf_adjacent, detected.labels)
    lesion = float(sum(lesion.voxels for lesion in detected.lesions))
    tissue = voxel_counts["grey"] + voxel_counts["white"] + lesion
    if lesion > _LOAD_MAX * tissue:
        raise UnreadableImage(
            f"{lesion / tissue:.0%} of the brain is brighter than its tissue: another contrast, "
            "or the brain was not told apart."
        )
    ratio = voxel_counts["grey"] / max(voxel_counts["white"], 1)
    if not _RATIO[0] <= ratio <= _RATIO[1]:
        raise UnreadableImage(
            f"{ratio:.1f} times as much grey matter as white was found, which no head has: the two "
            "were not told apart."
        )
    volumes = {name: count * image.voxel_ml for name, count in voxel_counts.items()}
    return Segmentation(
        image, coarse, masks, field, normalized, intracranial, thresholds, tissues,
        detected.lesions, detected.labels,
        volumes | {"lesion": lesion * image.voxel_ml}, t1_like, csf_adjacent,
    )  # fmt: skip
