"""Anatomies on a grid of 1 mm: shares of the tissues, places, and what surrounds the brain.

``coded`` and ``mni`` serve tuning, ``colin`` judges. ``coded`` has the phantoms' crisp shares;
``mni`` has those that the real T1 intensities of MNI152 give, inside the coded head; ``colin`` has
the real T1 intensities of Colin27, its scalp and its skull. MNI152 is a mean of many heads, so it
is blurred: ``SHARPENED`` are variants for tuning whose fine structures have more contrast.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel
import nilearn  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fr_pacs.sources.phantom.template import FIRST, LEVELS, PAIRS, SHAPE, cells

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

COLIN = Path("/usr/share/mricron/templates")
"""Folder of Debian's mricron-data."""
TUNING = ("coded", "mni")
JUDGING = ("colin",)
SHARPENED = {"mni 1": (1.0, 0.02), "mni 2": (2.0, 0.03), "mni 3": (3.0, 0.01), "mni 4": (2.0, 0.05)}
"""``mni`` after an unsharp mask and with speckles: strength; their spread over white matter."""

_MNI = (
    Path(nilearn.__file__).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
)
_OUTSIDE_T1 = {"scalp": 0.5, "fat": 1.35, "skull": 0.08, "marrow": 0.8}
_VENTRICLES_DEEP_MM = 22.0
_MASK_MM, _SPECKLE_MM = 1.2, 0.8  # sigma
_LIMBIC = (*range(31, 43),)  # cingulate, hippocampus, parahippocampus and amygdala in the AAL atlas
_CEREBELLUM = (*range(91, 117),)
_STEM_MM = ((-16, 16), (-44, -12), (-90, -18))  # box of the brain stem, which the atlas lacks
_INSULA, _PALLIDUM = (29, 30), (75, 76)


@dataclass(frozen=True)
class Anatomy:
    """All arrays have the axes x, y, z (RAS+)."""

    grey: Floats
    white: Floats
    csf: Floats
    outside: Floats
    """T1 intensity over that of white matter, outside the brain; 0 inside."""
    texture: Floats
    """Intensity of tissue over the mean of its shares: 1 where nothing is known."""
    brain: Bools
    """Everything inside the skull."""
    ventricle_mm: Floats
    """Distance from the ventricles."""
    depth_mm: Floats
    """Depth below the brain's surface."""
    grey_mm: Floats
    """Distance from grey matter."""
    limbic: Bools
    pallidum: Bools
    infratentorial: Bools
    """Cerebellum and brain stem; False everywhere without the AAL atlas."""
    to_mni: npt.NDArray[np.float64]
    """Affine from voxel indices to mm, 4 x 4."""


def available(name: str) -> bool:
    """Whether the files of an anatomy are on this machine."""
    return name != "colin" or (COLIN / "ch2.nii.gz").exists()


@lru_cache(maxsize=1)
def anatomy(name: str) -> Anatomy:
    """The anatomy ``coded``, ``mni`` or ``colin``, or one of ``SHARPENED``."""
    if name == "colin":
        t1, affine = _load(COLIN / "ch2.nii.gz")
        brain = _load(COLIN / "ch2bet.nii.gz")[0] > 0
        brain = ndimage.binary_dilation(ndimage.binary_fill_holes(brain), iterations=1)
        levels = _levels(t1, brain)
        shares, texture = _shares_of_t1(t1, brain, levels)
        outside = np.where(brain, 0, t1 / np.float32(levels[2])).astype(np.float32)
        return _finished(shares, brain, outside, texture, affine)
    coded = _coded()
    outside = sum(
        (coded[tissue] * np.float32(level) for tissue, level in _OUTSIDE_T1.items()),
        np.zeros(SHAPE, np.float32),
    )
    shares = (coded["grey"], coded["white"], coded["csf"])
    brain = shares[0] + shares[1] + shares[2] > 0.5
    t1, affine = _load(_MNI)
    affine = affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array(FIRST)
    texture = np.ones(SHAPE, np.float32)
    if name != "coded":
        box = tuple(slice(first, first + n) for first, n in zip(FIRST, SHAPE, strict=True))
        t1 = t1[box]
        tissue = ndimage.binary_erosion(t1 > 0, iterations=1) & brain
        levels = _levels(t1, tissue)
        if name in SHARPENED:
            t1 = np.where(tissue, _sharpened(t1, levels[2], *SHARPENED[name]), t1)
        found, texture = _shares_of_t1(t1, tissue, levels)
        shares = tuple(  # type: ignore[assignment]
            np.where(tissue, new, old) for new, old in zip(found, shares, strict=True)
        )
    return _finished(shares, brain, outside, texture, affine)


def _load(path: Path) -> tuple[Floats, npt.NDArray[np.float64]]:
    image: Any = nibabel.load(path)
    array = np.asanyarray(image.dataobj).astype(np.float32)
    affine = image.affine.copy()
    for axis in range(3):
        if affine[axis, axis] < 0:
            array = np.flip(array, axis)
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[axis, axis] *= -1
    return np.ascontiguousarray(array), affine


def _coded() -> dict[str, Floats]:
    codes = cells().T
    pair, level = codes // LEVELS, (codes % LEVELS).astype(np.float32) / (LEVELS - 1)
    shares: dict[str, Floats] = {}
    for number, (first, second) in enumerate(PAIRS):
        here = pair == number
        for tissue, share in ((first, 1 - level), (second, level)):
            shares[tissue] = shares.get(tissue, np.zeros(SHAPE, np.float32)) + here * share
    return shares


def _levels(t1: Floats, brain: Bools) -> tuple[float, float, float]:
    """Fluid, grey and white matter on T1: the darkest, and the two peaks."""
    inner = t1[ndimage.binary_erosion(brain, iterations=4)]
    counts, edges = np.histogram(inner, 128, (0, float(np.quantile(inner, 0.999))))
    smooth = np.convolve(counts, np.ones(5) / 5, "same")
    white = int(np.argmax(smooth[70:])) + 70
    grey = int(np.argmax(smooth[40 : white - 16])) + 40
    return float(np.quantile(inner, 0.01)), float(edges[grey]), float(edges[white])


def _sharpened(t1: Floats, white: float, strength: float, speckle: float) -> Floats:
    """T1 with more contrast of fine structures, and with speckles; the same in each call.

    Args:
        t1: intensities.
        white: that of white matter.
        strength: of the unsharp mask.
        speckle: standard deviation of the speckles over white matter.
    """
    sharp = t1 + np.float32(strength) * (t1 - ndimage.gaussian_filter(t1, _MASK_MM))
    noise = np.random.default_rng(5).standard_normal(t1.shape, np.float32)
    noise = ndimage.gaussian_filter(noise, _SPECKLE_MM)
    sharp += np.float32(speckle * white) * noise / noise.std()
    return np.asarray(np.maximum(sharp, 0), np.float32)


def _shares_of_t1(
    t1: Floats, brain: Bools, levels: tuple[float, float, float]
) -> tuple[tuple[Floats, Floats, Floats], Floats]:
    """Partial volumes from the intensity of T1, and the texture that they leave.

    A voxel between white matter and fluid has the intensity of grey matter. Where pure fluid and
    pure white matter are next to it, it counts as a mixture of these two.
    """
    fluid, middle, top = levels
    csf = np.clip((middle - t1) / (middle - fluid), 0, 1) * brain
    white = np.clip((t1 - middle) / (top - middle), 0, 1) * brain
    between = (ndimage.maximum_filter(csf, 3) > 0.9) & (ndimage.maximum_filter(white, 3) > 0.8)
    mixed = np.clip((top - t1) / (top - fluid), 0, 1)
    csf = np.where(between & brain, mixed, csf).astype(np.float32)
    white = np.where(between & brain, 1 - mixed, white).astype(np.float32)
    grey = (brain - csf - white).astype(np.float32)
    texture = np.where(white > 0.99, np.clip(t1 / top, 0.9, 1.1), 1).astype(np.float32)
    return (grey, white, csf), texture


def _finished(
    shares: tuple[Floats, Floats, Floats],
    brain: Bools,
    outside: Floats,
    texture: Floats,
    affine: npt.NDArray[np.float64],
) -> Anatomy:
    grey, white, csf = shares
    depth = distance(brain)
    labels, _ = ndimage.label((csf > 0.6) & (depth > _VENTRICLES_DEEP_MM))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    ventricles = sizes[labels] > 300
    atlas = _atlas(brain.shape, affine)
    return Anatomy(
        grey=grey,
        white=white,
        csf=csf,
        outside=outside,
        texture=texture,
        brain=brain,
        ventricle_mm=distance(~ventricles),
        depth_mm=depth,
        grey_mm=distance(grey < 0.5),
        limbic=np.isin(atlas, (*_LIMBIC, *_INSULA)),
        pallidum=np.isin(atlas, _PALLIDUM),
        infratentorial=_below(atlas, affine),
        to_mni=affine,
    )


def distance(mask: Bools) -> Floats:
    """Distance of each voxel of a mask from what lies outside, mm: to 2 mm, which is an eighth of
    the work."""
    away = 2 * ndimage.distance_transform_edt(mask[::2, ::2, ::2]).astype(np.float32)
    for axis, n in enumerate(mask.shape):
        away = np.repeat(away, 2, axis=axis).take(range(n), axis=axis)
    return np.asarray(away)


def _below(atlas: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64]) -> Bools:
    """Where the nearest label is one of the cerebellum, and the box of the brain stem."""
    if not atlas.any():
        return np.zeros(atlas.shape, np.bool_)
    thin = atlas[::2, ::2, ::2]
    nearest = ndimage.distance_transform_edt(thin == 0, return_distances=False, return_indices=True)
    below = np.isin(thin, _CEREBELLUM)[tuple(nearest)]
    stem = np.ones(thin.shape, np.bool_)
    for axis, (low, high) in enumerate(_STEM_MM):
        mm = affine[axis, axis] * 2 * np.arange(thin.shape[axis]) + affine[axis, 3]
        within = (mm >= low) & (mm <= high)
        stem &= np.expand_dims(within, [other for other in range(3) if other != axis])
    out = below | stem
    for axis, n in enumerate(atlas.shape):
        out = np.repeat(out, 2, axis=axis).take(range(n), axis=axis)
    return np.asarray(out)


def _atlas(shape: tuple[int, ...], affine: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """The AAL atlas on a grid; zeros where it is not installed."""
    path = COLIN / "aal.nii.gz"
    if not path.exists():
        return np.zeros(shape, np.uint8)
    atlas, own = _load(path)
    shift = np.rint(np.linalg.inv(own)[:3] @ affine[:, 3]).astype(int)
    out = np.zeros(shape, np.uint8)
    to, source = [], []
    for first, n, m in zip(shift, shape, atlas.shape, strict=True):
        to.append(slice(max(0, -first), min(n, m - first)))
        source.append(slice(max(0, first), min(m, n + first)))
    out[tuple(to)] = atlas[tuple(source)]
    return out
