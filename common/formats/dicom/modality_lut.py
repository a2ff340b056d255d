"""The Modality LUT: a table instead of a slope and an intercept (PS3.3 C.11.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from common.formats.not_a_scan import UnreadKind

if TYPE_CHECKING:
    import pydicom

_MOST = 1 << 16
_WORD = np.dtype("<u2")


@dataclass(frozen=True, slots=True, eq=False)
class ModalityLut:
    """A table of what stored values stand for."""

    first: int
    """The stored value that the first entry is for."""
    entries: npt.NDArray[np.uint16]

    def apply(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """What stored values stand for; those outside the table have its first or last entry."""
        places = stored.astype(np.int64) - self.first
        return self.entries[np.clip(places, 0, len(self.entries) - 1)]


def modality_lut_of(
    data: "Mapping[str, Any] | pydicom.Dataset", *, little: bool = True
) -> ModalityLut | None:
    """The table of a file; None if it has none.

    Args:
        data: the header, or its values by keyword.
        little: whether its numbers are little-endian.

    Raises:
        UnreadKind: its table is damaged.
    """
    items = data.get("ModalityLUTSequence")
    if not items:
        return None
    try:
        count, first, _ = _words(items[0]["LUTDescriptor"].value, little=little)
        count = count or _MOST
        raw = items[0]["LUTData"].value
        if isinstance(raw, bytes) and count <= len(raw) < 2 * count:
            entries = np.frombuffer(raw, np.uint8, count).astype(_WORD)
        else:
            entries = np.array(_words(raw, little=little)[:count], _WORD)
    except Exception as error:
        raise _damaged() from error
    if not 0 < len(entries) == count:
        raise _damaged()
    signed = data.get("PixelRepresentation") == 1
    return ModalityLut(first - _MOST if signed and first >= _MOST // 2 else first, entries)


def _words(value: Any, *, little: bool) -> list[int]:
    """Words of 16 bits, whether pydicom knew that they are numbers or not."""
    if isinstance(value, bytes):
        words = np.frombuffer(value, "<u2" if little else ">u2", len(value) // 2)
        return [int(word) for word in words]
    return [int(word) for word in value]


def _damaged() -> UnreadKind:
    return UnreadKind("its Modality LUT is damaged: export rescaled values")
