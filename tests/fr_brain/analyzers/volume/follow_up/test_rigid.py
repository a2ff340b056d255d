"""The place of a head in an earlier scan is found to a fraction of a millimetre."""

import numpy as np
import pytest

from fr_brain.analyzers.volume.follow_up.labelled_head import tissue_blocks
from fr_brain.analyzers.volume.follow_up.matching import inverse
from fr_brain.analyzers.volume.follow_up.rigid import align_with_previous
from tests.fr_brain.analyzers.volume.follow_up.heads import TURNED, UPRIGHT, Matrix, head
from tests.fr_brain.analyzers.volume.registration.truth import affine_of, error_mm, rotation


def after(first: Matrix, second: Matrix) -> Matrix:
    """One transform after the other."""
    return np.column_stack(
        [second[:, :3] @ first[:, :3], second[:, :3] @ first[:, 3] + second[:, 3]]
    )


@pytest.mark.parametrize("spacing", [(2, 2, 3), (1.5, 2, 5)])
def test_a_head_is_found_in_an_earlier_scan(spacing: tuple[float, float, float]) -> None:
    now, before = tissue_blocks(head(TURNED)), tissue_blocks(head(UPRIGHT, spacing=spacing))
    # The start is off by some millimetres and degrees, and its scale is left out.
    off = affine_of(1.03 * rotation(2, -2, 3), (2, -3, 2))
    found = align_with_previous(now, before, after(TURNED, off))
    assert error_mm(found.to_previous, TURNED) < 0.5
    linear = found.to_previous[:, :3]
    np.testing.assert_allclose(linear @ linear.T, np.eye(3), atol=1e-9)
    assert found.overlap > 0.97
    assert found.misfit < 0.05


def test_another_head_does_not_fit() -> None:
    other = affine_of(np.diag([1.15, 0.9, 1.1]), (0, 0, 0))
    now, before = tissue_blocks(head(other)), tissue_blocks(head(UPRIGHT))
    found = align_with_previous(now, before, UPRIGHT)
    assert found.misfit > 0.1 or found.overlap < 0.97


def test_the_inverse_leads_back() -> None:
    np.testing.assert_allclose(after(TURNED, inverse(TURNED)), UPRIGHT, atol=1e-12)
