"""Irregular lesions with gradual borders, at the places where multiple sclerosis has them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.evaluation.realistic.anatomy import Anatomy, Bools, Floats
from tests.evaluation.realistic.kinds import Kind

PLACES = ("periventricular", "juxtacortical", "deep", "infratentorial")
_CHANCES = (0.4, 0.25, 0.27, 0.08)
_BESIDE_GREY_MM = 2.5
_STREAKS = 6  # waves that make the surface of a lesion uneven


@dataclass(frozen=True)
class Painted:
    """Lesions on the grid of the anatomy."""

    share: Floats
    """How much of each voxel is lesion, 0 to 1."""
    brightness: Floats
    """Intensity of the lesion there, over white matter."""
    labels: npt.NDArray[np.uint8]
    """The lesion that a voxel belongs to, from 1; 0 where there is none."""
    places: list[str]
    """Where each lesion lies: a name of ``PLACES``."""


def paint(head: Anatomy, kind: Kind, draw: np.random.Generator) -> Painted:
    """Draw lesions one after the other; those that would touch another are left out."""
    share = np.zeros(head.grey.shape, np.float32)
    painted = Painted(share, np.ones_like(share), np.zeros(head.grey.shape, np.uint8), [])
    places = {name: np.flatnonzero(where) for name, where in _where(head).items()}
    number = 0
    for confluent in [True] * int(draw.integers(kind.confluent[0], kind.confluent[1] + 1)) + [
        False
    ] * int(draw.integers(kind.lesions[0], kind.lesions[1] + 1)):
        place = "periventricular" if confluent else str(draw.choice(PLACES, p=_CHANCES))
        if not len(places[place]):
            continue
        centre = np.unravel_index(int(draw.choice(places[place])), share.shape)
        if _blob(head, kind, draw, painted, np.array(centre), number + 1, confluent=confluent):
            number += 1
            painted.places.append(_true_place(head, place, centre))
    return painted


def _true_place(head: Anatomy, place: str, centre: tuple[np.intp, ...]) -> str:
    """The place of a lesion: what is drawn as infratentorial may lie in the temporal lobe."""
    if place != "infratentorial" or not head.infratentorial.any() or head.infratentorial[centre]:
        return place
    return "juxtacortical" if head.grey_mm[centre] <= _BESIDE_GREY_MM else "deep"


def _where(head: Anatomy) -> dict[str, Bools]:
    matter = head.white > 0.8
    shape = head.grey.shape
    mm = [
        head.to_mni[axis, axis] * np.arange(shape[axis], dtype=np.float32) + head.to_mni[axis, 3]
        for axis in range(3)
    ]
    low = (mm[2] < -18)[None, None, :] & (mm[1] < -12)[None, :, None]
    near = head.ventricle_mm
    return {
        "periventricular": matter & (near > 1) & (near < 6) & ~low,
        "juxtacortical": matter & (head.grey_mm <= _BESIDE_GREY_MM) & (near > 12) & ~low,
        "deep": matter & (head.grey_mm > 3) & (near > 7) & ~low,
        "infratentorial": matter & low & (head.depth_mm > 4),
    }


def _blob(
    head: Anatomy,
    kind: Kind,
    draw: np.random.Generator,
    painted: Painted,
    centre: npt.NDArray[np.intp],
    number: int,
    *,
    confluent: bool,
) -> bool:
    radius = draw.uniform(*kind.radius_mm)
    edge = draw.uniform(*kind.edge_mm)
    parts = int(draw.integers(4, 9)) if confluent else int(draw.integers(1, 4))
    centres, radii = [np.zeros(3)], [radius]
    for _ in range(parts - 1):
        base = int(draw.integers(len(centres)))
        step = draw.standard_normal(3)
        centres.append(centres[base] + step / np.linalg.norm(step) * radii[base] * 1.1)
        radii.append(radius * draw.uniform(0.5, 1.0))
    stretch = draw.uniform(0.75, 1.3, 3)
    reach = np.ceil(np.max([np.abs(c) + r for c, r in zip(centres, radii, strict=True)], axis=0))
    reach = (reach * 1.4 + edge + 2).astype(int)
    low = np.maximum(centre - reach, 0)
    high = np.minimum(centre + reach + 1, head.grey.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    axes = [
        np.arange(a, b, dtype=np.float32) - c for a, b, c in zip(low, high, centre, strict=True)
    ]
    grid = np.meshgrid(*axes, indexing="ij")
    inside = np.full(grid[0].shape, -99, np.float32)
    for middle, size in zip(centres, radii, strict=True):
        away = sum(((g - c) / s) ** 2 for g, c, s in zip(grid, middle, stretch, strict=True))
        inside = np.maximum(inside, size - np.sqrt(away))
    for _ in range(_STREAKS):
        wave = draw.standard_normal(3) * 0.45
        phase = sum(g * w for g, w in zip(grid, wave, strict=True)) + draw.uniform(0, 6.28)
        inside += np.float32(0.12 * radius) * np.sin(phase) / np.float32(1.5)
    share = np.clip(inside / edge + 0.5, 0, 1)
    share = share * share * (3 - 2 * share)
    tissue = np.clip(head.white[box] + 0.35 * head.grey[box], 0, 1)
    share = (share * tissue * (1 - head.csf[box])).astype(np.float32)
    size = int(np.count_nonzero(share >= 0.5))
    if size < 4 or np.any((painted.share[box] > 0.05) & (share > 0.02)):
        return False
    bright = draw.uniform(*kind.lesion) * (1 + 0.05 * np.sin(grid[0] * 0.6 + grid[1] * 0.5))
    painted.brightness[box] = np.where(share > 0, bright, painted.brightness[box])
    painted.share[box] = np.maximum(painted.share[box], share)
    painted.labels[box] = np.where(share > 0, number, painted.labels[box])
    return True
