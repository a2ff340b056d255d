"""What lies outside the registered template's skull is told from the brain."""

import numpy as np

from fr_brain.analyzers.volume.registration.brain_zone import share_inside
from fr_brain.analyzers.volume.registration.template import (
    ORIGIN_MM,
    SPACING_MM,
    channels,
)
from fr_brain.analyzers.volume.registration.tissue_map import TissueMap

TO_MM = np.column_stack([0.9 * np.eye(3)[:, ::-1] * SPACING_MM, 0.9 * np.array(ORIGIN_MM)])
"""Of a head that is a tenth smaller than the template."""


def head(*, leak: bool = False) -> TissueMap:
    """The template as a head; with tissue of a face below its forehead."""
    grey, white, inside = (channels()[name].T.copy() for name in ("grey", "white", "inside"))
    if leak:
        below = (slice(6, 13), slice(34, 44), slice(14, 27))
        free = inside[below] < 0.1
        grey[below][free] = inside[below][free] = 1
    return TissueMap(grey, white, inside, TO_MM)


def test_the_brain_is_inside() -> None:
    tissues = head()
    common, share = share_inside(tissues)
    assert common > 0.95
    assert share[tissues.inside > 0.9].min() > 0.4


def test_a_part_of_the_face_is_outside() -> None:
    plain, tissues = head(), head(leak=True)
    leak = (tissues.inside > 0.9) & (plain.inside < 0.1)
    common, share = share_inside(tissues)
    assert np.count_nonzero(leak) > 300
    assert common > 0.9
    assert (share[leak] < 0.25).mean() > 0.8
    assert share[plain.inside > 0.9].min() > 0.3
