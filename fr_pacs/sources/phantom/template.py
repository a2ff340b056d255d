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
"""Cells of 1 mm along x (to the right), y (to the front), z (up): the head, and air around it but
below, where it is cut off."""
FIRST = (12, 14, 0)
"""Where it begins in the atlas' maps."""
CENTRE = (86.0, 103.0, 84.0)
"""What the field of view is centred on; x in the plane between the halves of the brain."""

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
    """What each code comes to when each tissue has a value (0 to 255; those not named: 0)."""
    top = LEVELS - 1
    table = bytearray()
    for first, second in PAIRS:
        low, high = values.get(first, 0), values.get(second, 0)
        table += bytes((low * (top - n) + high * n + top // 2) // top for n in range(LEVELS))
    return bytes(table)


@lru_cache(maxsize=1)
def load_template() -> bytes:
    """A code a cell: planes along z of rows along y of cells along x; unpacked once a process.

    Raises:
        SourceError: the file is missing or damaged.
    """
    again = "install Fr again"
    try:
        raw = zlib.decompress(TEMPLATE.read_bytes(), wbits=31)
    except (OSError, zlib.error) as error:
        raise SourceError(f"the phantoms' anatomy cannot be read: {error}; {again}") from None
    if len(raw) != PLANE * SHAPE[2]:
        raise SourceError(f"the phantoms' anatomy has {len(raw)} bytes; {again}")
    return raw


def cells() -> npt.NDArray[np.uint8]:
    """The template as an array: axes z, y, x."""
    return np.frombuffer(load_template(), np.uint8).reshape(SHAPE[::-1])


@lru_cache(maxsize=1)
def boxes() -> tuple[tuple[int, int, int, int], ...]:
    """For each plane its first row, last row + 1, first column, last column + 1 outside of which
    all is air; zeros where there is nothing else."""
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
