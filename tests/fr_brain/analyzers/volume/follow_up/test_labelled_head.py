"""Shares of tissues on blocks are counted voxel by voxel."""

import numpy as np
import pytest

from fr_brain.analyzers.volume.follow_up.labelled_head import LabelledHead, tissue_blocks
from fr_brain.analyzers.volume.tissue import CSF, GREY, WHITE_MATTER
from tests.fr_brain.analyzers.volume.follow_up.heads import head


def small(lesion: int = 0) -> LabelledHead:
    """Voxels of 2 mm: a block of fluid, one half grey and half white matter, and half a block."""
    tissues = np.zeros((7, 4, 4), np.uint8)
    tissues[1:3, 1:3, 1:3] = CSF
    tissues[3:5, 1:3, 1] = GREY
    tissues[3:5, 1:3, 2] = WHITE_MATTER
    tissues[5, 1:3, 1:3] = WHITE_MATTER
    lesions = np.zeros(tissues.shape, np.uint8)
    lesions[3, 1, 1] = lesion
    affine = np.column_stack([np.diag([2.0, 2.0, 2.0]), [10.0, 20.0, 30.0]])
    return LabelledHead(np.asfortranarray(lesions), np.asfortranarray(tissues), affine)


def test_each_block_has_the_shares_of_its_voxels() -> None:
    blocks = tissue_blocks(small())
    assert blocks.grey.ravel().tolist() == [0, 0.5, 0]
    assert blocks.white.ravel().tolist() == [0, 0.5, 0.5]
    assert blocks.inside.ravel().tolist() == [1, 1, 0.5]
    # The first block has the voxels 1 and 2 of each axis: its middle is at voxel 1.5.
    assert blocks.points()[0].tolist() == [13, 23, 33]
    assert blocks.points()[2].tolist() == [21, 23, 33]


def test_a_lesion_is_white_matter() -> None:
    blocks = tissue_blocks(small(lesion=200))
    assert blocks.grey.ravel().tolist() == [0, 0.375, 0]
    assert blocks.white.ravel().tolist() == [0, 0.625, 0.5]


def test_a_voxel_has_its_volume() -> None:
    assert small().voxel_ml == pytest.approx(0.008)
    assert head().voxel_ml == pytest.approx(0.012)


def test_a_head_without_brain_has_blocks_of_nothing() -> None:
    empty = LabelledHead(
        np.zeros((8, 8, 8), np.uint8), np.zeros((8, 8, 8), np.uint8), small().affine
    )
    assert not tissue_blocks(empty).inside.any()


def test_voxels_of_a_nonsensical_size_take_no_more_memory_than_the_scan() -> None:
    one = small()
    tiny = LabelledHead(one.lesions, one.tissues, one.affine * 1e-6)
    assert tissue_blocks(tiny).inside.size == 1
