"""The outline of a dark lesion on T1, and whether white matter surrounds it.

Own method. ``METHOD.md`` explains the constants.
"""

import numpy as np

from fr_brain.analyzers.volume.image import Bools, Labels
from fr_brain.analyzers.volume.normalize import Intensities
from fr_brain.analyzers.volume.shapes import dilate
from fr_brain.analyzers.volume.thresholds import TissueThresholds

_ISLAND_TOUCH_MAX = 0.12  # fraction of a lesion's border that may be as dark
_SPREAD_MAX = 0.3  # fraction of the ring around a lesion above half of its rise


def measure_t1(
    intensities: Intensities,
    labels: Labels,
    label: int,
    limit: int,
    thresholds: TissueThresholds,
    regrow: list[int],
) -> tuple[Bools, float] | None:
    """The voxels of one component in its part of the box, and its cnr; None if it is no lesion."""
    component = labels == label
    inside = np.sort(intensities[component])
    dilated = dilate(component, regrow)
    free = intensities < limit
    around = intensities[free & ~dilated]
    if not around.size:
        return None
    bright = float(inside[len(inside) // 2 :].mean())
    surroundings = float(np.median(around))
    # Grey matter is as bright, so the lesion must lie in white matter and touch little of it.
    ring = dilate(component, [1, 1, 1]) & ~component
    if np.count_nonzero(intensities[ring] >= limit) > _ISLAND_TOUCH_MAX * np.count_nonzero(ring):
        return None
    if abs(surroundings - thresholds.white) > 4 * thresholds.sigma:
        return None
    # The threshold depends on the noise of the brain; the border of a lesion must not.
    upper = intensities >= (bright + surroundings) / 2
    ring = dilated & ~component
    if np.count_nonzero(upper & ring) > _SPREAD_MAX * np.count_nonzero(ring):
        return None
    return dilated & upper & (component | free), (bright - surroundings) / thresholds.sigma
