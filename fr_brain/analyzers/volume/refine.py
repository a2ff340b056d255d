"""The bias field of FLAIR refined on single tissues instead of blocks.

The middle 2 mm of a block are mostly of one tissue. Grey and white matter are told apart there by
intensity and depth, and class memberships and field are estimated in turn, as in expectation
maximisation by Wells (IEEE TMI 15, 1996). ``METHOD.md`` explains why, and the constants.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.field import (
    FIELD_MAX,
    BiasField,
    Doubles,
    polynomial_terms,
    range_percent,
)
from fr_brain.analyzers.volume.image import CanonicalImage, CoarseImage
from fr_brain.analyzers.volume.masks import CoarseMasks

_CORE_MM = 2.0  # edge of the middle of a block
_CORES_MAX = 8_000  # blocks in the fit
_DEPTHS_MM = (4.1, 8.0, 12.0)  # bounds of the depth classes of _WHITE_PRIOR
_WHITE_PRIOR = np.array([0.02, 0.15, 0.4, 0.7])  # of white matter against grey, by depth
_OUTLIER_DENSITY = 0.15  # of fluid, lesions and mixtures, over a class' peak density
_GREY, _ROUNDS_HELD = 1.15, 4  # grey over white matter, held for the first rounds
_SIGMAS = (0.05, 0.046, 0.042, 0.038, 0.034, 0.03, 0.03, 0.03, 0.03)  # of a class, a round each


def refine_field(
    field: BiasField, image: CanonicalImage, coarse: CoarseImage, masks: CoarseMasks
) -> BiasField:
    """The field, fitted on grey and white matter.

    Args:
        field: the field fitted on blocks.
        image: a FLAIR.
        coarse: its blocks.
        masks: head and brain, a block each.

    Returns:
        The refined field, or ``field`` if the refined one is implausible.
    """
    where = np.nonzero(masks.brain)
    every = max(1, math.ceil(len(where[0]) / _CORES_MAX))
    blocks = tuple(axis[::every] for axis in where)
    values, terms = _cores(image, coarse, blocks, len(field.weights))
    white_prior = _WHITE_PRIOR[np.digitize(masks.depth[blocks], _DEPTHS_MM)]
    products = terms * values[:, None]
    weights, grey = field.weights, _GREY
    for turn, sigma in enumerate(_SIGMAS):
        normalized = products @ weights
        white = white_prior * np.exp(-0.5 * ((normalized - 1) / sigma) ** 2)
        cortex = (1 - white_prior) * np.exp(-0.5 * ((normalized - grey) / sigma) ** 2)
        density = white + cortex + _OUTLIER_DENSITY * math.sqrt(2 * math.pi) * sigma
        white /= density
        cortex /= density
        if turn >= _ROUNDS_HELD:
            grey = float(cortex @ normalized / cortex.sum())
        # Relative errors: each class' residual over its own intensity. The pull towards the old
        # weights is that of the first fit.
        normal = (products * (white + cortex / grey**2)[:, None]).T @ products
        pull = 1e-4 * float(values @ values)
        aim = products.T @ (white + cortex / grey) + pull * weights
        weights = np.asarray(np.linalg.solve(normal + pull * np.eye(len(weights)), aim))
    reciprocal = terms @ weights
    low, high = float(reciprocal.min()), float(reciprocal.max())
    if not 0 < low <= high < FIELD_MAX**2 * low:
        return field
    return replace(field, weights=weights, inu_percent=range_percent(reciprocal))


def _cores(
    image: CanonicalImage,
    coarse: CoarseImage,
    blocks: tuple[npt.NDArray[np.intp], ...],
    count: int,
) -> tuple[Doubles, Doubles]:
    """Mean of the middle of each of n blocks (indices z, y, x), shape n, and the ``count`` terms of
    the field there, n x count."""
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
    axes = [2 * at / (n - 1) - 1 for at, n in zip(middles, shape, strict=True)]
    return total / np.prod(edges), polynomial_terms(axes, count)
