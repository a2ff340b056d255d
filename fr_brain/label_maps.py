"""From the label maps of an analyzer to what is stored with its report."""

from collections.abc import Iterable

from common.domain.label_maps import LABEL_MAPS_MAX, PackedMap, PackedMaps, packed_labels
from common.domain.scan import BrainScan, Packing
from common.domain.types import hash_voxels
from common.errors import AnalysisError
from fr_brain.analyzers.base import LabelMap, PlanesMap
from fr_brain.analyzers.label_checks import checked_map


def pack_maps(maps: Iterable[LabelMap | PlanesMap], scan: BrainScan) -> PackedMaps | None:
    """Pack label maps, one at a time, so that an iterator may make them one by one.

    Args:
        maps: what an analyzer offers.
        scan: the header of the scan that they are of.

    Returns:
        The packed maps; None if there are none.

    Raises:
        AnalysisError: a map does not fit the scan, has a label without a meaning, or is one too
            many.
    """
    packed: dict[str, PackedMap] = {}
    payload: list[bytes] = []
    offset = 0
    for one in maps:
        if len(packed) == LABEL_MAPS_MAX:
            raise AnalysisError(f"the analyzer makes more than {LABEL_MAPS_MAX} label maps")
        checked = checked_map(one, scan)
        described = checked.described
        if described.name in packed:
            raise AnalysisError(f"the analyzer makes two label maps {described.name!r}")
        own = b"".join(packed_labels(checked.labels.data))
        packing = Packing(codec="blosc", bytes=len(own), hash=hash_voxels(own))
        packed[described.name] = PackedMap(
            **dict(described), offset=offset, packing=packing, planes=checked.layout
        )
        payload.append(own)
        offset += len(own)
    return PackedMaps(tuple(packed.values()), b"".join(payload)) if packed else None
