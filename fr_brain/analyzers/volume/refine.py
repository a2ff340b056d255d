"""The bias field of FLAIR once more, by voxels instead of blocks.

Blocks of 4 mm mix cortex with the dark fluid around it until they are about as bright as white
matter, so a field fitted on them takes a part of grey matter's own brightness for bias: it lifted
the middle by 2 to 5 %, and grey matter's peak ran into white matter's. The middle 2 mm of each
block are mostly of one tissue; grey and white matter are told apart there by how bright they are
and how deep they lie, and the field is fitted on both by turns (as Wells 1996 does).
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.field import FIELD_MAX, BiasField, Doubles, quadratic_terms
from fr_brain.analyzers.volume.image import CanonicalImage, CoarseImage
from fr_brain.analyzers.volume.masks import CoarseMasks

_CORE_MM = 2.0
_CORES_MAX = 8_000  # more do not move ten weights
# How often white matter is what is not fluid, by depth: in synthetic heads 0.002, 0.07, 0.34 and
# 0.7. It keeps cortex mixed with fluid from being taken for white matter.
_DEPTHS_MM = (4.1, 8.0, 12.0)
_WHITE_SHARE = np.array([0.02, 0.15, 0.4, 0.7])
_NEITHER = 0.15  # density of fluid, lesions and mixtures, times that of a class' spread
# Grey matter over white is held for a few rounds: from the old field it would be too low, and a
# field and a contrast that explain each other stay as they are.
_GREY, _ROUNDS_HELD = 1.15, 4
_SPREADS = (0.05, 0.046, 0.042, 0.038, 0.034, 0.03, 0.03, 0.03, 0.03)


def refine_field(
    field: BiasField, image: CanonicalImage, coarse: CoarseImage, masks: CoarseMasks
) -> BiasField:
    """The field, fitted on grey and white matter; as it was where that gives no plausible one.

    Args:
        field: fitted on blocks.
        image: a FLAIR.
        coarse: its blocks.
        masks: head and brain.
    """
    where = np.nonzero(masks.brain)
    every = max(1, math.ceil(len(where[0]) / _CORES_MAX))
    blocks = tuple(axis[::every] for axis in where)
    values, terms = _cores(image, coarse, blocks)
    white_share = _WHITE_SHARE[np.digitize(masks.depth[blocks], _DEPTHS_MM)]
    products = terms * values[:, None]
    weights, grey = field.weights, _GREY
    for turn, spread in enumerate(_SPREADS):
        normalized = products @ weights
        white = white_share * np.exp(-0.5 * ((normalized - 1) / spread) ** 2)
        cortex = (1 - white_share) * np.exp(-0.5 * ((normalized - grey) / spread) ** 2)
        density = white + cortex + _NEITHER * math.sqrt(2 * math.pi) * spread
        white /= density
        cortex /= density
        if turn >= _ROUNDS_HELD:
            grey = float(cortex @ normalized / cortex.sum())
        # Relative errors: each class' residual over its own level. The pull is as in the first
        # fit.
        normal = (products * (white + cortex / grey**2)[:, None]).T @ products
        pull = 1e-4 * float(values @ values)
        aim = products.T @ (white + cortex / grey) + pull * weights
        weights = np.asarray(np.linalg.solve(normal + pull * np.eye(10), aim))
    reciprocal = terms @ weights
    low, high = float(reciprocal.min()), float(reciprocal.max())
    if not 0 < low <= high < FIELD_MAX**2 * low:
        return field
    return replace(field, weights=weights, inu_percent=200 * (high - low) / (high + low))


def _cores(
    image: CanonicalImage, coarse: CoarseImage, blocks: tuple[npt.NDArray[np.intp], ...]
) -> tuple[Doubles, Doubles]:
    """Mean of the middle of each block, and the field's terms there."""
    shape = (image.view.shape[0], image.view.shape[1], image.view.shape[2])
    edges = [
        max(1, min(f, round(_CORE_MM / mm)))
        for f, mm in zip(coarse.factor, image.spacing_mm, strict=True)
    ]
    first = [
        np.minimum(index * f + (f - edge) // 2, n - edge)
        for index, f, edge, n in zip(blocks, coarse.factor, edges, shape, strict=True)
    ]
    total = np.zeros(len(first[0]))
    for shift in itertools.product(*(range(edge) for edge in edges)):
        total += image.at(tuple(at + more for at, more in zip(first, shift, strict=True)))
    middles = [at + (edge - 1) / 2 for at, edge in zip(first, edges, strict=True)]
    terms = quadratic_terms([2 * at / (n - 1) - 1 for at, n in zip(middles, shape, strict=True)])
    return total / np.prod(edges), terms
