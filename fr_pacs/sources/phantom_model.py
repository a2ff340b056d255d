"""A three-dimensional head with known lesions, drawn from a seed: FLAIR-like, and synthetic.

Nested ellipsoids with a bit of deformation (scalp, skull, CSF, folded grey matter, white matter),
two ventricles, lesions with partial-volume edges, a smooth bias field and Rician noise. Noise and
intensity non-uniformity (INU) follow BrainWeb's conventions: noise in per cent is sigma over the
intensity of white matter, INU of 20 % is a field between 0.90 and 1.10.

The work is done in slabs of planes whose temporaries stay in a core's cache; all fields are sums
of few products of one factor an axis, so that no full-volume coordinate is ever made. No BLAS is
used: its order of summation, and so the last bit, would hang on the machine.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.errors import SettingsError
from common.models import Affine
from fr_pacs.sources.phantom_shapes import (
    FIELD_OF_VIEW_MM,
    Blend,
    Doubles,
    Floats,
    Waves,
    ellipsoid,
    mix,
    rotation,
)

_SLAB_VOXELS = 1 << 16  # times float32: four temporaries fit a second-level cache of 1 MiB

# Semi-axes of the head in mm (x, y, z); what lies inside is given as a share of them.
_HEAD_MM = (75.0, 91.0, 82.0)
_MEAN_RADIUS_MM = 82.0
_SCALP, _SKULL, _CSF, _GREY, _WHITE = 1.0, 0.93, 0.87, 0.84, 0.73
# How far folding moves the outer and inner faces of grey matter: below half their distances.
_GREY_FOLD, _WHITE_FOLD = 0.012, 0.045

# Intensities over that of white matter, as in FLAIR: fluid dark, grey a little above white.
_SCALP_INTENSITY, _SKULL_INTENSITY, _CSF_INTENSITY, _GREY_INTENSITY = 1.1, 0.12, 0.25, 1.17
_LESION_INTENSITY = (1.35, 1.8)

_LESION_RADIUS_MM = (2.0, 6.5)
_LESIONS_MAX = 16
_HEALTHY_CHANCE = 0.15
_LESION_TRIES = 60  # a place is free with a chance of about a half; a full brain ends the search

# The table that takes (distance from the centre, fold) to intensity.
_STEPS, _FOLDS = 1024, 16
_SQUARED_MAX = 1.25  # past this all is air


@dataclass(frozen=True, slots=True)
class LesionTruth:
    """One lesion as it was put in."""

    centre_mm: tuple[float, float, float]
    """Of the ellipsoid, mm, RAS+."""
    radii_mm: tuple[float, float, float]
    """Semi-axes before rotation, mm."""
    intensity: float
    """Over that of white matter, before bias and noise."""
    volume_ml: float
    """Partial volumes counted."""
    voxels: int
    """Voxels of which it fills at least half: those of the mask."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a perfect analysis would find."""

    mask: npt.NDArray[np.bool_]
    """Shape of the voxels, Fortran order: True where a lesion fills at least half of the voxel."""
    lesions: tuple[LesionTruth, ...]
    volumes_ml: dict[str, float]
    """Of ``scalp``, ``skull``, ``csf``, ``grey``, ``white`` and ``lesion``; partial volumes
    counted, exact to about 1 %."""
    noise_percent: float
    inu_percent: float


@dataclass(frozen=True, slots=True)
class Phantom:
    """A made scan and what is known of it."""

    voxels: npt.NDArray[np.int16]
    """Fortran order, read-only."""
    affine: Affine
    """Voxel indices to mm, RAS+; the centre of the volume is at 0, 0, 0."""
    truth: Truth


def make_phantom(seed: int, index: int, shape: tuple[int, int, int] = (96, 96, 96)) -> Phantom:
    """Make phantom ``index`` of ``seed``: the same one in any process.

    Lesions that a voxel grid of ``shape`` cannot show are left out: at 192 mm over 32 voxels few
    are left, at 16 none.

    Raises:
        SettingsError: a negative seed or index, or a shape that is not three axes of 2 to 1024.
    """
    plan = _Plan(seed, index, shape)
    voxels = plan.render()
    return Phantom(voxels, plan.affine, plan.truth())


def make_voxels(
    seed: int, index: int, shape: tuple[int, int, int]
) -> tuple[npt.NDArray[np.int16], Affine]:
    """Voxels and affine of ``make_phantom`` without the time and memory of the truth."""
    plan = _Plan(seed, index, shape)
    return plan.render(), plan.affine


def check(seed: int, shape: tuple[int, int, int]) -> None:
    """Raise ``SettingsError`` where no phantom can be made of these."""
    if seed < 0:
        raise SettingsError(f"seed: {seed} is negative; 0 or more")
    if len(shape) != 3 or not all(2 <= voxels <= 1024 for voxels in shape):
        raise SettingsError(f"shape: a phantom has three axes of 2 to 1024 voxels, not {shape}")


class _Plan:
    """Everything that is drawn before a voxel is made."""

    def __init__(self, seed: int, index: int, shape: tuple[int, int, int]) -> None:
        check(seed, shape)
        if index < 0:
            raise SettingsError(f"index: {index} is negative; 0 or more")
        self.shape = shape
        self.edges = tuple(FIELD_OF_VIEW_MM / voxels for voxels in shape)
        self.voxel_ml = math.prod(self.edges) / 1000
        # A stream for each purpose, so that a change of one leaves the others as they were.
        streams = np.random.SeedSequence(seed, spawn_key=(index,)).spawn(4)
        anatomy, bias, lesions, self.noise = (
            np.random.Generator(np.random.PCG64(stream)) for stream in streams
        )
        self.noise_percent = float(self.noise.uniform(1.0, 5.0))
        self.inu_percent = float(bias.uniform(10.0, 40.0))
        self.white = float(anatomy.uniform(250.0, 900.0))

        # Mean voxel edge as a share of the head: the width of the tissues' mixed edges.
        self._mixing = float(np.cbrt(math.prod(self.edges))) / _MEAN_RADIUS_MM
        self._axes: list[Doubles] = [
            (np.arange(voxels) - (voxels - 1) / 2) * edge
            for voxels, edge in zip(shape, self.edges, strict=True)
        ]
        self._centre = anatomy.uniform(-3.0, 3.0, 3)
        self._semi = np.array(_HEAD_MM) * anatomy.uniform(0.96, 1.04, 3)
        warp = Waves(anatomy, 3, frequency=(0.4, 1.0), span=0.07)
        fold = Waves(anatomy, 3, frequency=(2.4, 4.2), span=_FOLDS * 0.75)
        squares = [
            ((mm - centre) / semi) ** 2
            for mm, centre, semi in zip(self._axes, self._centre, self._semi, strict=True)
        ]
        self._square_z = squares[2].astype(np.float32)
        self._square_plane = (squares[1][:, None] + squares[0][None, :]).astype(np.float32)
        self._warp_waves = warp
        self._warp = warp.over(self._axes)
        self._fold = fold.over(self._axes)
        field = Waves(bias, 3, frequency=(0.25, 0.6), span=self.inu_percent / 200)
        self._bias = field.over(self._axes)

        self._ventricles = self._place_ventricles(anatomy)
        self._lesions = self._place_lesions(lesions)

    @property
    def affine(self) -> Affine:
        """Voxel indices to mm, RAS+, centred."""
        (x, y, z), (nx, ny, nz) = self.edges, self.shape
        return (
            (x, 0.0, 0.0, -x * (nx - 1) / 2),
            (0.0, y, 0.0, -y * (ny - 1) / 2),
            (0.0, 0.0, z, -z * (nz - 1) / 2),
        )

    def render(self) -> npt.NDArray[np.int16]:
        """The voxels, int16, Fortran order, read-only. Once: the noise is drawn as it goes."""
        nx, ny, nz = self.shape
        out = np.empty((nz, ny, nx), np.int16)
        table = self._intensities()
        planes = max(1, _SLAB_VOXELS // (nx * ny))
        buffers = np.empty((3, min(planes, nz), ny, nx), np.float32)
        blends = self._ventricles + tuple(blend for blend, _ in self._lesions)
        sigma = np.float32(self.white * self.noise_percent / 100)
        for first in range(0, nz, planes):
            slab, scratch, second = buffers[:, : min(planes, nz - first)]
            codes = self._codes(first, slab, scratch)
            np.take(table, codes, out=slab, mode="clip")  # the other modes buffer ``out``
            for blend in blends:
                mix(slab, first, blend, self.white)
            second.fill(1)
            self._bias.add_to(second, first, scratch)
            slab *= second
            # Rician: the modulus of a signal with normal noise in both channels.
            self.noise.standard_normal(dtype=np.float32, out=scratch)
            self.noise.standard_normal(dtype=np.float32, out=second)
            scratch *= sigma
            second *= sigma
            slab += scratch
            slab *= slab
            second *= second
            slab += second
            np.sqrt(slab, out=slab)
            slab += np.float32(0.5)
            out[first : first + len(slab)] = slab  # truncated: rounded, as none is negative
        out.flags.writeable = False
        return out.T

    def truth(self) -> Truth:
        """What a perfect analysis would find."""
        nx, ny, nz = self.shape
        mask = np.zeros((nz, ny, nx), np.bool_)
        for blend, _ in self._lesions:
            where = tuple(
                slice(a, a + n) for a, n in zip(blend.start, blend.filled.shape, strict=True)
            )
            mask[where] |= blend.filled >= 0.5
        mask.flags.writeable = False
        return Truth(
            mask=mask.T,
            lesions=tuple(lesion for _, lesion in self._lesions),
            volumes_ml=self._volumes(),
            noise_percent=self.noise_percent,
            inu_percent=self.inu_percent,
        )

    def _codes(self, first: int, slab: Floats, scratch: Floats) -> npt.NDArray[np.int32]:
        """The slab's rows and columns in the tables, as one number a voxel."""
        z = self._square_z[first : first + len(slab), None, None]
        np.add(self._square_plane, z, out=slab)
        self._warp.add_to(slab, first, scratch)
        slab *= np.float32(_STEPS / _SQUARED_MAX)
        np.clip(slab, 0, _STEPS - 1, out=slab)
        codes = slab.astype(np.int32)
        codes *= _FOLDS
        slab.fill(_FOLDS / 2)
        self._fold.add_to(slab, first, scratch)
        np.clip(slab, 0, _FOLDS - 1, out=slab)
        codes += slab.astype(np.int32)
        return codes

    def _fractions(self) -> dict[str, Doubles]:
        """How much of a voxel each tissue fills: tables of steps x folds."""
        distance = np.sqrt((np.arange(_STEPS) + 0.5) * (_SQUARED_MAX / _STEPS))[:, None]
        fold = ((np.arange(_FOLDS) + 0.5) / (_FOLDS / 2) - 1)[None, :]

        def inside(edge: Doubles | float) -> Doubles:
            mixed = (np.asarray(edge) - distance) / self._mixing + 0.5
            return np.asarray(np.broadcast_to(np.clip(mixed, 0, 1), (_STEPS, _FOLDS)))

        white, grey = inside(_WHITE + _WHITE_FOLD * fold), inside(_GREY + _GREY_FOLD * fold)
        csf, skull, scalp = inside(_CSF), inside(_SKULL), inside(_SCALP)
        return {
            "white": white,
            "grey": grey - white,
            "csf": csf - grey,
            "skull": skull - csf,
            "scalp": scalp - skull,
        }

    def _intensities(self) -> Floats:
        parts = self._fractions()
        over_white = (
            parts["white"]
            + parts["grey"] * _GREY_INTENSITY
            + parts["csf"] * _CSF_INTENSITY
            + parts["skull"] * _SKULL_INTENSITY
            + parts["scalp"] * _SCALP_INTENSITY
        )
        return np.asarray(over_white * self.white, dtype=np.float32).ravel()

    def _volumes(self) -> dict[str, float]:
        nx, ny, nz = self.shape
        counts = np.zeros(_STEPS * _FOLDS, np.int64)
        planes = max(1, _SLAB_VOXELS // (nx * ny))
        buffers = np.empty((2, min(planes, nz), ny, nx), np.float32)
        for first in range(0, nz, planes):
            slab, scratch = buffers[:, : min(planes, nz - first)]
            codes = self._codes(first, slab, scratch)
            counts += np.bincount(codes.ravel(), minlength=len(counts))
        volumes = {
            tissue: float((counts * part.ravel()).sum()) * self.voxel_ml
            for tissue, part in self._fractions().items()
        }
        # Ventricles and lesions lie wholly in white matter and take its place.
        ventricles = sum(float(blend.filled.sum()) for blend in self._ventricles) * self.voxel_ml
        lesions = sum(lesion.volume_ml for _, lesion in self._lesions)
        volumes["white"] -= ventricles + lesions
        volumes["csf"] += ventricles
        volumes["lesion"] = lesions
        return volumes

    def _place_ventricles(self, generator: np.random.Generator) -> tuple[Blend, ...]:
        blends = []
        for side in (-1.0, 1.0):
            radii = np.array([6.0, 24.0, 10.0]) * generator.uniform(0.8, 1.25, 3)
            centre = self._centre + np.array([side * 13.0, -4.0, 6.0])
            blend = ellipsoid(
                self._axes, centre, np.diag(1 / radii), float(radii.max()), _CSF_INTENSITY
            )
            if blend is not None:
                blends.append(blend)
        return tuple(blends)

    def _place_lesions(self, generator: np.random.Generator) -> list[tuple[Blend, LesionTruth]]:
        wanted = int(generator.integers(1, _LESIONS_MAX, endpoint=True))
        if generator.random() < _HEALTHY_CHANCE:
            wanted = 0
        gap = 2.5 * max(self.edges)  # so that no two share a voxel's neighbourhood
        # Below four voxels, or slices far apart, a lesion is noise: no truth to hold anyone to.
        smallest = max(float(np.cbrt(4 * self.voxel_ml * 1000 * 0.239)), 0.6 * max(self.edges))
        placed: list[tuple[Blend, LesionTruth]] = []
        taken: list[tuple[Doubles, float]] = []
        for _ in range(_LESION_TRIES):
            if len(placed) == wanted:
                break
            radius = float(generator.uniform(*_LESION_RADIUS_MM))
            radii = radius * generator.uniform(0.8, 1.25, 3)
            reach = float(radii.max())
            centre = self._centre + self._semi * generator.uniform(-_WHITE, _WHITE, 3)
            turned = rotation(generator)
            intensity = float(generator.uniform(*_LESION_INTENSITY))
            if radius < smallest or not self._in_white(centre, reach + max(self.edges)):
                continue
            if any(math.dist(centre, other) < reach + far + gap for other, far in taken):
                continue
            blend = ellipsoid(self._axes, centre, turned / radii[:, None], reach, intensity)
            if blend is None:
                continue
            voxels = int(np.count_nonzero(blend.filled >= 0.5))
            if not voxels:
                continue
            volume_ml = float(blend.filled.sum()) * self.voxel_ml
            taken.append((centre, reach))
            truth = LesionTruth(_xyz(centre), _xyz(radii), intensity, volume_ml, voxels)
            placed.append((blend, truth))
        return placed

    def _in_white(self, centre: Doubles, reach: float) -> bool:
        """Whether a ball of ``reach`` mm lies wholly in white matter, by a safe estimate."""
        squared = float((((centre - self._centre) / self._semi) ** 2).sum())
        squared += self._warp_waves.at(centre)
        # What the fold and the warp can still do within the reach is taken off.
        limit = _WHITE - _WHITE_FOLD - 0.01 - 1.2 * reach / _MEAN_RADIUS_MM
        if limit <= 0 or squared > limit**2:
            return False
        x, y, z = centre - self._centre - np.array([0.0, -4.0, 6.0])
        near = ((abs(x) - 13) / (7.5 + reach)) ** 2 + (y / (30 + reach)) ** 2
        return bool(near + (z / (12.5 + reach)) ** 2 > 1.1)


def _xyz(vector: Doubles) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])
