"""Finds outlines in a picture, soft edges included."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def marked(picture: Array, colour: tuple[int, int, int]) -> Array:
    """The pixels (booleans, rows x columns) of which a colour covers half or more, over any grey.

    Args:
        picture: RGB, rows x columns x 3.
        colour: of the outline.
    """
    pixels, mark = picture.astype(np.float64), np.array(colour, np.float64)
    low = pixels.min(axis=2, keepdims=True)
    cover = (pixels - low).max(axis=2, keepdims=True) / (mark - mark.min()).max()
    expected = cover * (mark - mark.min())
    alike = np.abs(pixels - low - expected).max(axis=2) < 20
    found: Array = alike & (cover[..., 0] >= 0.45)
    return found
