"""Findings that are spots of a streak of flow, as the air on their line shows.

A vessel that pulsates is repeated along the axis of phase encoding, over the whole field of view:
in the brain as a row of faint spots, in the air as a bright line. So a small finding is a spot if
the air before and behind the head, on the line through it, is brighter than on the lines around,
and if it is no brighter than such a line can make it. ``METHOD.md`` explains the constants.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.components import MeasuredLesion
from fr_brain.analyzers.volume.image import Bools, CoarseImage, Floats
from fr_brain.analyzers.volume.motion import GHOST_WARN, magnitude_of_air, sides_of
from fr_brain.analyzers.volume.segment import Segmentation
from fr_brain.analyzers.volume.shapes import dilate

_SPOT_MM = 15.0, 25.0  # largest edge of a spot: across its line, as of a sinus; along it
_DIM_MIN, _DIM_OVER_AIR = 0.1, 2.0  # dim tissue: over white matter, and over the median of the air
_BRIGHT_MIN = 0.2  # over white matter: narrow parts of the head, such as ears, and markers
_ACROSS_MM = 2.5  # sigma of the weights of the lines that a spot lies on
_REACH_MM = 6.0  # of these weights
_AROUND_MM = 9.0, 26.0  # distance of the lines around
_LINES_MIN, _BLOCKS_MIN = 12, 4.0  # lines around; blocks of air on the spot's line, on one side
_SHARE_MIN = 0.7  # of the weights, on lines with air
_EXCESS_MIN = 6.0  # both sides together, standard deviations of the lines around
_WEAKER_MIN = 0.0  # the same on each side that has air
_TIMES_MAX = 9.0  # contrast of a spot over the amplitude of its line in the air
_BLOCK = [1, 1, 1]
_MAD = 0.6745  # median absolute value of a standard normal distribution


@dataclass(frozen=True)
class _Side:
    """What the air on one side of the head has on a line more than on those around."""

    excess: float
    """Mean power over that around."""
    sigmas: float
    """The same in standard deviations of the lines around."""
    blocks: float
    """Of air that it was measured on."""


def on_streaks(segmentation: Segmentation) -> frozenset[int]:
    """Numbers (from 1) of findings that are no lesions but spots of a streak, on FLAIR.

    Empty if there is no air beside the head on their lines, if the air was masked, or if it shows
    ghosts of the whole head, which are uneven, too.
    """
    if segmentation.t1_like or not segmentation.lesions:
        return frozenset()
    image, coarse, head = segmentation.image, segmentation.coarse, segmentation.masks.head
    white = float(1 / segmentation.field.weights[0])
    offset = image.low / (image.high - image.low)
    found = magnitude_of_air(coarse, _air(coarse, head, white, offset), white, offset)
    if found is None:
        return frozenset()
    lines = _Lines(found[0] ** 2, found[1], head, coarse, image.spacing_mm)
    spots = frozenset(
        number
        for number, lesion in enumerate(segmentation.lesions, 1)
        if lines.amplitude(lesion) / white * _TIMES_MAX >= lesion.ratio - 1
    )
    if not spots:
        return spots
    ghosts = segmentation.ghosts
    return spots if ghosts is None or ghosts.percent <= GHOST_WARN else frozenset()


def _air(coarse: CoarseImage, head: Bools, white: float, offset: float) -> Bools:
    """Blocks that hold no part of the head. Dim skin and muscle of the face do not count as head
    elsewhere, but they are brighter than air with a streak. Blocks beside any of these may hold
    some of it, too; ringing reaches further, but it does so on the lines around, too."""
    magnitude = coarse.mean + np.float32(offset)
    usual = float(np.median(magnitude[~head]))
    dim = magnitude > max(_DIM_MIN * white, _DIM_OVER_AIR * usual)
    solid = dilate(~dilate(~(head | dim), _BLOCK), _BLOCK)  # without streaks, which are narrow
    return ~dilate(head | solid | (magnitude > _BRIGHT_MIN * white), _BLOCK)


class _Lines:
    """The air on both sides of the head, on lines along y and x; below the head is the neck."""

    def __init__(
        self,
        power: Floats,
        usable: Bools,
        head: Bools,
        coarse: CoarseImage,
        spacing_mm: tuple[float, float, float],
    ) -> None:
        self._coarse = coarse
        self._spacing_mm = spacing_mm
        self._sides = {
            axis: sides_of(power, usable, head, axis, coarse.spacing_mm) for axis in (1, 2)
        }

    def amplitude(self, lesion: MeasuredLesion) -> float:
        """Amplitude of a streak in the air on a line through a finding that may be a spot of it, in
        the unit of the blocks, on the side where it is larger; minus infinity if there is none."""
        edges = [n * mm for n, mm in zip(lesion.extent, self._spacing_mm, strict=True)]
        centre = [
            (place + 0.5) / n - 0.5
            for place, n in zip(lesion.centroid, self._coarse.factor, strict=True)
        ]
        best = -math.inf
        for axis, sides in self._sides.items():
            across = [other for other in range(3) if other != axis]
            if max(edges[other] for other in across) > _SPOT_MM[0] or edges[axis] > _SPOT_MM[1]:
                continue
            near = _Near(
                [centre[other] for other in across],
                [self._coarse.spacing_mm[other] for other in across],
                sides[0][0].shape,
            )
            measured = [side for side in (near.side(*air) for air in sides) if side is not None]
            if _is_streak(measured):
                best = max(best, max(math.sqrt(max(0.0, side.excess)) for side in measured))
        return best


def _is_streak(sides: list[_Side]) -> bool:
    if not sides or min(side.sigmas for side in sides) < _WEAKER_MIN:
        return False
    weighed = sum(side.sigmas * math.sqrt(side.blocks) for side in sides)
    return weighed / math.sqrt(sum(side.blocks for side in sides)) >= _EXCESS_MIN


class _Near:
    """The lines along an axis that lie near a finding."""

    def __init__(
        self, centre: list[float], spacing_mm: list[float], shape: tuple[int, ...]
    ) -> None:
        parts, away = [], []
        for place, mm, n in zip(centre, spacing_mm, shape, strict=True):
            reach = _AROUND_MM[1] / mm
            parts.append(slice(max(0, math.ceil(place - reach)), min(n, int(place + reach) + 1)))
            away.append((np.arange(parts[-1].start, parts[-1].stop) - place) * mm)
        square = away[0][:, None] ** 2 + away[1] ** 2
        self._part = parts[0], parts[1]
        self._weights = np.exp(square / (-2 * _ACROSS_MM**2)) * (square <= _REACH_MM**2)
        self._around = (square >= _AROUND_MM[0] ** 2) & (square <= _AROUND_MM[1] ** 2)

    def side(self, total: Floats, blocks: npt.NDArray[np.intp]) -> _Side | None:
        """One side of the head; None where it has too little air.

        Args:
            total: sum of the power of each line's air, a line an element.
            blocks: of each line.
        """
        total, count = total[self._part], blocks[self._part].astype(np.float64)
        weights = self._weights
        own = float((weights * count).sum())
        around = self._around & (count > 0)
        covered = float(weights[count > 0].sum())
        if covered < _SHARE_MIN * float(weights.sum()) or np.count_nonzero(around) < _LINES_MIN:
            return None
        measured_on = own**2 / float((weights**2 * count).sum())
        if measured_on < _BLOCKS_MIN:
            return None
        means = total[around] / count[around]
        usual = _middle(means)
        # A line of four blocks varies half as much as one block.
        sigma = _middle(np.abs(means - usual) * np.sqrt(count[around])) / _MAD
        excess = float((weights * total).sum()) / own - usual
        return _Side(excess, excess * math.sqrt(measured_on) / max(sigma, 1e-12), measured_on)


def _middle(values: npt.NDArray[np.floating]) -> float:
    """The upper one of the two medians; a tenth of the time of ``np.median``."""
    half = values.size // 2
    return float(np.partition(values, half)[half])
