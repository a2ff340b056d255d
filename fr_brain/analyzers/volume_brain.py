"""The intracranial space at full resolution: from the brain's surface outwards to the skull."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume_even import Evened
from fr_brain.analyzers.volume_image import Bools, Coarse, distance_to
from fr_brain.analyzers.volume_masks import Masks

Bits = npt.NDArray[np.uint8]

# How far the space may reach past the tissue: further out, what is as
# bright as fluid is marrow or scalp.
_FLUID_MM = 2.4
# The coarse outline cuts gyri: tissue next to it is the brain's.
_TISSUE_MM = 1.0
_FLUID_WEIGHT = 0.6  # the edge, from the skull (0) to fluid (1)
_DEEP_MM = 12.0
_CORE_MM = 4.2  # blocks deeper than this are wholly inside
# Where the darkest of the deep brain (fluid of the ventricles) and of what surrounds the brain
# (the skull) are read: not the very darkest, which noise makes.
_FLUID_QUANTILE, _SKULL_QUANTILE = 0.005, 0.02
_FLUID_MAX = 700  # darker than tissue, in codes


def surroundings(coarse: Coarse, masks: Masks) -> Bools:
    """The brain's blocks and those next to them."""
    reach = max(coarse.spacing) + 0.1
    return distance_to(masks.brain, coarse.spacing, reach + 1) <= reach


@dataclass(frozen=True)
class Space:
    """Masks of the box, a bit a voxel: packed along x, the first voxel in the lowest bit."""

    brain: Bits
    """Tissue and what it encloses."""
    intracranial: Bits
    """Out to the skull, with the fluid around the brain."""
    columns: int
    """Voxels along x."""

    def of(self, bits: Bits, planes: slice = slice(None)) -> Bools:
        """The voxels of some planes of a mask."""
        return np.unpackbits(bits[planes], axis=-1, count=self.columns, bitorder="little").view(
            np.bool_
        )


def find_space(
    evened: Evened, masks: Masks, around: Bools, tissue: int, mm: tuple[float, float, float]
) -> Space:
    """Brain and intracranial space.

    Args:
        evened: the box.
        masks: head and brain, coarse.
        around: from ``surroundings``.
        tissue: codes from this on are brain tissue.
        mm: distance of voxels along z, y, x.
    """
    level = _edge_level(evened, masks, around)
    depth, rows, columns = evened.codes.shape
    brain = np.empty((depth, rows, (columns + 7) // 8), np.uint8)
    allowed, tissue_bits = np.empty_like(brain), np.empty_like(brain)
    core = masks.depth > _CORE_MM
    for part in evened.slabs():
        codes = evened.codes[part]
        own = codes >= tissue
        tissue_bits[part] = np.packbits(own, axis=-1, bitorder="little")
        own &= evened.spread(masks.brain, part)
        own |= evened.spread(core, part)
        brain[part] = np.packbits(own, axis=-1, bitorder="little")
        may = codes >= level
        if masks.stripped:
            may &= evened.spread(masks.head, part)
        allowed[part] = np.packbits(may, axis=-1, bitorder="little")
    brain = _grown(brain, tissue_bits, _TISSUE_MM, mm)
    return Space(brain, _grown(brain, allowed, _FLUID_MM, mm), columns)


def _grown(bits: Bits, allowed: Bits, reach: float, mm: tuple[float, float, float]) -> Bits:
    """Widened by ``reach`` mm, a voxel at a time, where it is allowed."""
    steps = [round(reach / edge) for edge in mm]
    most = max(1, *steps)
    for step in range(most):
        for axis, own_steps in enumerate(steps):
            if (step + 1) * own_steps // most > step * own_steps // most:
                bits = bits | widened(bits, axis) & allowed
    return bits


def widened(bits: Bits, axis: int) -> Bits:
    """One voxel to both sides along an axis. Past the end of a row bits may be set."""
    out = bits.copy()
    if axis == 2:
        out |= bits << np.uint8(1)
        out |= bits >> np.uint8(1)
        out[..., 1:] |= bits[..., :-1] >> np.uint8(7)
        out[..., :-1] |= bits[..., 1:] << np.uint8(7)
        return out
    ahead: list[slice] = [slice(None)] * 3
    behind: list[slice] = [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    out[tuple(ahead)] |= bits[tuple(behind)]
    out[tuple(behind)] |= bits[tuple(ahead)]
    return out


def _edge_level(evened: Evened, masks: Masks, around: Bools) -> int:
    deep = evened.codes[::2, ::2, ::2][evened.spread(masks.depth >= _DEEP_MM)[::2, ::2, ::2]]
    rim = evened.codes[::2, ::2, ::2][evened.spread(around & ~masks.brain)[::2, ::2, ::2]]
    if not deep.size or not rim.size:
        return _FLUID_MAX // 2
    fluid = min(_FLUID_MAX, float(np.quantile(deep, _FLUID_QUANTILE)))
    skull = float(np.quantile(rim, _SKULL_QUANTILE))
    return max(1, round(_FLUID_WEIGHT * fluid + (1 - _FLUID_WEIGHT) * min(fluid, skull)))
