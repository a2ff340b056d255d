"""The outline of a lesion on FLAIR: where it ends, and whether shape and place are a lesion's.

Own method. A candidate is cut into pieces, so that it does not spread along cortex or the lining of
the ventricles; each piece ends halfway between its plateau and the healthy tissue on that side.
``METHOD.md`` explains the constants.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cc3d
import numpy as np

from fr_brain.analyzers.volume.image import Bools, Floats, Labels
from fr_brain.analyzers.volume.normalize import Intensities
from fr_brain.analyzers.volume.shapes import (
    FINE_MM,
    SHAPE_VOXELS_MIN,
    dilate,
    edge_over_disc,
    eroded,
    fine_axes,
    is_thick,
    length_over_width,
    steps_of,
    surface_over_ball,
)
from fr_brain.analyzers.volume.thresholds import TissueThresholds
from fr_brain.analyzers.volume.tissue import TissueIntensities

OUTLINE_MM = 5.0
"""Margin in which a lesion's surroundings are read on FLAIR."""
REGROW_MM = 1.5
"""A lesion's border lies within this of the voxels above the threshold."""

_CONTRAST_MIN = 1.1  # plateau of a lesion over its surroundings
_SPREAD_MAX = 0.3  # fraction of the ring around a lesion above half of its rise
_TISSUE_MIN, _TISSUE_SHARE_MIN = 0.88, 0.2  # of white matter; of a lesion's surroundings
_HEALTHY_STEPS = 3  # rounds of smoothing per voxel of reach, which extrapolate healthy tissue
_HEALTHY_MAX, _HEALTHY_PRIOR = 1.35, 0.003  # over white matter; weight of the median around
_SHEET_MAX = (1.3, 1.15)  # surface over that of a ball; of a faint lesion
_SHEET_MAX_DIM = 1.1  # the same, of a lesion inside white matter that is no brighter than cortex
_SHEET_BESIDE_FLUID_MAX = 1.05  # the same, beside fluid and no brighter than linings
# In voxels coarser than this: plateau over the surroundings of what is faint; its largest spread.
_MIXED_MM, _CONTRAST_MIXED, _SPREAD_MIXED = 1.25, 1.25, 0.15
_STANDS_OUT = 1.18  # plateau of a distinct lesion over its surroundings and over what is healthy
_CNR_STANDS_OUT = 4.0  # rise over smoothed noise of a distinct lesion
# A clear border: of the ring, above half of the rise, and white matter; rise over noise.
_SPREAD_CLEAR, _WHITE_CLEAR, _CNR_CLEAR = 0.12, 0.7, 5.0
# By whether a faint lesion is distinct: of the ring around it, within a slice where it is thick.
_ISLAND_WHITE_MIN = (0.8, 0.5)
_FLUID_BESIDE_FAINT_MAX = (0.1, 0.2)
_FLUID_MAX, _FLUID_BESIDE_MAX = 0.7, 0.1  # over white matter; share of fluid beside a lesion
_LINING_MAX = 1.02  # plateau over the seeds' threshold: more is a lesion beside fluid
_CORE_MM, _CORE_VOXELS = 4.0, 3  # slices in which most voxels are partly filled; fewer: no outline
_CORE_QUANTILE, _CORE_LEVEL = 0.9, 0.55  # there: intensity of a lesion; of its rise
# In thick slices: edge over that of discs. More is a lining or cap, unless its plateau over what is
# around it is higher, less of it is beside fluid, or more white matter is around it.
_EDGE_MAX, _CONTRAST_LONG, _FLUID_LONG, _WHITE_LONG = 1.25, 1.22, 0.03, 0.75
# Of a faint lesion in thick slices: of the ring, above half of the rise, and white matter; fluid
# beside it; plateau over what is around it; length over width.
_SPREAD_THICK, _WHITE_THICK, _FLUID_THICK, _CONTRAST_THICK, _LENGTH_MAX = 0.1, 0.6, 0.2, 1.14, 1.6
_RAISES_MAX = 6  # of the thresholds inside a sheet
_FAINT_MAX_ML = 0.6  # a larger faint region is grey matter


@dataclass(frozen=True)
class Search:
    """One search: the blocks, the thresholds of extent and seed, the least cnr."""

    where: Bools
    limit: int
    seed: int
    cnr_min: float
    rise: float
    """The least brightness of a lesion's plateau, on FLAIR."""
    islands: bool = False
    """Whether only components that white matter surrounds are lesions."""
    clear: bool = False
    """Whether only what ends abruptly is a lesion, however faint: for thick slices."""
    raises: int = 0
    """How often the thresholds were raised."""

    def raised(self, step: int) -> "Search":
        """The same search with thresholds that are higher by ``step``."""
        return replace(self, limit=self.limit + step, seed=self.seed + step, raises=self.raises + 1)


@dataclass(frozen=True)
class Outlined:
    """What a candidate measures."""

    mask: Bools
    """Its voxels in its part of the box, up to half of the rise of its plateau."""
    core: Bools
    """Those that it fills at least half; in thin slices all of them."""
    cnr: float
    """Contrast-to-noise ratio: rise of its brighter half over the noise after smoothing."""
    certain: bool
    """Whether the contrast suffices for a lesion."""


class Outliner:
    """Outlines the lesions of one FLAIR; works on parts of the box, axes z, y, x."""

    def __init__(
        self,
        thresholds: TissueThresholds,
        tissues: TissueIntensities,
        spacing_mm: tuple[float, float, float],
        voxel_ml: float,
        least_voxels: float,
    ) -> None:
        self._thresholds = thresholds
        self._tissues = tissues
        self._voxel_ml = voxel_ml
        self._least_voxels = least_voxels
        self._regrow = steps_of(REGROW_MM, spacing_mm)
        self._spacing_mm = spacing_mm
        self._fine = fine_axes(spacing_mm)
        largest = max((spacing_mm[axis] for axis in self._fine), default=0.0)
        self._kept = [
            round(largest / mm) if axis in self._fine else 0 for axis, mm in enumerate(spacing_mm)
        ]

    def pieces(self, intensities: Intensities, component: Bools, seed: int) -> Iterator[Bools]:
        """The parts of a candidate that are lesions of their own: what is near its seeds, without
        the sheets that connect them.

        Args:
            intensities: normalized, of the candidate's part of the box.
            component: its voxels there.
            seed: the threshold of a lesion's seeds.
        """
        near = component & dilate(component & (intensities >= seed), self._regrow)
        opened = self._without_sheets(near)
        labels: Labels = cc3d.connected_components(opened.view(np.uint8), connectivity=18)
        bright = intensities >= seed
        for label in range(1, int(labels.max()) + 1):
            piece = labels == label
            if np.count_nonzero(piece) >= self._least_voxels and (piece & bright).any():
                yield piece

    def measure(
        self, intensities: Intensities, piece: Bools, free: Bools, search: Search, taken: Bools
    ) -> Outlined | None:
        """The outline of a lesion; None if it is no lesion.

        Args:
            intensities: normalized, of the piece's part of the box.
            piece: its voxels there.
            free: voxels into which it may grow.
            search: the search that found it.
            taken: voxels of other lesions.
        """
        thresholds = self._thresholds
        inside = np.sort(intensities[piece])
        dilated = dilate(piece, self._regrow)
        beyond = ~dilate(dilated, [1, 1, 1])
        around = intensities[free & beyond]
        if not around.size:
            return None
        plateau = float(inside[len(inside) // 2 :].mean())
        surroundings = float(np.median(tissue_of(around, thresholds.white)))
        dim = plateau < search.rise
        if (dim and not search.islands) or plateau < _CONTRAST_MIN * surroundings:
            return None
        healthy = self._healthy(intensities, beyond & ~taken, surroundings)
        # The threshold depends on the noise of the brain; the border of a lesion must not.
        upper = intensities >= (plateau + healthy) / 2
        ring = dilated & ~piece
        spread = int(np.count_nonzero(upper & ring)) / max(1, int(np.count_nonzero(ring)))
        if spread > _SPREAD_MAX:
            return None
        grown = self._without_sheets(dilated & upper & (piece | free))
        fluid = self._fluid_beside(intensities, grown)
        cnr = (plateau - surroundings) / thresholds.sigma
        if search.clear:
            if (
                spread > _SPREAD_THICK
                or not self._is_clear(intensities, grown, taken, fluid)
                or plateau < _CONTRAST_THICK * max(surroundings, float(np.median(healthy[grown])))
            ):
                return None
            core = self._core(intensities, grown, healthy, inside)
            return Outlined(grown, core, cnr, cnr >= search.cnr_min)
        sheet_max = _SHEET_MAX_DIM if dim else _SHEET_MAX[search.islands]
        if not search.islands and fluid > _FLUID_BESIDE_MAX and plateau < _LINING_MAX * search.seed:
            sheet_max = _SHEET_BESIDE_FLUID_MAX
        if not grown.any() or self._is_sheet(grown, sheet_max):
            return None
        if self._fades(intensities, grown, free, plateau, surroundings):
            return None
        # Healthy tissue that is this bright lies among more of its kind, and fades into it.
        around_it = max(surroundings, float(np.median(healthy[grown])))
        stands_out = plateau >= _STANDS_OUT * around_it
        if search.raises and not stands_out:
            return None
        if plateau < _CONTRAST_LONG * around_it and (
            (search.raises and is_thick(self._spacing_mm))
            or self._is_lining(intensities, grown, fluid)
        ):
            return None
        clear = spread <= _SPREAD_CLEAR and self._white_around(intensities, grown) >= _WHITE_CLEAR
        if dim and not stands_out and not clear:
            return None
        if search.islands and not self._is_island(
            intensities, grown, taken, fluid, stands_out=stands_out, clear=clear, dim=dim
        ):
            return None
        # Uneven white matter widens its peak, which would hide lesions that are distinct.
        least = search.cnr_min
        if stands_out:
            least = min(least, _CNR_STANDS_OUT)
        if clear and search.islands:
            least = min(least, _CNR_CLEAR)
        core = self._core(intensities, grown, healthy, inside)
        return Outlined(grown, core, cnr, cnr >= least)

    def may_hide_lesions(self, piece: Bools, search: Search) -> bool:
        """Whether a piece that is no lesion is a sheet in which lesions may lie."""
        return (
            not search.islands
            and search.raises < _RAISES_MAX
            and (
                self._is_sheet(piece, _SHEET_MAX[False])
                or edge_over_disc(piece, self._spacing_mm) > _EDGE_MAX
            )
        )

    def _healthy(self, intensities: Intensities, outside: Bools, otherwise: float) -> Floats:
        """What healthy tissue would have where a lesion is: the mean of the tissue around it,
        nearer voxels first, so that a lesion between white matter and cortex ends where it should
        on both sides. ``otherwise`` where no tissue is near."""
        white = self._thresholds.white
        tissue = (outside & (intensities >= _TISSUE_MIN * white)).astype(np.float32)
        total = tissue * np.minimum(intensities, np.float32(_HEALTHY_MAX * white))
        for axis, steps in enumerate(self._regrow):
            for _ in range(_HEALTHY_STEPS * steps):
                tissue, total = _spread(tissue, axis), _spread(total, axis)
        total += np.float32(_HEALTHY_PRIOR * otherwise)
        tissue += np.float32(_HEALTHY_PRIOR)
        total /= tissue
        return total

    def _core(
        self, intensities: Intensities, grown: Bools, healthy: Floats, inside: Intensities
    ) -> Bools:
        """The voxels that a lesion fills at least half. In thick slices it fills most of its voxels
        partly, so its plateau (of its sorted intensities ``inside``) is darker than the lesion
        itself, and half of the plateau's rise lies too far out."""
        if max(self._spacing_mm) < _CORE_MM:
            return grown
        lesion = float(inside[int(_CORE_QUANTILE * (len(inside) - 1))])
        core = grown & (intensities >= healthy + _CORE_LEVEL * (lesion - healthy))
        return core if np.count_nonzero(core) >= _CORE_VOXELS else grown

    def _without_sheets(self, mask: Bools) -> Bools:
        """A mask without what is thin and wide in it.

        It is opened, along axes whose voxels are fine enough, and what lies within the largest edge
        of these voxels of the opened mask is kept. A mask that is small or thin all over stays as
        it is.
        """
        if np.count_nonzero(mask) < SHAPE_VOXELS_MIN:
            return mask
        core = eroded(mask, self._fine)
        if not core.any():
            return mask
        return mask & dilate(core, self._kept)

    def _fluid_beside(self, intensities: Intensities, grown: Bools) -> float:
        """The share of fluid in what is right beside a lesion: where it is high, the lesion may be
        the lining of a ventricle."""
        beside = intensities[dilate(grown, self._regrow) & ~grown]
        fluid = np.count_nonzero(beside < _FLUID_MAX * self._thresholds.white)
        return fluid / max(1, beside.size)

    def _fades(
        self,
        intensities: Intensities,
        grown: Bools,
        free: Bools,
        plateau: float,
        surroundings: float,
    ) -> bool:
        """Whether something faint fades into its surroundings, in voxels that are large enough to
        mix cortex and fluid, but not so thick that lesions fade, too."""
        if not _MIXED_MM < max(self._spacing_mm) < FINE_MM:
            return False
        ring = intensities[dilate(grown, self._regrow) & ~grown & free]
        above = int(np.count_nonzero(ring >= (plateau + surroundings) / 2))
        return plateau < _CONTRAST_MIXED * surroundings and above > _SPREAD_MIXED * ring.size

    def _is_sheet(self, mask: Bools, limit: float) -> bool:
        """Whether a lesion has so much surface as cortex or the lining of a ventricle has."""
        surface = surface_over_ball(mask, self._spacing_mm)
        return surface is not None and surface > limit

    def _is_lining(self, intensities: Intensities, grown: Bools, fluid: float) -> bool:
        """Whether something that is not bright has the shape and the place of a lining or a cap, in
        thick slices."""
        return (
            fluid > _FLUID_LONG
            and edge_over_disc(grown, self._spacing_mm) > _EDGE_MAX
            and self._white_around(intensities, grown) < _WHITE_LONG
        )

    def _is_clear(self, intensities: Intensities, grown: Bools, taken: Bools, fluid: float) -> bool:
        """Whether something faint has the shape and the place of a lesion, in thick slices."""
        return bool(
            grown.any()
            and fluid <= _FLUID_THICK
            and self._is_apart(grown, taken)
            and edge_over_disc(grown, self._spacing_mm) <= _EDGE_MAX
            and length_over_width(grown, self._spacing_mm) <= _LENGTH_MAX
            and self._white_around(intensities, grown) >= _WHITE_THICK
        )

    def _is_island(
        self,
        intensities: Intensities,
        grown: Bools,
        taken: Bools,
        fluid: float,
        *,
        stands_out: bool,
        clear: bool,
        dim: bool,
    ) -> bool:
        """Whether white matter surrounds a faint lesion on enough sides, and not much fluid; the
        border of another lesion is none."""
        if fluid > _FLUID_BESIDE_FAINT_MAX[stands_out]:
            return False
        if not self._is_apart(grown, taken):
            return False
        least = _WHITE_CLEAR if stands_out and dim else _ISLAND_WHITE_MIN[stands_out]
        return clear or self._white_around(intensities, grown) >= least

    def _is_apart(self, grown: Bools, taken: Bools) -> bool:
        """Whether a faint lesion is not too large, and away from others."""
        if np.count_nonzero(grown) * self._voxel_ml > _FAINT_MAX_ML:
            return False
        return not (dilate(grown, self._regrow) & taken).any()

    def _white_around(self, intensities: Intensities, grown: Bools) -> float:
        """The share of white matter in the ring around a lesion, within a slice where slices are
        thick."""
        white = self._thresholds.white
        steps = [n if axis in self._fine else 0 for axis, n in enumerate(self._regrow)]
        inner = dilate(grown, steps)
        ring = intensities[dilate(inner, steps) & ~inner]
        high = (self._tissues.grey + white) / 2 + self._thresholds.sigma
        matter = np.count_nonzero((ring >= _TISSUE_MIN * white) & (ring < high))
        return int(matter) / max(1, ring.size)


def tissue_of(around: Intensities, white: int) -> Intensities:
    """What around a lesion is tissue: fluid would draw its border outwards. All, if little is.

    Args:
        around: intensities, (n,).
        white: that of white matter.
    """
    tissue = around[around >= _TISSUE_MIN * white]
    return tissue if len(tissue) >= _TISSUE_SHARE_MIN * len(around) else around


def _spread(values: Floats, axis: int) -> Floats:
    """Each value and its two neighbours along an axis, weighed 1, 2, 1 and divided by 4."""
    out = values * np.float32(0.5)
    to, source = out.swapaxes(0, axis), values.swapaxes(0, axis)
    to[1:] += np.float32(0.25) * source[:-1]
    to[:-1] += np.float32(0.25) * source[1:]
    return out
