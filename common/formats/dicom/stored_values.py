"""Which bits of decoded cells are stored values, and their sign (PS3.5 8.1.1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pydicom


def stored_values(
    array: npt.NDArray[Any], data: "Mapping[str, Any] | pydicom.Dataset", *, native: bool
) -> npt.NDArray[Any]:
    """The values in the bits that the header says are stored, with the sign that it says.

    Scanners keep overlays and noise in the other bits, and archives compress signed values of
    12 bits as unsigned ones of 16: a decoder then cannot know the sign.

    Args:
        array: what the decoder gave.
        data: the header, or its values by keyword.
        native: whether cells of ``BitsAllocated`` bits are as the header describes them; a
            codec's samples have no other bits below.
    """
    cell = 8 * array.itemsize
    stored = int(data.get("BitsStored") or cell)
    if array.dtype.kind not in "iu" or not 0 < stored <= cell:
        return array
    high = data.get("HighBit")
    below = int(high) + 1 - stored if native and high is not None else 0
    if not 0 <= below <= cell - stored:
        below = 0
    signed = data.get("PixelRepresentation") == 1
    if stored == cell and signed == (array.dtype.kind == "i"):
        return array
    bits: npt.NDArray[Any] = array.view(
        np.dtype(f"u{array.itemsize}").newbyteorder(array.dtype.byteorder)
    )
    if not signed:
        return (bits >> below) & ((1 << stored) - 1) if below else bits & ((1 << stored) - 1)
    # To the left end of the cell, and back with copies of the sign.
    left = bits << (cell - stored - below)
    return left.view(np.dtype(f"i{array.itemsize}").newbyteorder(left.dtype.byteorder)) >> (
        cell - stored
    )
