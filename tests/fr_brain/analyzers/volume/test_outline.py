"""The outline of a lesion, on hand-made tissue: white matter 1000, grey 1150, fluid 200."""

import numpy as np
import pytest

from fr_brain.analyzers.volume.image import Bools
from fr_brain.analyzers.volume.normalize import Intensities
from fr_brain.analyzers.volume.outline import Outliner, Search
from fr_brain.analyzers.volume.thresholds import TissueThresholds
from fr_brain.analyzers.volume.tissue import TissueIntensities

SIZE = 41
THRESHOLDS = TissueThresholds(
    grow=1220, seed=1260, zone_grow=1090, zone_seed=1150, below_grey=1300, sigma=25.0, white=1000
)
SEARCH = Search(np.ones(1, np.bool_), 1220, 1260, 5.4, 1270)
FAINT = Search(np.ones(1, np.bool_), 1190, 1225, 6.0, 1225, islands=True)


def outliner() -> Outliner:
    return Outliner(THRESHOLDS, TissueIntensities(200, 1150, 1000), (1, 1, 1), 0.001, 4)


def white_matter() -> Intensities:
    return np.full((SIZE,) * 3, 1000, np.uint16)


def away(centre: int = SIZE // 2) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    z, y, x = np.ogrid[:SIZE, :SIZE, :SIZE]
    return np.asarray(np.sqrt((z - SIZE // 2) ** 2 + (y - SIZE // 2) ** 2 + (x - centre) ** 2))


def soft(radius: float, edge: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.clip((radius - away()) / edge + 0.5, 0, 1)


def outlines(head: Intensities, search: Search = SEARCH) -> list[Bools]:
    component = head >= search.limit
    none = np.zeros(head.shape, np.bool_)
    found = [
        outliner().measure(head, piece, ~none, search, none)
        for piece in outliner().pieces(head, component, search.seed)
    ]
    return [one[0] for one in found if one is not None]


@pytest.mark.parametrize("edge", [1.0, 3.0])
def test_a_lesion_ends_at_half_of_its_rise_however_soft_its_edge(edge: float) -> None:
    share = soft(5, edge)
    head = (1000 + 600 * share).astype(np.uint16)
    (mask,) = outlines(head)
    assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(share >= 0.5), rel=0.15)


def test_fluid_beside_a_lesion_does_not_draw_its_border_outwards() -> None:
    share = soft(4, 2)
    head = (1000 + 500 * share).astype(np.uint16)
    head[:, :, : SIZE // 2 - 4] = 200
    (mask,) = outlines(head)
    true = (share >= 0.5) & (head > 200)
    assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(true), rel=0.2)


def test_a_lesion_does_not_spread_along_bright_cortex() -> None:
    head = white_matter()
    head[:, :, 26:28] = 1280  # two voxels thick, above the seeds' threshold
    lesion = away() < 6
    head[lesion] = 1500
    masks = outlines(head)
    assert any(np.count_nonzero(mask & lesion) > 0.9 * lesion.sum() for mask in masks)
    assert sum(np.count_nonzero(mask & ~lesion) for mask in masks) < 0.2 * lesion.sum()


def test_the_lining_of_a_ventricle_is_no_lesion() -> None:
    head = white_matter()
    head[:, :, :15] = 200
    head[10:31, 10:31, 15:17] = 1262
    assert outlines(head) == []


def test_a_faint_lesion_counts_only_inside_white_matter() -> None:
    head = white_matter()
    head[away() < 4] = 1230
    assert len(outlines(head, FAINT)) == 1
    head[:, :, 24:] = np.maximum(head[:, :, 24:], 1150)
    assert outlines(head, FAINT) == []
