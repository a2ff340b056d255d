"""The packed anatomy of the phantoms: which two tissues fill a voxel, and how they are mixed.

``make_template.py`` makes the file; ``template.txt`` beside it is its notice.
"""

import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from common.errors import SourceError

TEMPLATE = Path(__file__).with_name("template.gz")

SHAPE = (197, 233, 189)
"""Voxels of 1 mm along x (to the right), y (to the front), z (up)."""

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

_PLANE = SHAPE[0] * SHAPE[1]


def table_of(values: dict[str, int]) -> bytes:
    """What each code comes to when each tissue has a value (0 to 255; those not named: 0)."""
    top = LEVELS - 1
    table = bytearray()
    for first, second in PAIRS:
        low, high = values.get(first, 0), values.get(second, 0)
        table += bytes((low * (top - n) + high * n + top // 2) // top for n in range(LEVELS))
    return bytes(table)


@lru_cache(maxsize=1)
def load_template() -> tuple[bytes, ...]:
    """The planes along z, each of rows along y of codes along x; unpacked once a process.

    Raises:
        SourceError: the file is missing or damaged.
    """
    try:
        # Not ``gzip``: its header names nothing that is needed, and zlib reads it as well.
        raw = zlib.decompress(TEMPLATE.read_bytes(), wbits=31)
    except (OSError, zlib.error) as error:
        raise SourceError(
            f"the phantoms' anatomy cannot be read: install Fr again ({error})"
        ) from None
    if len(raw) != _PLANE * SHAPE[2]:
        raise SourceError("the phantoms' anatomy is damaged: install Fr again")
    return tuple(raw[start : start + _PLANE] for start in range(0, len(raw), _PLANE))


@lru_cache(maxsize=1)
def boxes() -> tuple[tuple[int, int, int, int] | None, ...]:
    """For each plane its first row, last row + 1, first column, last column + 1 outside of which
    all is air; None where there is nothing else."""
    found: list[tuple[int, int, int, int] | None] = []
    for plane in load_template():
        lit = np.frombuffer(plane, np.uint8).reshape(SHAPE[1], SHAPE[0])
        rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
        if rows.size:
            found.append((int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1))
        else:
            found.append(None)
    return tuple(found)
