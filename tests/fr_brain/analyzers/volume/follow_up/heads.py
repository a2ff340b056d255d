"""Labelled heads with a known place: the template with round lesions, as a scan shows it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.follow_up.labelled_head import LabelledHead
from fr_brain.analyzers.volume.registration.template import Field, channels
from fr_brain.analyzers.volume.tissue import CSF, GREY, WHITE_MATTER
from tests.fr_brain.analyzers.volume.registration.truth import affine_of, rotation

Matrix = npt.NDArray[np.float64]
Ball = tuple[tuple[float, float, float], float]
"""Centre in mm of MNI space, and radius, mm."""

UPRIGHT = affine_of(np.eye(3), (0, 0, 0))
TURNED = affine_of(rotation(6, -4, 9), (5, -3, 8))
ONE, TWO, THREE = ((-24.0, 8.0, 28.0), 5.0), ((26.0, -40.0, 26.0), 4.0), ((-28.0, -50.0, 24.0), 6.0)


def head(
    to_mni: Matrix = UPRIGHT,
    balls: Sequence[Ball] = (ONE, TWO),
    spacing: Sequence[float] = (2, 2, 3),
) -> LabelledHead:
    """The template in a scan whose mm become MNI mm by ``to_mni``; x runs to the left."""
    spacing_mm = np.array(spacing, float)
    shape = np.ceil(np.array([200, 232, 210]) / spacing_mm).astype(int)
    linear = np.diag(spacing_mm * [-1, 1, 1])
    affine = affine_of(linear, np.array([0, -18, 8]) - linear @ ((shape - 1) / 2))
    index = np.indices(shape).reshape(3, -1)
    mni = to_mni[:, :3] @ (affine[:, :3] @ index + affine[:, 3:]) + to_mni[:, 3:]
    named = channels()
    values, _ = Field([named[name] for name in ("grey", "white", "inside")]).at(
        mni.T.astype(np.float32)
    )
    grey, white, inside = values
    kinds = np.where(
        np.maximum(grey, white) < 0.35, CSF, np.where(grey > white, GREY, WHITE_MATTER)
    )
    tissues = np.where(inside > 0.5, kinds, 0).astype(np.uint8)
    lesions = np.zeros(len(inside), np.uint8)
    for number, (centre, radius) in enumerate(balls, 1):
        lesions[np.linalg.norm(mni - np.array(centre)[:, None], axis=0) <= radius] = number
    return LabelledHead(
        np.asfortranarray(lesions.reshape(shape)), np.asfortranarray(tissues.reshape(shape)), affine
    )
