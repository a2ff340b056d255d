"""Images that are no adult head, or none as the header says, and the verdict that each gets.

``fail`` or ``warn`` is right, ``pass`` is wrong. Nothing is tuned on these images.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from common.domain.types import Affine
from fr_pacs.sources.phantom.source import Phantom, Recipe, make_phantom
from tests.evaluation.reading import read
from tests.evaluation.rows import ONE_MM

SEED = 990_000
"""Of the phantoms and of the noise; among ``rows.EVALUATION_SEEDS``."""

Floats = npt.NDArray[np.float32]
Volume = tuple[Floats, Affine]

_NOISE = 15.0  # standard deviation, where white matter has about 600
_EDGE = 160  # voxels of 1.25 mm along each axis of what is drawn
_EDGE_MM = 1.25
_LETTERS = "10110100111001011101100011110010"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the report says about an image."""

    name: str
    verdict: str
    """``fail``, ``warn`` or ``pass``."""
    reason: str
    """Why it failed, or the flags of the warnings; empty with ``pass``."""


def read_all(names: Sequence[str] | None = None) -> list[Refusal]:
    """Read the images, all or those named."""
    return [judge(name) for name in names or IMAGES]


def judge(name: str) -> Refusal:
    """Make one of ``IMAGES`` and read it."""
    voxels, affine = IMAGES[name](np.random.default_rng([SEED, [*IMAGES].index(name)]))
    reading = read("volume", np.asfortranarray(voxels.astype(np.float32)), affine)
    if reading.failed is not None:
        return Refusal(name, "fail", reading.failed)
    return Refusal(name, "warn" if reading.flags else "pass", ", ".join(reading.flags))


def text_of(refusals: Sequence[Refusal]) -> str:
    """A Markdown table and the counts."""
    counts = Counter(one.verdict for one in refusals)
    lines = ["| no adult head | verdict | reason |", "|---|---|---|"]
    lines += [f"| {one.name} | {one.verdict} | {one.reason} |" for one in refusals]
    passed = [one.name for one in refusals if one.verdict == "pass"]
    verdict = "missed: " + ", ".join(passed) + " passed" if passed else "the goal met"
    lines += [
        "",
        f"- refusals: of {len(refusals)} images that are no adult head, {counts['fail']} failed, "
        f"{counts['warn']} {'was' if counts['warn'] == 1 else 'were'} read with a warning, "
        f"{counts['pass']} passed: {verdict}",
    ]
    return "\n".join(lines)


def _head(contrast: str = "flair") -> Phantom:
    return make_phantom(SEED, 0, ONE_MM, Recipe(contrast=contrast))  # type: ignore[arg-type]


def _flair() -> Volume:
    phantom = _head()
    return phantom.voxels.astype(np.float32), phantom.affine


def _affine(edge_mm: float = _EDGE_MM, edge: int = _EDGE) -> Affine:
    first = -edge_mm * (edge - 1) / 2
    return (edge_mm, 0.0, 0.0, first), (0.0, edge_mm, 0.0, first), (0.0, 0.0, edge_mm, first)


def _grid() -> tuple[Floats, Floats, Floats]:
    """x, y, z in mm from the centre, each of a shape that the others broadcast with."""
    axis = ((np.arange(_EDGE) - (_EDGE - 1) / 2) * _EDGE_MM).astype(np.float32)
    return axis[:, None, None], axis[None, :, None], axis[None, None, :]


def _ball(radii_mm: tuple[float, float, float], centre_mm: tuple[float, float, float]) -> Floats:
    """0 outside an ellipsoid, 1 inside, between the two over a voxel."""
    parts = [
        ((axis - place) / radius) ** 2
        for axis, place, radius in zip(_grid(), centre_mm, radii_mm, strict=True)
    ]
    away = np.sqrt(parts[0] + parts[1] + parts[2])
    return np.asarray(np.clip((1 - away) * np.float32(min(radii_mm) / _EDGE_MM) + 0.5, 0, 1))


def _tube(radii_mm: tuple[float, float], centre_mm: tuple[float, float]) -> Floats:
    """The same for an elliptic cylinder along z."""
    x, y, _ = _grid()
    away = np.sqrt(
        ((x - centre_mm[0]) / radii_mm[0]) ** 2 + ((y - centre_mm[1]) / radii_mm[1]) ** 2
    )
    inside = np.clip((1 - away) * min(radii_mm) / _EDGE_MM + 0.5, 0, 1).astype(np.float32)
    return np.broadcast_to(inside, (_EDGE,) * 3)


def _noisy(image: Floats, draw: np.random.Generator) -> Floats:
    """With Rician noise."""
    real = image + draw.standard_normal(image.shape, np.float32) * np.float32(_NOISE)
    other = draw.standard_normal(image.shape, np.float32) * np.float32(_NOISE)
    return np.asarray(np.hypot(real, other), np.float32)


def _drawn(image: Floats, draw: np.random.Generator) -> Volume:
    return _noisy(np.broadcast_to(image, (_EDGE,) * 3).astype(np.float32), draw), _affine()


def _constant(_draw: np.random.Generator) -> Volume:
    return np.full((_EDGE,) * 3, 500, np.float32), _affine()


def _noise(draw: np.random.Generator) -> Volume:
    return _drawn(np.zeros((1, 1, 1), np.float32), draw)


def _gradient(draw: np.random.Generator) -> Volume:
    x, y, z = _grid()
    return _drawn(300 + x + y + z, draw)


def _sphere(draw: np.random.Generator) -> Volume:
    return _drawn(600 * _ball((75, 75, 75), (0, 0, 0)), draw)


def _cube(draw: np.random.Generator) -> Volume:
    x, y, z = (np.abs(axis) < 65 for axis in _grid())
    return _drawn(600 * (x & y & z).astype(np.float32), draw)


def _checkerboard(draw: np.random.Generator) -> Volume:
    x, y, z = (np.floor(axis / 15) for axis in _grid())
    return _drawn(np.asarray(600 * ((x + y + z) % 2), np.float32), draw)


def _stripes(draw: np.random.Generator) -> Volume:
    return _drawn((330 + 270 * np.sin(_grid()[2] / 6)) * _ball((80, 90, 80), (0, 0, 0)), draw)


def _bottle(draw: np.random.Generator) -> Volume:
    _, _, z = _grid()
    inside = np.minimum(_tube((70, 70), (0, 0)), np.clip((75 - np.abs(z)) / _EDGE_MM, 0, 1))
    return _drawn(600 * inside * (1 - _ball((25, 15, 60), (0, 62, 0))), draw)


def _shells(draw: np.random.Generator) -> Volume:
    x, y, z = _grid()
    away = np.sqrt(x**2 + y**2 + z**2)
    return _drawn((400 + 250 * np.cos(away / 4)) * (away < 85), draw)


def _smooth(draw: np.random.Generator) -> Volume:
    field = ndimage.gaussian_filter(draw.standard_normal((_EDGE,) * 3, np.float32), 8)
    return _drawn(np.maximum(300 + 250 * field / field.std(), 0), draw)


def _knee(draw: np.random.Generator) -> Volume:
    _, _, z = _grid()
    leg = 350 * _tube((62, 68), (0, 0)) - 150 * _tube((56, 62), (0, 0))
    upper, lower = (1 / (1 + np.exp(-sign * (z - 3 * sign) / 2)) for sign in (1, -1))
    bones = upper * _tube((34, 30), (0, 5)) + lower * _tube((36, 28), (0, 0))
    return _drawn(np.asarray(leg * (1 - bones) + 550 * bones, np.float32), draw)


def _torso(draw: np.random.Generator) -> Volume:
    body = 500 * _tube((98, 70), (0, 0)) - 200 * _tube((88, 60), (0, 0))
    body = body - 280 * _ball((32, 45, 80), (-45, 0, 10)) - 280 * _ball((32, 45, 80), (45, 0, 10))
    heart, spine = _ball((30, 30, 40), (8, 15, -10)), _tube((14, 14), (0, -45))
    return _drawn(np.maximum(body * (1 - heart) + 450 * heart + 250 * spine, 0), draw)


def _text(draw: np.random.Generator) -> Volume:
    bits = np.array([int(bit) for bit in _LETTERS * (_EDGE * 2)], np.float32)
    page = bits[: (_EDGE // 5) ** 2].reshape(_EDGE // 5, -1)
    page = np.kron(page, np.ones((5, 5), np.float32))
    return _drawn(600 * np.repeat(page[:, None, :], _EDGE, axis=1), draw)


def _egg(draw: np.random.Generator) -> Volume:
    scalp = 450 * (_ball((85, 95, 85), (0, 0, 0)) - _ball((78, 88, 78), (0, 0, 0)))
    inside = 650 * _ball((70, 80, 70), (0, 0, 0)) - 60 * _ball((55, 65, 55), (0, 0, 0))
    return _drawn(scalp + inside, draw)


def _two_heads(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return np.concatenate([voxels, voxels], axis=0), affine


def _half_left(draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    empty = _noisy(np.zeros_like(voxels), draw)
    return np.where(np.arange(len(voxels))[:, None, None] < len(voxels) // 2, voxels, empty), affine


def _half_below(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels[:, :, : voxels.shape[2] // 2], affine


def _slab(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    middle = voxels.shape[2] // 2
    return voxels[:, :, middle - 20 : middle + 20], affine


def _four_slices(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels[:, :, 60:140:20], affine


def _upside_down(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels[:, :, ::-1], affine


def _backwards(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels[:, ::-1], affine


def _permuted(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels.transpose(1, 2, 0), affine


def _on_its_side(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels.transpose(2, 1, 0), affine


def _shuffled(draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels[:, :, draw.permutation(voxels.shape[2])], affine


def _inverted(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return np.maximum(voxels.max() * 0.8 - voxels, 0), affine


def _mask(_draw: np.random.Generator) -> Volume:
    phantom = _head()
    brain = 600 * phantom.truth.brain.astype(np.float32)
    return ndimage.gaussian_filter(brain, 0.7), phantom.affine


def _threshold(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    tissue = 600 * (voxels > 0.6 * np.median(voxels[voxels > 200])).astype(np.float32)
    return ndimage.gaussian_filter(tissue, 0.7), affine


def _ct(draw: np.random.Generator) -> Volume:
    phantom = _head("t1")
    skin = ndimage.binary_fill_holes(ndimage.gaussian_filter(phantom.voxels, 1.5) > 90)
    brain = phantom.truth.brain
    near = ndimage.distance_transform_edt(~brain[::2, ::2, ::2])
    near = ndimage.zoom(near, 2, order=1)[: skin.shape[0], : skin.shape[1], : skin.shape[2]] * 2
    padding = [(0, n - m) for n, m in zip(skin.shape, near.shape, strict=True)]
    bone = (np.pad(near, padding, mode="edge") < 8) & ~brain & skin
    units = np.where(bone, 1000, np.where(brain, 35, np.where(skin, 20, -1000)))
    return (units + draw.normal(0, 6, skin.shape)).astype(np.float32), phantom.affine


def _spectrum(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return np.log1p(np.abs(np.fft.fftshift(np.fft.fftn(voxels)))).astype(np.float32), affine


def _projection(draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return (
        _noisy(np.repeat(voxels.max(axis=2, keepdims=True), voxels.shape[2], axis=2), draw),
        affine,
    )


def _blurred(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return ndimage.gaussian_filter(voxels, 10), affine


def _mouse(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels, _scaled(affine, 0.55)


def _giant(_draw: np.random.Generator) -> Volume:
    voxels, affine = _flair()
    return voxels, _scaled(affine, 1.6)


def _scaled(affine: Affine, factor: float) -> Affine:
    a, b, c = (tuple(factor * cell for cell in row) for row in affine)
    return a, b, c  # type: ignore[return-value]


def _not_finite(_draw: np.random.Generator) -> Volume:
    return np.full((_EDGE,) * 3, np.nan, np.float32), _affine()


IMAGES: dict[str, Callable[[np.random.Generator], Volume]] = {
    "constant": _constant,
    "not finite": _not_finite,
    "noise": _noise,
    "gradient": _gradient,
    "sphere": _sphere,
    "cube": _cube,
    "checkerboard": _checkerboard,
    "stripes": _stripes,
    "bottle with an air bubble": _bottle,
    "spherical shells": _shells,
    "smooth random field": _smooth,
    "knee of two bones": _knee,
    "torso": _torso,
    "text": _text,
    "egg with a scalp": _egg,
    "two heads": _two_heads,
    "left half of a head": _half_left,
    "lower half of a head": _half_below,
    "40 mm out of a head's middle": _slab,
    "four slices of a head": _four_slices,
    "head upside down": _upside_down,
    "head with front and back exchanged": _backwards,
    "head with permuted axes": _permuted,
    "head on its side": _on_its_side,
    "head with shuffled slices": _shuffled,
    "head with inverted intensities": _inverted,
    "mask of a brain, blurred": _mask,
    "thresholded head, blurred": _threshold,
    "CT": _ct,
    "spectrum of a head": _spectrum,
    "projection of a head": _projection,
    "head blurred by 10 mm": _blurred,
    "head of half the size": _mouse,
    "head of 1.6 times the size": _giant,
}
"""What makes each image, from a random generator."""
