"""Two scans of one head: years apart, so that lesions appear, grow, shrink and vanish; or a FLAIR
and a T1 scan of one study."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from tests.evaluation.realistic.anatomy import anatomy
from tests.evaluation.realistic.head import Head, Scanner, intensities, scanned
from tests.evaluation.realistic.kinds import Kind
from tests.evaluation.realistic.lesions import Painted, paint

CHANGES = ("stable", "new", "gone", "grown", "shrunk")
_CHANCES = (0.4, 0.2, 0.1, 0.2, 0.1)
_DARK_CHANCE = 0.6
_SMALLER = (0.65, 0.8)
"""Diameter of a lesion before it grew over that after: its volume is about 0.3 to 0.5 of it."""


@dataclass(frozen=True)
class Pair:
    """Two scans of one head and what changed."""

    first: Head
    second: Head
    changes: Mapping[int, str]
    """What became of each lesion, one of ``CHANGES``, by its number among the painted ones."""


def make_pair(family: str, seed: int, index: int, kind: Kind, *, changing: bool = True) -> Pair:
    """Pair ``index`` of a seed. In the second scan the head lies otherwise, with other noise and
    another bias field.

    Args:
        family: the anatomy.
        seed: of a series.
        index: in the series, from 0.
        kind: what to draw from.
        changing: whether lesions change; if not, all are stable.
    """
    draw = np.random.default_rng([seed, index])
    base = anatomy(family)
    painted = paint(base, kind, draw)
    chances = _CHANCES if changing else (1.0, 0.0, 0.0, 0.0, 0.0)
    changes = {
        number: str(draw.choice(CHANGES, p=chances)) for number in range(1, len(painted.places) + 1)
    }
    before, after = painted, painted
    for number, change in changes.items():
        if change == "new":
            before = _without(before, number)
        elif change == "gone":
            after = _without(after, number)
        elif change == "grown":
            before = _smaller(before, number, draw.uniform(*_SMALLER))
        elif change == "shrunk":
            after = _smaller(after, number, draw.uniform(*_SMALLER))
    state = draw.bit_generator.state
    image_before = intensities(base, kind, before, draw)
    draw.bit_generator.state = state  # the same brain around the lesions
    image_after = intensities(base, kind, after, draw)
    scanner = Scanner(base, kind, draw)
    first = scanned(image_before, before, base, scanner, kind, draw)
    second = scanned(image_after, after, base, scanner.moved(kind, draw), kind, draw)
    return Pair(first, second, changes)


@dataclass(frozen=True)
class Contrasts:
    """A FLAIR and a T1 scan of one head."""

    flair: Head
    t1: Head
    dark: frozenset[int]
    """Lesions that are dark on T1, by their numbers among the painted ones; the others look like
    white matter there."""


def make_contrasts(family: str, seed: int, index: int, kind: Kind) -> Contrasts:
    """A FLAIR and a T1 scan of head ``index`` of a seed. In the T1 scan, the head lies otherwise,
    with other noise and another bias field, in voxels of 1 mm.

    Args:
        family: the anatomy.
        seed: of a series.
        index: in the series, from 0.
        kind: of the FLAIR scan, what to draw from.
    """
    draw = np.random.default_rng([seed, index])
    base = anatomy(family)
    painted = paint(base, kind, draw)
    numbers = range(1, len(painted.places) + 1)
    dark = frozenset(number for number in numbers if draw.random() < _DARK_CHANCE)
    seen = painted
    for number in set(numbers) - dark:
        seen = _without(seen, number)
    other = replace(kind, contrast="t1", spacing_mm=(1.0, 1.0, 1.0))
    state = draw.bit_generator.state
    scanner = Scanner(base, kind, draw)
    draw.bit_generator.state = state
    moved = Scanner(base, other, draw).moved(other, draw)
    flair = scanned(intensities(base, kind, painted, draw), painted, base, scanner, kind, draw)
    t1 = scanned(intensities(base, other, seen, draw), painted, base, moved, other, draw)
    return Contrasts(flair, t1, dark)


def _without(painted: Painted, number: int) -> Painted:
    own = painted.labels == number
    return replace(
        painted,
        share=np.where(own, 0, painted.share),
        labels=np.where(own, 0, painted.labels).astype(np.uint8),
    )


def _smaller(painted: Painted, number: int, factor: float) -> Painted:
    """With a lesion shrunk about its middle."""
    own = painted.labels == number
    share = np.where(own, painted.share, 0)
    box = ndimage.find_objects(own.astype(np.uint8))[0]
    part = share[box]
    middle = np.array(ndimage.center_of_mass(part))
    scaled = ndimage.affine_transform(
        part, np.full(3, 1 / factor), middle - middle / factor, order=1
    )
    left = _without(painted, number)
    left.share[box] = np.maximum(left.share[box], scaled)
    left.labels[box] = np.where(scaled > 0, number, left.labels[box])
    return left
