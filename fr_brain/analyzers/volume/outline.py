"""The outline of a lesion on FLAIR: where it ends, and whether shape and place are a lesion's.

Own method. A candidate is cut into pieces, so that it does not spread along cortex or the lining of
the ventricles; each piece ends halfway between its plateau and the healthy tissue on that side.
``METHOD.md`` explains the constants.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cc3d
import numpy as np

from fr_brain.analyzers.volume.image import Bools, Floats, Labels
from fr_brain.analyzers.volume.normalize import Intensities
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
_OPENED_VOXELS, _FINE_MM = 60, 2.5  # from this size sheets are cut off; along axes this fine
_SHEET_MAX = (1.3, 1.15)  # surface over that of a ball; of a faint lesion
_SHEET_MAX_DIM = 1.1  # the same, of a lesion inside white matter that is no brighter than cortex
_SHEET_BESIDE_FLUID_MAX = 1.05  # the same, beside fluid and no brighter than linings
_BALL_SURFACE, _BALL_POWER = 1.9, -0.22  # share of a ball's voxels on its surface, by its voxels
_FLAT_POWER = 0.7  # of how much more surface a ball has in flat voxels
_DIRECTIONS = 200  # on a half sphere
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
_IN_SLICE = 2  # axes of a slice
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
        self._fine = _fine_axes(spacing_mm)
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
                self._is_sheet(piece, _SHEET_MAX[False]) or self._edge_over_disc(piece) > _EDGE_MAX
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
        if np.count_nonzero(mask) < _OPENED_VOXELS:
            return mask
        core = _eroded(mask, self._fine)
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
        if not _MIXED_MM < max(self._spacing_mm) < _FINE_MM:
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
            and self._edge_over_disc(grown) > _EDGE_MAX
            and self._white_around(intensities, grown) < _WHITE_LONG
        )

    def _is_clear(self, intensities: Intensities, grown: Bools, taken: Bools, fluid: float) -> bool:
        """Whether something faint has the shape and the place of a lesion, in thick slices."""
        return bool(
            grown.any()
            and fluid <= _FLUID_THICK
            and self._is_apart(grown, taken)
            and self._edge_over_disc(grown) <= _EDGE_MAX
            and self._length_over_width(grown) <= _LENGTH_MAX
            and self._white_around(intensities, grown) >= _WHITE_THICK
        )

    def _edge_over_disc(self, mask: Bools) -> float:
        """The voxels at a lesion's edge within thick slices over those of discs of its areas there:
        linings and caps have more. 0 where slices are thin."""
        if len(self._fine) != _IN_SLICE:
            return 0.0
        areas = np.count_nonzero(mask, axis=tuple(self._fine))
        beside = dilate(~mask, [int(axis in self._fine) for axis in range(3)])
        edge = np.count_nonzero(mask & beside)
        return float(edge / np.minimum(areas, 2 * np.sqrt(np.pi * areas)).sum())

    def _length_over_width(self, mask: Bools) -> float:
        """How long a lesion is within thick slices, over its width: standard deviations of its
        voxels. 0 where slices are thin."""
        if len(self._fine) != _IN_SLICE:
            return 0.0
        places = np.nonzero(mask)
        one, other = (places[axis] * self._spacing_mm[axis] for axis in self._fine)
        both = np.cov(one, other, bias=True)
        # That of a voxel keeps a single row from being infinitely long.
        both += np.diag([self._spacing_mm[axis] ** 2 / 12 for axis in self._fine])
        least, most = np.linalg.eigvalsh(both)
        return float(np.sqrt(most / least))

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


def is_thick(spacing_mm: tuple[float, float, float]) -> bool:
    """Whether slices are thick, so that shapes across them mean little."""
    return len(_fine_axes(spacing_mm)) < 3


def surface_over_ball(mask: Bools, spacing_mm: tuple[float, float, float]) -> float | None:
    """A lesion's voxels on its surface over those of a ball of its size: sheets have more. None
    where it is too small to tell, or slices are thick."""
    count = int(np.count_nonzero(mask))
    if count < _OPENED_VOXELS or is_thick(spacing_mm):
        return None
    surface = 1 - int(np.count_nonzero(_eroded(mask, [0, 1, 2]))) / count
    ball = _BALL_SURFACE * count**_BALL_POWER
    if max(spacing_mm) > min(spacing_mm):
        flat = ball_surface(count, spacing_mm) / ball_surface(count, (1.0, 1.0, 1.0))
        ball *= flat**_FLAT_POWER
    return surface / float(ball)


def ball_surface(count: int, spacing_mm: tuple[float, float, float]) -> float:
    """The share of a ball's voxels that have a voxel of another kind beside them along an axis.

    A voxel at x is none of them if the ball, of radius r, contains x and its neighbours, at a
    distance of an edge e along each axis: x² + 2 e |x along the axis| + e² <= r². The share of the
    ball where this holds is integrated over directions.

    Args:
        count: voxels of the ball.
        spacing_mm: edges of a voxel; only their ratios matter.
    """
    edges = np.array(spacing_mm) / math.prod(spacing_mm) ** (1 / 3)
    radius = (3 * count / (4 * math.pi)) ** (1 / 3)
    # A spiral from the pole to the equator covers a half sphere evenly.
    steps = (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS
    height, turn = 1 - steps, steps * _DIRECTIONS * math.pi * (1 + math.sqrt(5))
    across = np.sqrt(1 - height**2)
    along = edges * np.abs(np.stack([height, across * np.cos(turn), across * np.sin(turn)], axis=1))
    reach = np.sqrt(np.maximum(along**2 - edges**2 + radius**2, 0)) - along
    inside = np.maximum(reach.min(axis=1), 0)
    return float(1 - (inside**3).mean() / radius**3)


def tissue_of(around: Intensities, white: int) -> Intensities:
    """What around a lesion is tissue: fluid would draw its border outwards. All, if little is.

    Args:
        around: intensities, (n,).
        white: that of white matter.
    """
    tissue = around[around >= _TISSUE_MIN * white]
    return tissue if len(tissue) >= _TISSUE_SHARE_MIN * len(around) else around


def steps_of(mm: float, spacing_mm: tuple[float, float, float]) -> list[int]:
    """A distance in voxels along z, y, x, at least one."""
    return [max(1, round(mm / edge)) for edge in spacing_mm]


def dilate(mask: Bools, steps: list[int]) -> Bools:
    """Dilate by a box of ``steps`` voxels to both sides along z, y, x."""
    for axis, count in enumerate(steps):
        for _ in range(count):
            mask = _dilate_axis(mask, axis)
    return mask


def _fine_axes(spacing_mm: tuple[float, float, float]) -> list[int]:
    return [axis for axis, mm in enumerate(spacing_mm) if mm < _FINE_MM]


def _eroded(mask: Bools, axes: list[int]) -> Bools:
    core = mask.copy()
    for axis in axes:
        core &= ~_dilate_axis(~mask, axis)
    return core


def _spread(values: Floats, axis: int) -> Floats:
    """Each value and its two neighbours along an axis, weighed 1, 2, 1 and divided by 4."""
    out = values * np.float32(0.5)
    to, source = out.swapaxes(0, axis), values.swapaxes(0, axis)
    to[1:] += np.float32(0.25) * source[:-1]
    to[:-1] += np.float32(0.25) * source[1:]
    return out


def _dilate_axis(mask: Bools, axis: int) -> Bools:
    out = mask.copy()
    ahead: list[slice] = [slice(None)] * 3
    behind: list[slice] = [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    out[tuple(ahead)] |= mask[tuple(behind)]
    out[tuple(behind)] |= mask[tuple(ahead)]
    return out
