"""A realistic head with known lesions, drawn from a seed: painted at 1 mm, then seen by a scanner
with a slice profile, coils, noise and, where wanted, motion and truncation."""

import math
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from common.domain.types import Affine
from tests.evaluation.realistic.anatomy import Anatomy, Bools, Floats, anatomy, distance
from tests.evaluation.realistic.kinds import STREAK, Kind
from tests.evaluation.realistic.lesions import Painted, paint

_PROFILE = 5  # samples across a thick slice
_PROFILE_MM = 2.0  # slices at least this thick have a profile
_LANDMARKS_MM = 10.0
_NEAR_MM, _AROUND = 3.0, 15  # where lesions may be: steps; edge of a box around them, voxels
_WHITE = 600.0
_FAT_LEVELS = 0.6, 1.0  # over white matter on T1: nothing below is fat, all above is
_INFLOW_MNI = ((-5, 2, 4), (5, 2, 4), (0, -32, -12), (0, -46, -30))
"""Foramina of Monro, aqueduct and fourth ventricle, mm."""
_INFLOW_MM = 5.0  # sigma
_SINUS_MNI = ((0, -84, 10), (-40, -70, -28), (40, -70, -28))  # sagittal and transverse, mm
_STREAK_MM, _BEATS_MM = 2.0, (9.0, 24.0)  # sigma; distance of the streak's maxima
_SHARP_MM = 60.0  # from a sinus, where its streak is half as bright
_TEXTURE_T1 = {"grey": (0.64, 0.74), "csf": (0.15, 0.3)}

Steps = tuple[int, int, int]


@dataclass(frozen=True)
class Landmarks:
    """Points of the brain, some millimetres apart, whose true position in MNI space is known."""

    scan_mm: npt.NDArray[np.float64]
    """Positions in the scan's space, (n, 3)."""
    mni_mm: npt.NDArray[np.float64]
    """Positions in the space of the anatomy's own file, (n, 3)."""


@dataclass(frozen=True)
class Head:
    """A scan and its truth; arrays have the axes x, y, z in Fortran order."""

    voxels: npt.NDArray[np.int16]
    affine: Affine
    contrast: str
    labels: npt.NDArray[np.uint8]
    """The lesion that fills at least half of a voxel, from 1; else 0."""
    share: Floats
    """How much of each voxel is lesion, 0 to 1."""
    lesion_ml: tuple[float, ...]
    """Of each lesion, with its partial volumes."""
    true_ml: dict[str, float]
    """``grey``, ``white``, ``csf``, ``intracranial``, ``lesion``, with partial volumes."""
    places: tuple[str, ...]
    """Where each lesion lies: a name of ``lesions.PLACES``."""
    landmarks: Landmarks
    numbers: tuple[int, ...]
    """The number of each lesion among the painted ones."""
    to_first: npt.NDArray[np.float64]
    """Of the second scan of a pair: mm in its space to mm in the first one's, 3 x 4."""


def make_head(family: str, seed: int, index: int, kind: Kind) -> Head:
    """Head ``index`` of a seed.

    Args:
        family: the anatomy.
        seed: of a series.
        index: in the series, from 0.
        kind: what to draw from.
    """
    draw = np.random.default_rng([seed, index])
    base = anatomy(family)
    painted = paint(base, kind, draw)
    image = intensities(base, kind, painted, draw)
    return scanned(image, painted, base, Scanner(base, kind, draw), kind, draw)


def scanned(
    image: Floats,
    painted: Painted,
    base: Anatomy,
    scanner: "Scanner",
    kind: Kind,
    draw: np.random.Generator,
) -> Head:
    """What a scanner makes of a painted head."""
    if kind.skull != 1:
        image = _thinner(image, base, kind.skull)
    seen = scanner.see(image)
    if kind.flow[1]:
        seen = seen + _streak(scanner, base, STREAK * draw.uniform(*kind.flow), draw)
    share, labels = scanner.see_lesions(painted)
    if kind.gibbs:
        seen = _truncated(seen)
    if kind.ghost:
        seen = seen + np.float32(kind.ghost) * np.roll(seen, seen.shape[1] // 2 + 7, axis=1)
    seen *= _field(scanner, kind, draw)
    if kind.stripped:
        seen *= scanner.see(_kept(base, kind, draw).astype(np.float32)) > 0.4
    noisy = _rician(seen, draw.uniform(*kind.noise_percent) / 100, draw)
    if kind.stripped:
        noisy *= seen > 0
    return _head(scanner, kind, noisy, share, labels, base, painted.places)


def intensities(base: Anatomy, kind: Kind, painted: Painted, draw: np.random.Generator) -> Floats:
    """Intensities over white matter at 1 mm."""
    flair = kind.contrast == "flair"
    grey = draw.uniform(*(kind.grey if flair else _TEXTURE_T1["grey"]))
    csf = draw.uniform(*(kind.csf if flair else _TEXTURE_T1["csf"]))
    rim, caps, dirty, limbic = (
        draw.uniform(*part) for part in (kind.rim, kind.caps, kind.dirty, kind.limbic)
    )
    white = base.white * base.texture
    cortex = base.grey * np.float32(grey)
    if flair:
        cortex *= 1 + np.float32(limbic) * base.limbic - np.float32(0.12) * base.pallidum
        white = white * (1 + np.float32(dirty) * _rough(base.white.shape, draw))
        near = base.ventricle_mm
        white = white * (1 + np.float32(rim) * np.exp(-((near / 2.0) ** 2)))
        ends = _horns(base) * np.clip(1 - near / np.float32(draw.uniform(4, 8)), 0, 1)
        white = white * (1 + np.float32(caps) * ends)
    matter = white + cortex
    image = matter + base.csf * np.float32(csf)
    image += _brightened(base.outside, np.float32(draw.uniform(*kind.fat)), kind)
    if kind.flow[1]:
        image += base.csf * _inflow(base, draw.uniform(*kind.flow) - csf, draw)
    share = painted.share
    level = painted.brightness if flair else np.float32(draw.uniform(0.55, 0.8))
    return np.asarray(image * (1 - share) + share * level, np.float32)


def _brightened(outside: Floats, factor: np.float32, kind: Kind) -> Floats:
    """What surrounds the brain, with its fat as bright as the kind wants it."""
    if not kind.fat_only:
        return np.asarray(outside * factor)
    low, high = _FAT_LEVELS
    fat = np.clip((outside - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(outside * (1 + (factor - 1) * fat), np.float32)


def _rough(shape: tuple[int, ...], draw: np.random.Generator) -> Floats:
    """Uneven brightness over some centimetres, of standard deviation about 1."""
    out = np.zeros(shape, np.float32)
    for _ in range(4):
        x, y, z = (
            np.sin(np.arange(n, dtype=np.float32) * np.float32(draw.uniform(0.1, 0.35))
                   + np.float32(draw.uniform(0, 6.28)))
            for n in shape
        )  # fmt: skip
        out += 1.4 * x[:, None, None] * (y[:, None] * z)
    return out


def _horns(base: Anatomy) -> Floats:
    """1 in front of and behind the ventricles, 0 beside them."""
    y = base.to_mni[1, 1] * np.arange(base.white.shape[1], dtype=np.float32) + base.to_mni[1, 3]
    ahead = np.clip((y - 18) / 6, 0, 1) + np.clip((-32 - y) / 6, 0, 1)
    return np.asarray(ahead[None, :, None], np.float32)


def _voxel(base: Anatomy, mni_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A place in the anatomy, in its voxels."""
    return np.asarray(np.linalg.solve(base.to_mni, np.append(np.asarray(mni_mm), 1.0))[:3])


def _inflow(base: Anatomy, brightness: float, draw: np.random.Generator) -> Floats:
    """What flow adds to fluid at two of the ventricles' openings, over white matter."""
    grid = [np.arange(n, dtype=np.float32) for n in base.csf.shape]
    out = np.zeros(base.csf.shape, np.float32)
    for opening in draw.choice(len(_INFLOW_MNI), 2, replace=False):
        x, y, z = (
            (axis - np.float32(place)) ** 2
            for axis, place in zip(grid, _voxel(base, _INFLOW_MNI[opening]), strict=True)
        )
        away = x[:, None, None] + y[:, None] + z
        out = np.maximum(out, np.exp(-away / np.float32(2 * _INFLOW_MM**2)))
    return np.asarray(out * np.float32(brightness), np.float32)


def _streak(
    scanner: "Scanner", base: Anatomy, brightness: float, draw: np.random.Generator
) -> Floats:
    """Ghosts of a pulsating sinus: bright spots along y, in the air too."""
    place = _voxel(base, _SINUS_MNI[int(draw.integers(len(_SINUS_MNI)))])
    points = scanner.points(every=(4, 4, 4))
    apart = [(axis - np.float32(there)) ** 2 for axis, there in zip(points, place, strict=True)]
    away = apart[0] + apart[1] + apart[2]
    first = np.array(np.unravel_index(int(np.argmin(away)), away.shape)) * 4
    x, y, z = (
        ((np.arange(n) - begin) * mm).astype(np.float32)
        for n, begin, mm in zip(scanner.shape, first, scanner.spacing_mm, strict=True)
    )
    beats = 0.5 + 0.5 * np.cos(2 * np.pi * y / draw.uniform(*_BEATS_MM))
    along = beats / (1 + np.abs(y) / _SHARP_MM)
    across = np.exp(
        -(x[:, None] ** 2 + z**2) / (2 * max(_STREAK_MM, scanner.spacing_mm[2] / 2) ** 2)
    )
    return np.asarray(brightness * across[:, None, :] * along[:, None], np.float32)


def _kept(base: Anatomy, kind: Kind, draw: np.random.Generator) -> Bools:
    """What skull stripping leaves."""
    if not kind.loose_mm[1]:
        return base.brain
    uneven = np.clip(0.5 + _rough(base.brain.shape, draw) / 3, 0, 1)
    low, high = kind.loose_mm
    return np.asarray(distance(~base.brain) <= low + (high - low) * uneven)


def _thinner(image: Floats, base: Anatomy, thickness: float) -> Floats:
    """The image with another thickness of all that surrounds the brain."""
    outside = distance(~base.brain)
    inside = base.brain | (outside == 0)
    steps = np.gradient(ndimage.gaussian_filter(outside, 2.0))
    length = np.sqrt(sum(step**2 for step in steps)) + np.float32(1e-3)
    further = np.where(inside, 0, outside * np.float32(1 / thickness - 1))
    points = [
        axis + further * step / length
        for axis, step in zip(np.indices(image.shape, np.float32), steps, strict=True)
    ]
    return np.asarray(ndimage.map_coordinates(image, points, order=1), np.float32)


def _rotation(draw: np.random.Generator, most: float) -> npt.NDArray[np.float64]:
    """A rotation by up to ``most`` degrees about each axis."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(draw.uniform(-most, most, 3))):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        one = np.eye(3)
        one[first, first] = one[second, second] = np.cos(angle)
        one[first, second], one[second, first] = -np.sin(angle), np.sin(angle)
        turn = one @ turn
    return turn


class Scanner:
    """Where each voxel of the scan lies in the anatomy."""

    def __init__(self, base: Anatomy, kind: Kind, draw: np.random.Generator) -> None:
        self.spacing_mm = kind.spacing_mm
        self.thick = kind.spacing_mm[2] >= _PROFILE_MM
        shape = base.white.shape
        where = np.nonzero(base.brain[::4, ::4, ::4])
        self._centre = np.array([4 * axis.mean() for axis in where], np.float32)
        view = np.array(shape) + 6
        self.shape = tuple(
            round(float(n / mm)) for n, mm in zip(view, kind.spacing_mm, strict=True)
        )
        self._turn = _rotation(draw, kind.tilt)
        self._scale = draw.uniform(0.98, 1.08) * draw.uniform(0.97, 1.03, 3)
        self._bend = draw.uniform(-2.0, 2.0, (3, 2)), draw.uniform(0, 6.28, (3, 2))
        inner = base.ventricle_mm[::4, ::4, ::4] == 0
        self._ventricles = np.array([4 * axis.mean() for axis in np.nonzero(inner)], np.float32)
        self._wide = np.float32(draw.uniform(*kind.wide))
        self._middle = (np.array(self.shape) - 1) / 2
        self._pose: tuple[Floats, Floats] | None = None
        if kind.size != (1.0, 1.0):
            self._scale /= draw.uniform(*kind.size)
        if kind.cropped_mm[1]:
            self._crop(base, draw.uniform(*kind.cropped_mm), top=bool(draw.integers(2)))

    def _crop(self, base: Anatomy, mm: float, *, top: bool) -> None:
        """Leave out slices above or below, and with them some millimetres of the brain."""
        brain = self.see_coarsely(base.brain.astype(np.float32), (4, 4, 1)) > 0.5
        slices = np.flatnonzero(brain.any(axis=(0, 1)))
        lost = round(mm / self.spacing_mm[2])
        first, end = (
            (0, int(slices[-1]) + 1 - lost) if top else (int(slices[0]) + lost, self.shape[2])
        )
        self.shape = (*self.shape[:2], end - first)
        self._middle = self._middle - np.array([0, 0, first])

    def moved(self, kind: Kind, draw: np.random.Generator) -> "Scanner":
        """The same head, turned and shifted."""
        other = copy(self)
        turn = _rotation(draw, kind.tilt).astype(np.float32)
        other._pose = turn, draw.uniform(-6, 6, 3).astype(np.float32)
        return other

    @property
    def to_first(self) -> npt.NDArray[np.float64]:
        """mm of this scan's space to mm of that of the scanner that it was moved from, 3 x 4."""
        turn, shift = self._pose or (np.eye(3), np.zeros(3))
        return np.column_stack([turn, shift]).astype(np.float64)

    @property
    def affine(self) -> Affine:
        rows = []
        for axis in range(3):
            row = [0.0, 0.0, 0.0, -self.spacing_mm[axis] * float(self._middle[axis])]
            row[axis] = self.spacing_mm[axis]
            rows.append((row[0], row[1], row[2], row[3]))
        return rows[0], rows[1], rows[2]

    def points(self, shift: float = 0.0, every: Steps = (1, 1, 1)) -> list[Floats]:
        """Positions in the anatomy of the voxels, in its voxels.

        Args:
            shift: along z, in parts of a slice.
            every: along each axis, leave out voxels between.
        """
        axes = [
            ((np.arange(0, n, step) - m + (shift if axis == 2 else 0)) * mm).astype(np.float32)
            for axis, (n, m, mm, step) in enumerate(
                zip(self.shape, self._middle, self.spacing_mm, every, strict=True)
            )
        ]
        x, y, z = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
        if self._pose is not None:
            turn, move = self._pose
            x, y, z = (
                (row[0] * x + row[1] * y) + (row[2] * z + shift)
                for row, shift in zip(turn, move, strict=True)
            )
        size, phase = self._bend
        out = []
        for axis in range(3):
            a, b, c = (self._turn[axis] * self._scale[axis]).astype(np.float32)
            bent = (
                np.float32(size[axis, 0]) * np.sin(x / 28 + np.float32(phase[axis, 0])),
                np.float32(size[axis, 1]) * np.sin((y + z) / 34 + np.float32(phase[axis, 1])),
            )
            out.append((a * x + bent[0]) + (b * y + c * z + bent[1]) + self._centre[axis])
        if self._wide > 0.01:
            away = [p - c for p, c in zip(out, self._ventricles, strict=True)]
            square = sum((d / s) ** 2 for d, s in zip(away, (22, 34, 20), strict=True))
            pull = self._wide * np.exp(-square)
            out = [p - d * pull for p, d in zip(out, away, strict=True)]
        return [np.asarray(part, np.float32) for part in out]

    def see(self, image: npt.NDArray[Any]) -> Floats:
        """An array of the anatomy as the scan's voxels see it, through the slice profile."""
        out = np.zeros(self.shape, np.float32)
        for shift, weight in self._profile():
            out += np.float32(weight) * ndimage.map_coordinates(image, self.points(shift), order=1)
        return out

    def see_coarsely(self, image: npt.NDArray[Any], every: Steps, order: int = 1) -> Floats:
        """The same at some voxels, as ``points`` takes them, without the slice profile."""
        seen = ndimage.map_coordinates(image, self.points(every=every), order=order)
        return np.asarray(seen, np.float32)

    def landmarks(self, base: Anatomy) -> Landmarks:
        """The brain's points, about a centimetre apart."""
        every = [max(1, round(_LANDMARKS_MM / mm)) for mm in self.spacing_mm]
        finest = math.gcd(*every)
        thin = tuple(slice(None, None, own // finest) for own in every)
        inside = [part[thin].ravel() for part in self.points(every=(finest,) * 3)]
        index = np.array(inside).T.astype(np.float64)
        grid = np.meshgrid(
            *(np.arange(0, n, own) for n, own in zip(self.shape, every, strict=True)), indexing="ij"
        )
        scan = np.array([axis.ravel() for axis in grid]).T
        shape = np.array(base.brain.shape)
        near = np.rint(index).astype(int)
        within = np.all((near >= 0) & (near < shape), axis=1)
        within[within] = base.brain[tuple(near[within].T)]
        affine = np.array(self.affine)
        return Landmarks(
            scan[within] @ affine[:, :3].T + affine[:, 3],
            index[within] @ base.to_mni[:3, :3].T + base.to_mni[:3, 3],
        )

    def see_lesions(self, painted: Painted) -> tuple[Floats, npt.NDArray[np.uint8]]:
        """Shares and labels of the lesions, sampled only where they are."""
        # A voxel lies at most 3 mm along each axis from the one that stands for it.
        x, y, z = (max(1, int(_NEAR_MM / mm)) for mm in self.spacing_mm)
        near = ndimage.maximum_filter(painted.labels, _AROUND)
        where = self.see_coarsely(near, (x, y, z), order=0) > 0
        for axis, (step, n) in enumerate(zip((x, y, z), self.shape, strict=True)):
            where = np.repeat(where, step, axis=axis).take(range(n), axis=axis)
        share = np.zeros(self.shape, np.float32)
        labels = np.zeros(self.shape, np.uint8)
        for shift, weight in self._profile():
            points = [part[where] for part in self.points(shift)]
            seen = ndimage.map_coordinates(painted.share, points, order=1)
            share[where] += np.float32(weight) * seen
            own = ndimage.map_coordinates(painted.labels, points, order=0)
            labels[where] = np.maximum(labels[where], own)
        return share, labels

    def _profile(self) -> list[tuple[float, float]]:
        """Where a voxel is sampled across its slice, in parts of a slice, with weights."""
        if not self.thick:
            return [(0.0, 1.0)]
        shifts = (np.arange(_PROFILE) - (_PROFILE - 1) / 2) / _PROFILE * 1.2
        weights = np.exp(-0.5 * (shifts / 0.42) ** 2)
        return list(zip(shifts.tolist(), (weights / weights.sum()).tolist(), strict=True))


def _field(scanner: Scanner, kind: Kind, draw: np.random.Generator) -> Floats:
    """A field of mean 1 whose range over the head is that of the kind."""
    axes = [
        (np.arange(n) - m) * mm / 90
        for n, m, mm in zip(scanner.shape, (np.array(scanner.shape) - 1) / 2,
                            scanner.spacing_mm, strict=True)
    ]  # fmt: skip
    x, y, z = (
        axes[0].astype(np.float32)[:, None, None],
        axes[1].astype(np.float32)[None, :, None],
        axes[2].astype(np.float32)[None, None, :],
    )
    if kind.coils:
        out = np.zeros(scanner.shape, np.float32)
        for _ in range(6):
            place = draw.standard_normal(3)
            place *= 1.5 / np.linalg.norm(place)
            square = (x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - place[2]) ** 2
            out += np.float32(draw.uniform(0.6, 1.4)) / (np.float32(0.35) + square)
    else:
        a = draw.standard_normal(8).astype(np.float32)
        out = a[0] * x + a[1] * y + a[2] * z + a[3] * x * y + a[4] * y * z
        out = out + a[5] * x * x + a[6] * y * y + a[7] * z * z
    over = (x / 0.8) ** 2 + (y / 0.95) ** 2 + (z / 0.8) ** 2 < 1
    inside = out[over]
    low, high = float(inside.min()), float(inside.max())
    wanted = draw.uniform(*kind.field_percent) / 100
    out = (out - np.float32((low + high) / 2)) * np.float32(wanted / (high - low))
    return np.clip(out + 1, 0.2, 4).astype(np.float32)


def _truncated(image: Floats) -> Floats:
    """The image without its highest frequencies within a plane, which rings at edges."""
    spectrum = np.fft.rfft(image, axis=1)
    spectrum[:, int(spectrum.shape[1] * 0.7) :] = 0
    return np.fft.irfft(spectrum, n=image.shape[1], axis=1).astype(np.float32)


def _rician(image: Floats, sigma: float, draw: np.random.Generator) -> Floats:
    real = draw.standard_normal(image.shape, np.float32) * np.float32(sigma)
    real += image
    other = draw.standard_normal(image.shape, np.float32) * np.float32(sigma)
    magnitude: Floats = np.sqrt(real * real + other * other)
    return magnitude


def _head(
    scanner: Scanner,
    kind: Kind,
    noisy: Floats,
    share: Floats,
    labels: npt.NDArray[np.uint8],
    base: Anatomy,
    places: list[str],
) -> Head:
    voxel_ml = float(np.prod(scanner.spacing_mm)) / 1000
    found: Bools = share >= 0.5
    labels = np.where(found, labels, 0).astype(np.uint8)
    count = int(labels.max())
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    # Lesions that fill no voxel are left out, and the labels are consecutive.
    kept = np.flatnonzero(sizes[1:] >= 3) + 1
    renumbered = np.zeros(count + 1, np.uint8)
    renumbered[kept] = np.arange(1, len(kept) + 1)
    labels = renumbered[labels]
    every = 1 if scanner.thick else 3
    coarse_ml = voxel_ml * every**3
    parts = {
        name: float(scanner.see_coarsely(getattr(base, name), (every,) * 3).sum(dtype=np.float64))
        * coarse_ml
        for name in ("grey", "white", "csf")
    }
    lesion = float(share.sum(dtype=np.float64)) * voxel_ml
    intracranial = sum(parts.values())
    # Nearly all of a lesion replaces white matter.
    parts["white"] -= lesion
    voxels = np.asfortranarray(np.clip(noisy * _WHITE, 0, 32000).astype(np.int16))
    return Head(
        voxels=voxels,
        affine=scanner.affine,
        contrast=kind.contrast,
        labels=np.asfortranarray(labels),
        share=np.asfortranarray(share),
        lesion_ml=tuple(float(sizes[n]) * voxel_ml for n in kept.tolist()),
        true_ml=parts | {"intracranial": intracranial, "lesion": lesion},
        places=tuple(places[n - 1] for n in kept.tolist()),
        landmarks=scanner.landmarks(base),
        numbers=tuple(kept.tolist()),
        to_first=scanner.to_first,
    )
