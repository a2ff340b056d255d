"""Whether a volume is all that its files say that there should be."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from common.formats.dicom.slices import Slice

_MULTIPLE = 0.05
"""By which the ratio of a measured and a declared spacing may differ from a whole number."""


def expected_images(planes: Sequence[Slice]) -> int | None:
    """How many images a series has, as its headers say (ImagesInAcquisition, PS3.3 C.7.6.1, and
    NumberOfSeriesRelatedInstances, C.3.4.3.1); None if they say nothing."""
    return max((plane.claims.images for plane in planes if plane.claims.images), default=None)


def has_all_images(planes: Sequence[Slice]) -> bool | None:
    """Whether a series has the images that its headers count; None if they do not say.

    Damaged images do not count: while a series is being copied, they may be copied in part. The
    count of an enhanced file may be that of its frames.
    """
    if _parts_missing(planes):
        return False
    expected = expected_images(planes)
    if expected is None:
        return None
    whole = [plane for plane in planes if not plane.damage]
    files = len({plane.uid for plane in whole})
    frames = len({(plane.uid, plane.frame) for plane in whole})
    if expected in (files, frames):
        return True
    return False if frames < expected else None


def _parts_missing(planes: Sequence[Slice]) -> bool:
    """Whether a file of a concatenation is missing (PS3.3 C.7.6.16.1.2)."""
    parts: dict[str, int] = {}
    files: dict[str, set[str]] = {}
    for plane in planes:
        if (count := plane.claims.parts) is not None and not plane.damage:
            parts[plane.claims.concatenation] = count
            files.setdefault(plane.claims.concatenation, set()).add(plane.uid)
    return any(len(files[name]) < count for name, count in parts.items())


def missing_of(volumes: Sequence[Sequence[Slice]], others: int) -> bool:
    """Whether a series has fewer images than its headers count.

    Args:
        volumes: of the series.
        others: how many images it has beside them, without copies.
    """
    found = [plane for volume in volumes for plane in volume]
    if _parts_missing(found):
        return True
    expected = expected_images(found) or 0
    missing = expected - len(found) - others
    if missing <= 0 or any(len(volume) == expected for volume in volumes):
        return False
    sizes = {len(volume) for volume in volumes}
    # Whole volumes can be missing from a series of several: the others are still complete.
    return len(volumes) < 2 or len(sizes) > 1 or missing % sizes.pop() != 0


def problems_of(planes: Sequence[Slice]) -> Iterator[str]:
    """Codes of problems of one volume, whose slices are in order of their position."""
    slices = {plane.claims.slices for plane in planes}
    if (len(slices) == 1 and (slices.pop() or 0) > len(planes)) or _every_second(planes):
        yield "slices_missing"
    if len(planes) == 1 and not (planes[0].claims.spacing or planes[0].claims.thickness):
        yield "thickness_unknown"
    if _contradicts(planes) or _too_close(planes):
        yield "positions_contradict"


def _every_second(planes: Sequence[Slice]) -> bool:
    """Whether slices are several times as far apart as they should be."""
    if len(planes) < 3:
        return False
    first, last = planes[0].geometry, planes[-1].geometry
    if first is None or last is None:
        return False
    step = float(np.linalg.norm(np.subtract(last.position, first.position))) / (len(planes) - 1)
    spacing, thickness = planes[0].claims.spacing, planes[0].claims.thickness
    numbers = sorted(plane.instance for plane in planes if plane.instance is not None)
    skipped = {two - one for one, two in pairwise(numbers)}
    by_number = skipped.pop() if len(skipped) == 1 and len(numbers) == len(planes) else 1
    # Some devices write the gap between slices instead of their distance: it is less than a slice.
    if spacing and spacing >= 0.9 * (thickness or 0) and _whole_multiple(step / spacing):
        return True
    declared = spacing or thickness
    return by_number > 1 and declared is not None and abs(step / declared - by_number) < 0.2


def _too_close(planes: Sequence[Slice]) -> bool:
    """Whether slices lie between those that SpacingBetweenSlices puts side by side, as those of
    another volume."""
    first, last = planes[0].geometry, planes[-1].geometry
    spacings = {plane.claims.spacing for plane in planes}
    if len(planes) < 3 or len(spacings) > 1 or first is None or last is None:
        return False
    step = (last.distance - first.distance) / (len(planes) - 1)
    spacing = spacings.pop()
    return bool(spacing and step > 0 and _whole_multiple(spacing / step))


def _whole_multiple(ratio: float) -> bool:
    return round(ratio) >= 2 and abs(ratio - round(ratio)) < _MULTIPLE


def _contradicts(planes: Sequence[Slice]) -> bool:
    """Whether SliceLocation says another order, or distances more than twice as long or short."""
    locations = [plane.claims.location for plane in planes]
    if len(planes) < 3 or any(mm is None for mm in locations):
        return False
    steps = np.diff([mm for mm in locations if mm is not None])
    if not steps.any():
        return False
    first, last = planes[0].geometry, planes[-1].geometry
    if first is None or last is None or not ((steps > 0).all() or (steps < 0).all()):
        return True
    ratio = abs(float(steps.sum())) / max(last.distance - first.distance, 1e-6)
    return not 0.45 < ratio < 2.2
