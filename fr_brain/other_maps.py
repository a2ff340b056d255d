"""The label maps of another scan, as analyzers get them."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from tenacity import Retrying

from common.errors import VoxelsDamaged
from common.store.other_scans import OtherScan, OtherScans


def maps_of(
    store: OtherScans, retry: Retrying, other: OtherScan, names: tuple[str, ...]
) -> Mapping[str, npt.NDArray[np.uint8]]:
    """The label maps of these names that are stored, in the other scan's shape and axes; none if
    they are damaged.

    Args:
        store: that found the other scan.
        retry: repeats a call to the store while MongoDB is unreachable.
        other: the other scan.
        names: of the label maps.
    """
    try:
        stored = retry(store.labels, other, names)
    except VoxelsDamaged:
        return {}  # as if there were none
    return {
        name: np.frombuffer(labels, np.uint8).reshape(other.scan.shape, order="F")
        for name, labels in stored.items()
    }
