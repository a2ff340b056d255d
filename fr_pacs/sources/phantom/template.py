"""The packed anatomy of the phantoms: which two tissues fill a voxel, and how they are mixed.

``make template`` makes the file; ``template.txt`` beside it is its notice.
"""

import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.errors import SourceError

TEMPLATE = Path(__file__).with_name("template.gz")

SHAPE = (173, 208, 169)
"""Cells of 1 mm along x (right), y (front) and z (up): the head with air around it, except below,
where it is cut off."""
FIRST = (12, 14, 0)
"""The template's first cell in the maps of the atlas."""
CENTRE = (86.0, 103.0, 84.0)
"""Centre of the field of view, in cells; x lies in the mid-sagittal plane."""

TISSUES = ("air", "scalp", "fat", "skull", "marrow", "csf", "grey", "white")
LEVELS = 32
PAIRS = (
    ("air", "scalp"),
    ("scalp", "fat"),
    ("scalp", "skull"),
    ("skull", "marrow"),
    ("skull", "csf"),
    ("csf", "grey"),
    ("grey", "white"),
    ("csf", "white"),
)
"""Code ``pair * LEVELS + level``: the second tissue fills ``level / (LEVELS - 1)``."""

PLANE = SHAPE[0] * SHAPE[1]


def table_of(values: dict[str, int]) -> bytes:
    """The value of each of the 256 codes, as a table for ``bytes.translate``.

    Args:
        values: 0 to 255 for each tissue; tissues that are missing have 0.
    """
    top = LEVELS - 1
    table = bytearray()
    for first, second in PAIRS:
        low, high = values.get(first, 0), values.get(second, 0)
        table += bytes((low * (top - n) + high * n + top // 2) // top for n in range(LEVELS))
    return bytes(table)


@lru_cache(maxsize=1)
def load_template() -> bytes:
    """The codes, one byte per cell: planes along z, of rows along y, of cells along x.

    The file is unpacked once per process.

    Raises:
        SourceError: the file is missing or damaged.
    """
    remedy = "install Fr again"
    try:
        raw = zlib.decompress(TEMPLATE.read_bytes(), wbits=31)
    except (OSError, zlib.error) as error:
        raise SourceError(f"the phantoms' anatomy cannot be read: {error}; {remedy}") from None
    if len(raw) != PLANE * SHAPE[2]:
        raise SourceError(f"the phantoms' anatomy has {len(raw)} bytes; {remedy}")
    return raw


def cells() -> npt.NDArray[np.uint8]:
    """The codes as an array (z, y, x)."""
    return np.frombuffer(load_template(), np.uint8).reshape(SHAPE[::-1])


@lru_cache(maxsize=1)
def boxes() -> tuple[tuple[int, int, int, int], ...]:
    """For each plane (z), the box outside which there is only air: first row, last row + 1, first
    column, last column + 1; zeros for a plane of air."""
    found = []
    for plane in cells():
        rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        lit = rows.size > 0
        found.append(
            (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
            if lit
            else (0, 0, 0, 0)
        )
    return tuple(found)
