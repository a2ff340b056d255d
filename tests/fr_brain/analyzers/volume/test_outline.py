"""The outline of a lesion, on hand-made tissue: white matter 1000, grey 1150, fluid 200."""

from dataclasses import replace

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
    return [one.mask for one in found if one is not None and one.certain]


@pytest.mark.parametrize("edge", [1.0, 3.0])
def test_a_lesion_ends_at_half_of_its_rise_however_soft_its_edge(edge: float) -> None:
    share = soft(5, edge)
    head = (1000 + 600 * share).astype(np.uint16)
    (mask,) = outlines(head)
    assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(share >= 0.5), rel=0.15)


def test_in_thick_slices_the_core_has_the_voxels_that_are_at_least_half_filled() -> None:
    spacing_mm = (5.0, 1.0, 1.0)
    z, y, x = np.ogrid[:SIZE, :SIZE, :SIZE]
    finer = [
        np.clip((4 - np.sqrt((5 * (z - SIZE // 2 - 0.3) + part) ** 2 + (y - SIZE // 2) ** 2
                             + (x - SIZE // 2) ** 2)) / 2 + 0.5, 0, 1)
        for part in (-2, -1, 0, 1, 2)
    ]  # fmt: skip
    share = np.mean(finer, axis=0)
    head = (1000 + 600 * share).astype(np.uint16)
    none = np.zeros(head.shape, np.bool_)
    thick = Outliner(THRESHOLDS, TissueIntensities(200, 1150, 1000), spacing_mm, 0.005, 3)
    (piece,) = thick.pieces(head, head >= SEARCH.limit, SEARCH.seed)
    found = thick.measure(head, piece, ~none, SEARCH, none)
    assert found is not None
    filled = np.count_nonzero(share >= 0.5)
    assert np.count_nonzero(found.core) == pytest.approx(filled, rel=0.1)
    assert np.count_nonzero(found.mask) > 1.15 * filled
    # What is filled less than half makes up for what is not filled wholly.
    assert np.count_nonzero(found.mask) == pytest.approx(share.sum(), rel=0.2)


@pytest.mark.parametrize(("edge", "kept"), [(1.0, True), (3.0, True), (5.0, False)])
def test_in_coarse_voxels_nothing_faint_that_fades_is_a_lesion(edge: float, kept: bool) -> None:
    head = (1080 + 230 * soft(4, edge)).astype(np.uint16)
    none = np.zeros(head.shape, np.bool_)
    coarse = Outliner(THRESHOLDS, TissueIntensities(200, 1150, 1000), (1.5,) * 3, 0.003, 3)
    found = []
    for one in (outliner(), coarse):
        (piece,) = one.pieces(head, head >= SEARCH.limit, SEARCH.seed)
        found.append(one.measure(head, piece, ~none, SEARCH, none))
    assert [one is not None for one in found] == [True, kept]


def test_in_thin_slices_the_core_is_the_whole_lesion() -> None:
    head = (1000 + 600 * soft(5, 2)).astype(np.uint16)
    none = np.zeros(head.shape, np.bool_)
    (piece,) = outliner().pieces(head, head >= SEARCH.limit, SEARCH.seed)
    found = outliner().measure(head, piece, ~none, SEARCH, none)
    assert found is not None
    assert np.array_equal(found.core, found.mask)


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


def test_a_faint_lesion_counts_only_where_white_matter_surrounds_it() -> None:
    head = white_matter()
    head[away() < 4] = 1230
    assert len(outlines(head, FAINT)) == 1
    within_grey = np.maximum(head, 1150)
    assert outlines(within_grey, FAINT) == []


def test_a_faint_lesion_may_touch_cortex_if_it_is_distinct() -> None:
    head = white_matter()
    head[:, :, 24:] = 1150
    distinct, faint = head.copy(), head.copy()
    distinct[away() < 4] = 1240
    faint[away() < 4] = 1226
    faint[head == 1000] = 1050  # so that it rises by less than a sixth
    assert len(outlines(distinct, FAINT)) == 1
    assert outlines(faint, FAINT) == []


def test_a_lesion_on_the_bright_lining_of_a_ventricle_is_parted_from_it() -> None:
    head = white_matter()
    head[:, :, :15] = 200
    head[5:36, 5:36, 15:19] = 1290
    ball = (away(19) < 4) & (head > 200)
    head[ball] = 1550
    (piece,) = outliner().pieces(head, head >= SEARCH.limit, SEARCH.seed)
    assert outliner().may_hide_lesions(piece, SEARCH)
    raised = SEARCH
    while raised.limit < 1300:
        raised = raised.raised(40)
    (mask,) = outlines(head, raised)
    assert np.count_nonzero(mask & ball) > 0.8 * np.count_nonzero(ball)
    assert np.count_nonzero(mask & ~ball) < 0.3 * np.count_nonzero(ball)
    assert not outliner().may_hide_lesions(ball, SEARCH)


def test_uneven_white_matter_hides_no_distinct_lesion() -> None:
    uneven = replace(THRESHOLDS, sigma=45.0)  # 1240 rises by 5.3 of them
    own = Outliner(uneven, TissueIntensities(200, 1150, 1000), (1, 1, 1), 0.001, 4)
    search = replace(SEARCH, limit=1180, seed=1200, rise=1200)
    none = np.zeros((SIZE,) * 3, np.bool_)
    certain = []
    for white in (1000, 1060):
        head = np.full((SIZE,) * 3, white, np.uint16)
        head[away() < 4] = 1240
        outlined = own.measure(head, head == 1240, ~none, search, none)
        certain.append(outlined is not None and outlined.certain)
    assert certain == [True, False]


def thick_outlines(head: Intensities, search: Search) -> list[Bools]:
    """The same in slices of 5 mm."""
    none = np.zeros(head.shape, np.bool_)
    thick = Outliner(THRESHOLDS, TissueIntensities(200, 1150, 1000), (5, 1, 1), 0.005, 3)
    found = [
        thick.measure(head, piece, ~none, search, none)
        for piece in thick.pieces(head, head >= search.limit, search.seed)
    ]
    return [one.mask for one in found if one is not None and one.certain]


@pytest.mark.parametrize(("brightness", "kept"), [(1280, False), (1340, True)])
def test_in_thick_slices_a_lining_is_no_lesion_unless_it_is_bright(
    brightness: int, kept: bool
) -> None:
    head = np.full((SIZE,) * 3, 1060, np.uint16)
    head[:, :, :15] = 200
    head[18:21, 8:33, 15:19] = brightness
    assert (len(thick_outlines(head, SEARCH)) == 1) == kept
    compact = head.copy()
    compact[18:21, 8:33, 15:19] = 1060
    compact[18:21, 15:26, 15:26] = brightness
    assert len(thick_outlines(compact, SEARCH)) == 1


def test_in_thick_slices_a_bright_lesion_is_parted_from_a_lining() -> None:
    head = np.full((SIZE,) * 3, 1060, np.uint16)
    head[:, :, :15] = 200
    head[18:21, 4:37, 15:19] = 1280
    thick = Outliner(THRESHOLDS, TissueIntensities(200, 1150, 1000), (5, 1, 1), 0.005, 3)
    (piece,) = thick.pieces(head, head >= SEARCH.limit, SEARCH.seed)
    assert thick.may_hide_lesions(piece, SEARCH)
    compact = np.zeros_like(piece)
    compact[18:21, 15:26, 15:26] = True
    assert not thick.may_hide_lesions(compact, SEARCH)


@pytest.mark.parametrize(
    ("case", "kept"), [("compact", True), ("long", False), ("soft", False), ("in fluid", False)]
)
def test_in_thick_slices_a_faint_lesion_is_compact_and_ends_abruptly(case: str, kept: bool) -> None:
    search = Search(np.ones(1, np.bool_), 1175, 1200, 3.0, 0, islands=True, clear=True)
    head = white_matter()
    flat = away()[SIZE // 2]
    if case == "long":
        head[20, 14:27, 18:23] = 1215
    elif case == "soft":
        head[20] = (1000 + 215 * np.clip((9 - flat) / 6, 0, 1)).astype(np.uint16)
    else:
        head[20][flat < 4] = 1215
    if case == "in fluid":
        head[:, :, :16] = 200
        head[:, :14] = 200
    assert (len(thick_outlines(head, search)) == 1) == kept


@pytest.mark.parametrize("radius_mm", [2.5, 4.0])
def test_a_lesion_is_whole_in_slices_far_thicker_than_voxels_are_wide(radius_mm: float) -> None:
    spacing_mm = (1.5, 0.5, 0.5)
    z, y, x = (
        (np.arange(n) - n // 2 - 0.3) * mm for n, mm in zip((19, 41, 41), spacing_mm, strict=True)
    )
    mm = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    share = np.clip((radius_mm - mm) / 1.5 + 0.5, 0, 1)
    head = (1000 + 500 * share).astype(np.uint16)
    none = np.zeros(head.shape, np.bool_)
    flat = Outliner(THRESHOLDS, TissueIntensities(200, 1150, 1000), spacing_mm, 0.000375, 11)
    (piece,) = flat.pieces(head, head >= SEARCH.limit, SEARCH.seed)
    found = flat.measure(head, piece, ~none, SEARCH, none)
    assert found is not None
    true = np.count_nonzero(share >= 0.5)
    assert np.count_nonzero(found.mask) == pytest.approx(true, rel=0.05)
