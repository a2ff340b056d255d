"""A head with known lesions, drawn from a seed: MNI's anatomy, deformed; FLAIR-like or T1-like.

Each scan sees the template (``template.py``) through its own smooth warp; a table turns the codes
of its cells into intensities; lesions are blended in with partial volumes at their borders; a bias
field and Rician noise follow. Noise and intensity non-uniformity (INU) are in BrainWeb's units:
noise in per cent is sigma over the intensity of white matter; an INU of 20 % is a field between
0.90 and 1.10 (Cocosco et al. 1997; https://brainweb.bic.mni.mcgill.ca).

The work is done in slabs of planes whose temporaries stay in a core's cache. There is no BLAS, no
sum whose order depends on the machine, and no C library function in a voxel (``draws.py``), so the
same seed gives the same bytes everywhere.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from common.domain.types import Affine
from common.errors import SettingsError
from fr_pacs.sources.phantom.draws import Draws
from fr_pacs.sources.phantom.lesions import PlacedLesion, place_lesions
from fr_pacs.sources.phantom.noise import RicianNoise
from fr_pacs.sources.phantom.shapes import Blend, SyntheticBias, blend_into
from fr_pacs.sources.phantom.view import VIEW_MM, View

Contrast = Literal["flair", "t1"]
Background = Literal["noise", "empty"]
Range = tuple[float, float]

# Shades of the tissues, 0 to 255, as ranges; white matter is the reference.
_SHADES: dict[str, dict[str, tuple[int, int]]] = {
    "flair": {
        "scalp": (70, 120),
        "fat": (160, 240),
        "skull": (12, 24),
        "marrow": (60, 120),
        "csf": (22, 40),
        "grey": (157, 168),
        "white": (140, 140),
    },
    "t1": {
        "scalp": (65, 105),
        "fat": (200, 250),
        "skull": (10, 22),
        "marrow": (100, 160),
        "csf": (36, 56),
        "grey": (107, 119),
        "white": (165, 165),
    },
}
_LESION_SHADES: dict[str, Range] = {"flair": (1.35, 1.8), "t1": (0.45, 0.75)}

_SLAB_VOXELS = 1 << 16  # as float32, four temporaries fit a second-level cache of 1 MiB


@dataclass(frozen=True, slots=True)
class Recipe:
    """The kind of phantom to make. A pair is a range to draw from."""

    contrast: Contrast = "flair"
    noise_percent: Range = (1.0, 5.0)
    inu_percent: Range = (10.0, 40.0)
    lesion_contrast: Range | None = None
    """Relative to white matter; None: 1.35 to 1.8 on FLAIR, 0.45 to 0.75 on T1."""
    lesion_radius_mm: Range = (1.5, 6.0)
    lesions: tuple[int, int] = (5, 20)
    """How many lesions to try to place."""
    healthy_chance: float = 0.15
    """Probability of a head without lesions."""
    background: Background = "noise"
    """Noise everywhere, as from a scanner, or zeros outside the head, as after masking."""


@dataclass(frozen=True, slots=True)
class LesionTruth:
    """One lesion of the phantom."""

    centre_mm: tuple[float, float, float]
    """Centre of the ellipsoid, mm, RAS+."""
    radii_mm: tuple[float, float, float]
    """Semi-axes before rotation, mm."""
    intensity: float
    """Relative to white matter, before bias and noise."""
    volume_ml: float
    """Volume, partial volumes counted."""
    voxels: int
    """Voxels that it fills by half or more: those of the mask."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a perfect analysis would find."""

    labels: npt.NDArray[np.uint8]
    """(x, y, z), Fortran order: n where lesion n (from 1, in the order of ``lesions``) fills at
    least half of the voxel, else 0."""
    brain: npt.NDArray[np.bool_]
    """(x, y, z), Fortran order. The intracranial volume: True where grey and white matter,
    cerebrospinal fluid and lesions fill half of the voxel or more."""
    lesions: tuple[LesionTruth, ...]
    volumes_ml: dict[str, float]
    """Of ``scalp`` (with fat), ``skull`` (with marrow and eyes), ``csf``, ``grey``, ``white`` and
    ``lesion``; partial volumes counted, to about 0.2 %."""
    noise_percent: float
    inu_percent: float

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(x, y, z), Fortran order: True where a lesion fills at least half of the voxel."""
        return self.labels > 0


@dataclass(frozen=True, slots=True)
class Phantom:
    """A synthetic scan, and the truth about it."""

    voxels: npt.NDArray[np.int16]
    """(x, y, z), Fortran order, read-only."""
    affine: Affine
    """Voxel indices to mm, RAS+; the centre of the volume is at 0, 0, 0."""
    truth: Truth
    contrast: Contrast = "flair"


def make_phantom(
    seed: int,
    index: int,
    shape: tuple[int, int, int] = (96, 96, 96),
    recipe: Recipe | None = None,
) -> Phantom:
    """Make phantom ``index`` of ``seed``: the same one in any process, on any machine.

    The field of view is 181 x 217 x 181 mm whatever the shape, which sets the voxel spacing.
    Lesions that the voxel grid cannot show (fewer than 3 voxels) are left out.

    Args:
        seed: of a series of phantoms.
        index: in the series, from 0.
        shape: voxels along x, y and z.
        recipe: the kind of phantom.

    Raises:
        SettingsError: a negative seed or index, or a shape that is not three axes of 2 to 1024.
        SourceError: the template cannot be read.
    """
    plan = _Plan(seed, index, shape, recipe or Recipe())
    return Phantom(plan.render(), plan.affine, plan.truth(), plan.contrast)


def make_voxels(
    seed: int, index: int, shape: tuple[int, int, int], recipe: Recipe | None = None
) -> tuple[npt.NDArray[np.int16], Affine]:
    """Voxels (x, y, z) and affine of ``make_phantom``, without the time and memory of the truth."""
    plan = _Plan(seed, index, shape, recipe or Recipe())
    return plan.render(), plan.affine


def shape_of(spacing_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    """The shape (x, y, z) whose voxels have about this spacing."""
    x, y, z = (max(2, round(view / mm)) for view, mm in zip(VIEW_MM, spacing_mm, strict=True))
    return x, y, z


def check_settings(seed: int, shape: tuple[int, int, int]) -> None:
    """Check that phantoms can be made.

    Raises:
        SettingsError: a negative seed, or a shape that is not three axes of 2 to 1024 voxels.
    """
    if seed < 0:
        raise SettingsError(f"seed is {seed}; it must be 0 or more")
    if len(shape) != 3 or not all(2 <= voxels <= 1024 for voxels in shape):
        raise SettingsError(f"shape is {shape}; a phantom has three axes of 2 to 1024 voxels")


class _Plan:
    """Everything that is drawn before a voxel is made."""

    def __init__(self, seed: int, index: int, shape: tuple[int, int, int], recipe: Recipe) -> None:
        check_settings(seed, shape)
        if index < 0:
            raise SettingsError(f"index is {index}; it must be 0 or more")
        self.shape = shape
        self.contrast: Contrast = recipe.contrast
        self._background = recipe.background
        # One stream per purpose, so that a change to one leaves the others unchanged.
        streams = np.random.SeedSequence(seed, spawn_key=(index,)).spawn(4)
        anatomy, bias, lesions, self._noise = (Draws(stream) for stream in streams)
        self.noise_percent = self._noise.uniform(*recipe.noise_percent)
        self.inu_percent = bias.uniform(*recipe.inu_percent)
        self._white = anatomy.uniform(250.0, 900.0)
        self._shades = {
            tissue: anatomy.integer(*shades) for tissue, shades in _SHADES[recipe.contrast].items()
        }
        self._view = View(anatomy, shape)
        self._bias = SyntheticBias(
            bias,
            self.inu_percent / 200,
            self._view.axes,
            unit=self._white / (self._shades["white"] * 256),
        )
        self._lesions: list[PlacedLesion] = []
        if lesions.uniform(0, 1) >= recipe.healthy_chance:
            self._lesions = place_lesions(
                lesions,
                self._view,
                count=lesions.integer(*recipe.lesions),
                radius_mm=recipe.lesion_radius_mm,
                contrast=recipe.lesion_contrast or _LESION_SHADES[recipe.contrast],
            )

    @property
    def affine(self) -> Affine:
        """Voxel indices to mm, RAS+; the centre of the volume is at 0, 0, 0."""
        (x, y, z), (nx, ny, nz) = self._view.spacing_mm, self.shape
        return (
            (x, 0.0, 0.0, -x * (nx - 1) / 2),
            (0.0, y, 0.0, -y * (ny - 1) / 2),
            (0.0, 0.0, z, -z * (nz - 1) / 2),
        )

    def render(self) -> npt.NDArray[np.int16]:
        """The voxels (x, y, z), int16, Fortran order, read-only. Call once: it draws the noise."""
        nx, ny, nz = self.shape
        out = np.empty((nz, ny, nx), np.int16)
        noise = RicianNoise(self._noise, self._white * self.noise_percent / 100)
        white = self._shades["white"] * 256
        planes = min(nz, max(1, _SLAB_VOXELS // (nx * ny)))
        buffers = np.empty((3, planes * ny * nx), np.float32)
        for where, rows, columns, shades in self._view.slabs(self._shades, planes):
            part = out[where]
            if self._background == "noise":
                noise.around(part, rows, columns)
            else:
                part.fill(0)
            if not shades.size:
                continue
            slab, field, scratch = (f[: shades.size].reshape(shades.shape) for f in buffers)
            slab[...] = shades
            for placed in self._lesions:
                corner = (where.start, rows.start, columns.start)
                blend_into(slab, corner, placed.blend, placed.blend.intensity * white)
            self._bias.apply((where, rows, columns), slab, field, scratch)
            noise.apply(slab, scratch)
            if self._background == "empty":
                slab *= shades > 0
            part[:, rows, columns] = slab  # the cast truncates; noise.apply added 0.5
        out.flags.writeable = False
        return out.T

    def truth(self) -> Truth:
        """What a perfect analysis would find."""
        nx, ny, nz = self.shape
        labels = np.zeros((nz, ny, nx), np.uint8)
        filled = np.zeros((nz, ny, nx), np.float32)
        for number, placed in enumerate(self._lesions, 1):
            where = _box_of(placed.blend)
            labels[where][placed.blend.filled >= 0.5] = number
            filled[where] = np.maximum(filled[where], placed.blend.filled)
        voxel_ml = self._view.voxel_ml
        volumes = dict.fromkeys(_TRUTH_TISSUES, 0.0)
        brain = filled.copy()
        free = 1 - filled
        for name, tissues in _TRUTH_TISSUES.items():
            for slab in self._view.slabs(dict.fromkeys(tissues, 255), 1):
                share = free[slab[:3]] * slab[3] * np.float32(1 / (255 * 256))
                volumes[name] += float(share.sum(dtype=np.float64)) * voxel_ml
                if name in ("csf", "grey", "white"):
                    brain[slab[:3]] += share
        volumes["lesion"] = float(filled.sum(dtype=np.float64)) * voxel_ml
        within = brain >= 0.5
        for array in (labels, within):
            array.flags.writeable = False
        lesions = tuple(
            LesionTruth(
                centre_mm=placed.centre_mm,
                radii_mm=placed.radii_mm,
                intensity=placed.blend.intensity,
                volume_ml=float(placed.blend.filled.sum(dtype=np.float64)) * voxel_ml,
                voxels=int(np.count_nonzero(placed.blend.filled >= 0.5)),
            )
            for placed in self._lesions
        )
        return Truth(labels.T, within.T, lesions, volumes, self.noise_percent, self.inu_percent)


_TRUTH_TISSUES = {
    "scalp": ("scalp", "fat"),
    "skull": ("skull", "marrow"),
    "csf": ("csf",),
    "grey": ("grey",),
    "white": ("white",),
}


def _box_of(blend: Blend) -> tuple[slice, slice, slice]:
    z, y, x = (
        slice(first, first + n) for first, n in zip(blend.start, blend.filled.shape, strict=True)
    )
    return z, y, x
