"""``LabelsHeader``: what goes before the label maps of a report where they are sent."""

import math
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from common.domain.affine import Affine
from common.domain.label_maps import LABEL_MAPS_MAX, PackedMap
from common.domain.report import REPORT_BYTES_MAX, REVISION_MAX
from common.domain.scan import SAMPLES_MAX, check_affine
from common.domain.types import Document, Frozen, Identifier

VOXELS_MAX = 2**31
"""Most voxels of a scan whose label maps are sent: who receives them unpacks a byte for each."""

PACKED_MAX = 2**30
"""Most bytes of the packed label maps of a report that are sent, so that nobody fills the disk of
who receives them."""

HEADER_BYTES_MAX = REPORT_BYTES_MAX
"""Most bytes of a header as BSON that is sent: it fits the smallest frame."""


class LabelsHeader(Frozen):
    """The label maps of a report, without their labels: these follow, packed, one map after
    another, ``bytes`` bytes in all."""

    scan_id: Identifier
    revision: Annotated[int, Field(ge=1, le=REVISION_MAX)]
    """Of the report."""
    shape: Annotated[
        tuple[Annotated[int, Field(ge=1, le=SAMPLES_MAX)], ...], Field(min_length=2, max_length=3)
    ]
    """Of the scan, and so of each map."""
    affine: Affine | None = None
    """Of the scan."""
    maps: Annotated[tuple[PackedMap, ...], Field(min_length=1, max_length=LABEL_MAPS_MAX)]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if math.prod(self.shape) > VOXELS_MAX:
            raise ValueError(f"the scan has more than {VOXELS_MAX} voxels")
        if self.affine is not None:
            check_affine(np.array(self.affine))
        if len({one.name for one in self.maps}) < len(self.maps):
            raise ValueError("two label maps have the same name")
        if self.maps[0].offset or any(
            one.end != after.offset for one, after in pairwise(self.maps)
        ):
            raise ValueError("the packed label maps overlap or leave gaps")
        for one in self.maps:
            if one.planes is not None and not one.planes.fits(self.shape):
                raise ValueError(f"the bit planes of {one.name!r} do not fit the scan")
            if one.packing.bytes > one.most_bytes(self.shape):
                raise ValueError(f"the label map {one.name!r} is larger than any of its scan")
        if self.bytes > PACKED_MAX:
            raise ValueError(f"the packed label maps have more than {PACKED_MAX} bytes")
        return self

    @property
    def bytes(self) -> int:
        """Size of all packed maps."""
        return self.maps[-1].end

    @property
    def unpacked_bytes(self) -> int:
        """Size of all maps with a byte for each voxel."""
        return len(self.maps) * math.prod(self.shape)

    def document(self) -> Document:
        """The header as it is sent: without fields that have no value."""
        return self.model_dump(exclude_none=True)
