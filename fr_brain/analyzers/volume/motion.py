"""Ghosts of motion and flow in the air around a head.

Motion repeats the head along the axis of phase encoding, over the whole field of view, so the air
beside the head along that axis is brighter than other air. This is the ghost-to-signal ratio of
Giannelli et al., Journal of Applied Clinical Medical Physics 11 (2010), which MRIQC measures too
(Esteban et al., PLoS ONE 12, 2017); here it is fitted on blocks, together with a smooth background,
for each axis, as the header does not say which one it is. A pulsating vessel leaves a streak along
that axis. ``METHOD.md`` explains the constants.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, CoarseImage, Floats, distance_to

GHOST_WARN = 1.8
"""Amplitude of a ghost that the report warns of, % of white matter."""

_AWAY_MM = 8.0  # distance from the head within which air may be skin or ringing
_BLOCKS_MIN = 100  # of air beside the head along one axis, and of all other air
_AIR_RANGE = 0.5, 5.0  # over the median of the air: darker blocks are masked; brighter ones clipped
_MASKED_MAX = 0.5  # share of the air
_MEDIAN_MIN = 1e-3  # air over white matter: what is darker was masked
_THROUGH_MM = 80.0  # of the head, on a line that may be a streak: shorter ones touch nose or chin
_LINE_MIN, _AROUND_MIN = 2, 8  # blocks of air on one side of a line, and around that
_AROUND = ((-3, 0), (3, 0), (0, -3), (0, 3), (-2, -2), (2, 2), (-2, 2), (2, -2))
_LINE_MM = 2.5  # distance of a lesion from a line that it lies on, along each axis across
_MAD = 0.6745  # median absolute value of a standard normal distribution


@dataclass(frozen=True)
class Ghosts:
    """What the air shows."""

    percent: float
    """Amplitude of a ghost of the head along one axis, % of white matter: the mean over the air
    beside the upper half of the head, so where the ghost lies it is stronger."""
    streak: float
    """How much brighter the air is on one line through the head along x or y than around it, on
    both sides of the head; standard deviations of the noise."""


def ghosts_of(
    coarse: CoarseImage, head: Bools, brain: Bools, white: float, offset: float
) -> Ghosts | None:
    """Measure ghosts.

    Args:
        coarse: the block means.
        head: all blocks that are not air, axes z, y, x.
        brain: those of the brain.
        white: intensity of white matter, scaled as in ``coarse.mean``.
        offset: what to add to ``coarse.mean`` to get magnitudes.

    Returns:
        None where there is too little air, or where it was masked.
    """
    air = distance_to(head, coarse.spacing_mm, _AWAY_MM + 1) > _AWAY_MM
    found = magnitude_of_air(coarse, air, white, offset)
    if found is None:
        return None
    magnitude, usable = found
    # Squares of magnitudes add up, those of noise and of a ghost.
    power = magnitude**2
    upper = usable.copy()
    upper[: int(np.average(np.arange(len(brain)), weights=brain.sum(axis=(1, 2))))] = False
    percent = _ghost_percent(power, upper, head, white)
    if percent is None:
        return None
    return Ghosts(percent, _streak(power, usable, head, coarse.spacing_mm))


def magnitude_of_air(
    coarse: CoarseImage, air: Bools, white: float, offset: float
) -> tuple[Floats, Bools] | None:
    """Magnitudes of all blocks, of which the bright ones are clipped, and which blocks of air are
    usable.

    Args:
        coarse: the block means.
        air: blocks that hold nothing else, axes z, y, x; those that are not complete are left out.
        white: intensity of white matter, scaled as in ``coarse.mean``.
        offset: what to add to ``coarse.mean`` to get magnitudes.

    Returns:
        None where there is too little air, or where it was masked.
    """
    air = air.copy()
    air[-1] = air[:, -1] = air[:, :, -1] = False  # blocks that are not complete
    magnitude = coarse.mean + np.float32(offset)
    values = magnitude[air]
    if values.size < 2 * _BLOCKS_MIN:
        return None
    median = float(np.median(values))
    usable = air & (magnitude > _AIR_RANGE[0] * median)
    if median < _MEDIAN_MIN * white or usable.sum() < (1 - _MASKED_MAX) * values.size:
        return None
    return np.minimum(magnitude, np.float32(_AIR_RANGE[1] * median)), usable


def sides_of(
    power: Floats, usable: Bools, head: Bools, axis: int, spacing_mm: tuple[float, float, float]
) -> list[tuple[Floats, npt.NDArray[np.intp]]]:
    """The air before and behind the head on each line along an axis that runs through it.

    Args:
        power: of all blocks, axes z, y, x.
        usable: blocks of air.
        head: all blocks that are not air.
        axis: of the lines.
        spacing_mm: distance between blocks along z, y, x, mm.

    Returns:
        Of each side, the sum of each line's power and its number of blocks, a line an element.
    """
    own = np.where(usable, power, 0)
    through = np.count_nonzero(head, axis=axis) * spacing_mm[axis] >= _THROUGH_MM
    first, last = head.argmax(axis=axis), head.shape[axis] - np.flip(head, axis).argmax(axis)
    place = np.arange(head.shape[axis]).reshape([-1 if other == axis else 1 for other in range(3)])
    before = place < np.expand_dims(np.where(through, first, 0), axis)
    after = place >= np.expand_dims(np.where(through, last, head.shape[axis]), axis)
    return [
        ((own * side).sum(axis=axis), np.count_nonzero(usable & side, axis=axis))
        for side in (before, after)
    ]


def most_in_line(places_mm: npt.NDArray[np.float64]) -> int:
    """The most lesions on one line along an axis of the image.

    Args:
        places_mm: of the lesions along the axes of the image, (n, 3), mm.
    """
    near = np.abs(places_mm[:, None] - places_mm) <= _LINE_MM
    across = (near[..., [1, 2]], near[..., [0, 2]], near[..., [0, 1]])
    return max(int(pair.all(axis=2).sum(axis=0).max(initial=0)) for pair in across)


def _ghost_percent(power: Floats, air: Bools, head: Bools, white: float) -> float | None:
    thin = air.copy()
    thin[:, :, 1::2] = False  # half of the blocks are enough, and take half of the time
    beside = _beside(head, thin)
    axes = [axis for axis in range(3) if np.count_nonzero(beside[axis]) >= _BLOCKS_MIN]
    if not axes or np.count_nonzero(~beside.any(axis=0)) < _BLOCKS_MIN:
        return None
    columns, values = _background(np.nonzero(thin), head.shape), power[thin]
    excess = max(_excess(columns, values, beside[axis]) for axis in axes)
    return 100 * float(np.sqrt(max(0.0, excess))) / white


def _beside(head: Bools, air: Bools) -> Bools:
    """Whether a block of air lies beside the head along each axis; (3, blocks of air)."""
    return np.stack(
        [np.broadcast_to(head.any(axis=axis, keepdims=True), head.shape)[air] for axis in range(3)]
    )


def _background(places: tuple[npt.NDArray[np.intp], ...], shape: tuple[int, ...]) -> Floats:
    """The terms of a polynomial of second degree at some blocks."""
    z, y, x = (
        (place * np.float32(2 / n) - 1).astype(np.float32)
        for place, n in zip(places, shape, strict=True)
    )
    return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x, y * y, z * z])


def _excess(columns: Floats, power: Floats, beside: Bools) -> float:
    """Mean power of some blocks over that of the background, which is fitted to the others."""
    others = columns[:, ~beside]
    square = (others @ others.T).astype(np.float64)
    fit = np.linalg.lstsq(square, (others @ power[~beside]).astype(np.float64), rcond=None)[0]
    return float(power[beside].mean(dtype=np.float64) - fit @ columns[:, beside].mean(axis=1))


def _streak(
    power: Floats, usable: Bools, head: Bools, spacing_mm: tuple[float, float, float]
) -> float:
    """The largest excess of a line in standard deviations; on its weaker side."""
    values = power[usable]
    sigma = float(np.median(np.abs(values - np.median(values)))) / _MAD
    if not sigma:
        return 0.0
    best = 0.0
    for axis in (1, 2):  # below the head is the neck
        sides = [
            _line_excess(total, blocks)
            for total, blocks in sides_of(power, usable, head, axis, spacing_mm)
        ]
        best = max(best, float(np.minimum(*sides).max()) / sigma)
    return best


def _line_excess(total: Floats, blocks: npt.NDArray[np.intp]) -> Floats:
    """Mean of each line over that of the lines around, times the root of its blocks; 0 where there
    are too few.

    Args:
        total: sum of each line, a line an element.
        blocks: of each line.
    """
    count = blocks.astype(np.float32)
    around, near = np.zeros_like(total), np.zeros_like(count)
    for shift in _AROUND:
        around += np.roll(total, shift, (0, 1))
        near += np.roll(count, shift, (0, 1))
    excess = total / np.maximum(count, 1) - around / np.maximum(near, 1)
    enough = (count >= _LINE_MIN) & (near >= _AROUND_MIN)
    return np.where(enough, excess * np.sqrt(count), 0)
