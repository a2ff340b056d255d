"""From scan to masks: all steps of the analysis in their order; no measures, no words."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan
from fr_brain.analyzers.volume.bitmask import Bits
from fr_brain.analyzers.volume.brain import Space, find_space, surroundings
from fr_brain.analyzers.volume.field import Field, fit_field
from fr_brain.analyzers.volume.image import Coarse, Image, Unfit, canonical, coarsen
from fr_brain.analyzers.volume.lesions import Found, find_lesions
from fr_brain.analyzers.volume.masks import Masks, at_edge, find_brain_again, find_masks
from fr_brain.analyzers.volume.normalize import WHITE, Evened, even_out
from fr_brain.analyzers.volume.refine import refine
from fr_brain.analyzers.volume.thresholds import Levels, find_levels, white_zone
from fr_brain.analyzers.volume.tissue import (
    Tissues,
    find_tissues,
    labels_of,
    near_fluid,
    volumes_of,
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

    image: Image
    coarse: Coarse
    masks: Masks
    field: Field
    evened: Evened
    space: Space
    levels: Levels
    tissues: Tissues
    found: Found
    volumes_ml: dict[str, float]
    """``intracranial``, ``csf``, ``grey``, ``white``, ``lesion``."""
    dark: bool
    """Whether grey matter is darker than white, as on T1: then lesions are dark too."""
    near: Bits | None

    @property
    def noise_percent(self) -> float | None:
        """Standard deviation of noise, % of white matter: from second differences along x in the
        deep brain, in which neither field nor anatomy is much. None where there is too little."""
        whole = self.evened.box
        deep = self.masks.depth >= _DEEP_MM
        found = []
        for part in self.evened.slabs()[::4]:
            planes = slice(whole[0].start + part.start, whole[0].start + part.stop)
            slab = self.image.slab(planes, whole[1], whole[2])
            rough = slab[..., 1:-1] - (slab[..., 2:] + slab[..., :-2]) * np.float32(0.5)
            found.append(np.abs(rough[self.evened.spread(deep, part)[..., 1:-1]]))
        differences = np.concatenate(found)
        if differences.size < _NOISE_VOXELS_MIN:
            return None
        middle = float(1 / self.field.weights[0])  # white matter at the centre
        return 100 * float(np.median(differences)) / (_MAD * math.sqrt(1.5) * middle)

    def lesions(self) -> npt.NDArray[np.uint16]:
        """The scan's shape: n where lesion n (from 1, the largest first) is, else 0."""
        return self._whole(self.found.labels)

    def brain(self) -> npt.NDArray[np.bool_]:
        """The scan's shape: tissue and what it encloses."""
        return self._whole(self.space.of(self.space.brain))

    def intracranial(self) -> npt.NDArray[np.bool_]:
        """The scan's shape: all inside of the skull."""
        return self._whole(self.space.of(self.space.intracranial))

    def tissue(self) -> npt.NDArray[np.uint8]:
        """The scan's shape: 0 outside, 1 fluid, 2 grey matter, 3 white matter."""
        return self._whole(labels_of(self.evened, self.space, self.tissues, self.near))

    def _whole(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        shape = tuple(self.image.view.shape[self.image.order.index(axis)] for axis in range(3))
        out = np.zeros(shape, part.dtype, order="F")
        flips = tuple(slice(None, None, -1 if flip else 1) for flip in self.image.flipped)
        out.transpose(self.image.order)[flips][self.evened.box] = part
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
    image = canonical(scan, voxels)
    coarse = coarsen(image)
    masks = find_masks(coarse, image.voxel_ml)
    if at_edge(masks.brain) > _AT_EDGE_MAX:
        raise Unfit(
            "The brain goes on past the edge of the field of view: a part of it is missing."
        )
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    field = fit_field(coarse, masks, shape)
    dark = field.grey is not None and field.grey < _T1_BELOW
    if field.grey is None:
        dark = scan.scan_type == "t1"
    elif not dark and field.inu_percent is not None:
        field = refine(field, image, coarse, masks)
    blocks = coarse.mean * field.on_blocks(coarse, shape)
    if dark and field.grey is not None:
        masks = find_brain_again(masks, coarse, blocks, field.grey, image.voxel_ml)
    evened = even_out(image, coarse, surroundings(coarse, masks), field)
    zone = white_zone(blocks, masks, coarse, dark=dark)
    levels = find_levels(evened, masks, zone, dark=dark)
    if levels is None or levels.sigma > _NOISE_MAX * WHITE:
        raise Unfit("The brain has no clear main intensity: too noisy, or not one image.")
    brightest = (levels.grow - _FLANK_SIGMAS * levels.sigma) / WHITE
    if not dark and brightest > _TISSUE_MAX:
        raise Unfit(
            f"A large part of the brain is {brightest:.1f} times as bright as the rest: fluid as "
            "on T2, a very large lesion, or no brain; lesions cannot be told from tissue there."
        )
    tissues = find_tissues(evened, masks, levels, dark=dark)
    begins = (tissues.csf + tissues.grey) // 2 if dark else _TISSUE
    space = find_space(evened, masks, begins, image.spacing, dark=dark)
    found = find_lesions(evened, masks, levels, image.spacing, image.voxel_ml, dark=dark)
    near = None if dark else near_fluid(evened, space, tissues, image.spacing)
    voxels_of = volumes_of(evened, space, tissues, near, found.labels)
    lesion = float(sum(region.voxels for region in found.regions))
    tissue = voxels_of["grey"] + voxels_of["white"] + lesion
    if lesion > _LOAD_MAX * tissue:
        raise Unfit(
            f"{lesion / tissue:.0%} of the brain is brighter than its tissue: another contrast, "
            "or the brain was not told apart."
        )
    ratio = voxels_of["grey"] / max(voxels_of["white"], 1)
    if not _RATIO[0] <= ratio <= _RATIO[1]:
        raise Unfit(
            f"{ratio:.1f} times as much grey matter as white was found, which no head has: the two "
            "were not told apart."
        )
    volumes = {name: count * image.voxel_ml for name, count in voxels_of.items()}
    return Segmentation(
        image, coarse, masks, field, evened, space, levels, tissues, found,
        volumes | {"lesion": lesion * image.voxel_ml}, dark, near,
    )  # fmt: skip
