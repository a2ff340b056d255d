"""The steps of the analysis with scipy and with scikit-image, on one core: bias field, brain mask,
tissue classes, lesion candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.cluster.vq import kmeans

Voxels = npt.NDArray[Any]

_COARSE = 4  # edge of a block, voxels
_SKULL = 3  # erosion that separates brain and skull, blocks
_OVER_WHITE = 1.25
_SAMPLE = 20_000
_LEAST = 8  # smallest candidate, voxels


@dataclass(frozen=True)
class Found:
    """The result of the steps."""

    brain_share: float
    candidates: list[tuple[float, tuple[float, ...]]]
    """Number of voxels and centroid of each candidate."""


def with_scipy(voxels: Voxels) -> Found:
    """The steps with ``scipy.ndimage`` and ``scipy.cluster``."""
    image = voxels.astype(np.float32)
    blocks = ndimage.zoom(ndimage.uniform_filter(image, _COARSE), 1 / _COARSE, order=0)
    head = ndimage.binary_fill_holes(blocks > _otsu(blocks))
    core = ndimage.binary_erosion(head, _ball(1), iterations=_SKULL)
    labels, _ = ndimage.label(core)
    core = labels == np.bincount(labels.flat)[1:].argmax() + 1
    coarse = ndimage.binary_dilation(core, _ball(1), iterations=1) & head
    image /= _field(blocks, core, image.shape)
    brain = _finer(coarse, image.shape)
    smooth = ndimage.gaussian_filter(image, 0.7)
    sample = smooth[brain][:: max(1, int(brain.sum()) // _SAMPLE)]
    levels = np.sort(kmeans(sample.astype(float), np.quantile(sample, (0.05, 0.4, 0.8)))[0])
    tissues = np.digitize(smooth, (levels[1:] + levels[:-1]) / 2) * brain
    over = (smooth > _OVER_WHITE * levels[1]) & (tissues > 0)
    labels, count = ndimage.label(ndimage.binary_opening(over), np.ones((3, 3, 3)))
    numbers = np.arange(1, count + 1)
    sizes = ndimage.sum_labels(over, labels, numbers)
    centroids = ndimage.center_of_mass(over, labels, numbers)
    ndimage.mean(smooth, labels, numbers)
    return Found(
        float(brain.mean()),
        [(size, at) for size, at in zip(sizes, centroids, strict=True) if size >= _LEAST],
    )


def with_scikit_image(voxels: Voxels) -> Found:
    """The steps with scikit-image's filters, morphology and measures."""
    from skimage import filters, measure, morphology, transform

    image = voxels.astype(np.float32)
    blocks = transform.downscale_local_mean(image, (_COARSE,) * 3)
    head = ndimage.binary_fill_holes(blocks > filters.threshold_otsu(blocks))
    core = morphology.erosion(head, morphology.ball(_SKULL))
    labels = measure.label(core, connectivity=1)
    core = labels == np.bincount(labels.flat)[1:].argmax() + 1
    coarse = morphology.dilation(core, morphology.ball(1)) & head
    image /= _field(blocks, core, image.shape)
    brain = _finer(coarse, image.shape)
    smooth = filters.gaussian(image, 0.7)
    levels = filters.threshold_multiotsu(smooth[brain], 3)
    tissues = np.digitize(smooth, levels) * brain
    white = float(np.median(smooth[tissues == 1]))
    over = (smooth > _OVER_WHITE * white) & (tissues > 0)
    labels = measure.label(morphology.opening(over, morphology.ball(1)), connectivity=3)
    regions = measure.regionprops(labels, smooth)
    return Found(
        float(brain.mean()),
        [(r.area, r.centroid) for r in regions if r.area >= _LEAST and r.intensity_mean > 0],
    )


def _field(blocks: Voxels, core: Voxels, shape: tuple[int, ...]) -> Voxels:
    """A quadratic through the logarithm of the core's blocks; 1 in the middle of them."""
    at = np.argwhere(core)
    terms = _terms([at[:, axis] / core.shape[axis] for axis in range(3)])
    values = np.log(np.maximum(blocks[core], 1))
    weights, *_ = np.linalg.lstsq(np.stack(terms, axis=1), values, rcond=None)
    axes = np.meshgrid(
        *(np.linspace(0, 1, n, dtype=np.float32) for n in shape), indexing="ij", sparse=True
    )
    log = sum(np.float32(w) * term for w, term in zip(weights[1:], _terms(axes)[1:], strict=True))
    log = np.broadcast_to(log, shape)
    field: Voxels = np.exp(log - np.median(log[::8, ::8, ::8]))
    return field


def _terms(axes: Sequence[Voxels]) -> list[Voxels]:
    x, y, z = axes
    return [np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z]


def _finer(mask: Voxels, shape: tuple[int, ...]) -> Voxels:
    for axis, length in enumerate(shape):
        mask = np.repeat(mask, _COARSE, axis)
        missing = max(0, length - mask.shape[axis])
        mask = np.pad(mask, [(0, missing if n == axis else 0) for n in range(3)])
        mask = mask.take(range(length), axis)
    return mask


def _ball(connectivity: int) -> Voxels:
    ball: Voxels = ndimage.generate_binary_structure(3, connectivity)
    return ball


def _otsu(values: Voxels) -> float:
    counts, edges = np.histogram(values, 256)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * below / below[-1] - sums) ** 2 / (below * (below[-1] - below))
    return float(middles[np.nanargmax(between)])
