"""Numbers as reports and the API give them: with the digits that they are worth.

A volume is a number of voxels times the volume of one, so its digits behind the first few come from
the arithmetic: 2.8000000000000003. Numbers of voxels stay exact. The types here round where a model
is validated, so all analyzers, and reports that an earlier release stored, are rounded alike. What
a model derives from such a number, such as a percentage or a class of sizes, follows from the
rounded one, so that it agrees with what the reader sees; a sum of rounded numbers may differ from
their rounded sum by a unit of the last digit for each.
"""

import math
from typing import Annotated

from pydantic import AfterValidator, Field

_LARGE_ML = 100.0


def rounded_ml(ml: float) -> float:
    """A volume in ml: from 100 ml to 0.1, below to 0.001, or to four significant digits where these
    are more."""
    size = abs(ml)
    if size >= _LARGE_ML:
        return round(ml, 1)
    return round(ml, 3 if size == 0 else max(3, 3 - math.floor(math.log10(size))))


def rounded_mm(mm: float) -> float:
    """A position or a length in mm, to 0.01: a small part of any voxel."""
    return round(mm, 2)


def rounded_index(voxels: float) -> float:
    """A position in voxels, to a thousandth: so that the position in mm that follows from it is
    right to 0.01 mm in the usual images."""
    return round(voxels, 3)


def rounded_edge(mm: float) -> float:
    """The edge of a voxel in mm, to a millionth: many of them make an image."""
    return round(mm, 6)


def rounded_mean(mean: float, least: float, greatest: float) -> float:
    """A mean of numbers that people wrote, without the digits that come from adding them; never
    outside of the numbers."""
    return min(max(float(f"{mean:.10g}"), least), greatest)


Ml = Annotated[float, AfterValidator(rounded_ml)]
"""A volume in ml."""

NonNegativeMl = Annotated[float, Field(ge=0), AfterValidator(rounded_ml)]
"""A volume in ml that is not negative. With the bound in the field instead, the JSON schema of an
optional volume would lack it."""

Mm = Annotated[float, AfterValidator(rounded_mm)]
"""A position or a length in mm."""

VoxelIndex = Annotated[float, AfterValidator(rounded_index)]
"""A position along an axis of an image, in voxels."""

EdgeMm = Annotated[float, AfterValidator(rounded_edge)]
"""The edge of a voxel in mm."""
