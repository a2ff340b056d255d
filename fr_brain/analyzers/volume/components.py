"""The voxels and the measures of single lesions."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.image import Bools, Labels
from fr_brain.analyzers.volume.normalize import WHITE, NormalizedImage

_SAMPLED_MIN = 16  # voxels of a component of which about two are in every eighth


@dataclass(frozen=True)
class MeasuredLesion:
    """One lesion."""

    voxels: int
    """Voxels that it fills at least half."""
    with_partial: int
    """Its volume in voxels: all above half of the rise from the surroundings to its brighter half.
    In thick slices these are more, because it fills many voxels partly."""
    centroid: tuple[float, float, float]
    """Mean canonical voxel index (z, y, x)."""
    corner: tuple[int, int, int]
    """First canonical voxel index (z, y, x) of its bounding box."""
    extent: tuple[int, int, int]
    """Voxels along z, y, x of its bounding box."""
    ratio: float
    """Mean intensity over that of white matter."""
    cnr: float
    """Contrast-to-noise ratio: rise of its brighter half over the noise after smoothing."""
    small_logit: float | None = None
    """Logarithm of the odds that it is a lesion, if the search for small faint ones found it."""


@dataclass(frozen=True)
class Component:
    """The voxels of one lesion in a part of the box."""

    box: tuple[slice, ...]
    mask: Bools
    core: Bools
    """The voxels of ``mask`` that it fills at least half."""
    cnr: float
    certain: bool
    """Whether its contrast suffices for a lesion."""
    small_logit: float | None = None
    """As in ``MeasuredLesion``."""


def measured(normalized: NormalizedImage, component: Component) -> MeasuredLesion:
    """Measure one lesion of the box."""
    positions = np.nonzero(component.core)
    start = [
        part.start + whole.start for part, whole in zip(component.box, normalized.box, strict=True)
    ]
    centroid = [float(axis.mean()) + first for axis, first in zip(positions, start, strict=True)]
    corner = [int(axis.min()) + first for axis, first in zip(positions, start, strict=True)]
    extent = [int(axis.max()) - int(axis.min()) + 1 for axis in positions]
    return MeasuredLesion(
        voxels=len(positions[0]),
        with_partial=int(np.count_nonzero(component.mask)),
        centroid=(centroid[0], centroid[1], centroid[2]),
        corner=(corner[0], corner[1], corner[2]),
        extent=(extent[0], extent[1], extent[2]),
        ratio=float(normalized.intensities[component.box][component.core].mean()) / WHITE,
        cnr=component.cnr,
        small_logit=component.small_logit,
    )


def voxel_indices(labels: Labels, normalized: NormalizedImage, most: float) -> npt.NDArray[np.intp]:
    """Flat indices of the labelled voxels, without components of more voxels than ``most``.

    On T1 grey matter is above the limit too, and a list of all its voxels would be long. Every
    eighth voxel shows which components may be that large; one that it misses only lengthens the
    list.
    """
    large = []
    if most < math.inf:
        sampled = np.bincount(labels[::2, ::2, ::2].ravel())
        sampled[0] = 0
        for label in np.flatnonzero(sampled > most / _SAMPLED_MIN).tolist():
            count = sum(np.count_nonzero(labels[part] == label) for part in normalized.slabs())
            if count > most:
                large.append(label)
    found = []
    for part in normalized.slabs():
        own = labels[part]
        wanted = own != 0
        for label in large:
            wanted &= own != label
        indices = np.flatnonzero(wanted)
        indices += part.start * math.prod(labels.shape[1:])
        found.append(indices)
    return np.concatenate(found)
