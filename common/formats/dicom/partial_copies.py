"""Finds series that are incomplete copies of another series, under a new series UID."""

from collections.abc import Mapping, Sequence

from common.formats.dicom.copies import Digests, originals_of, place_of
from common.formats.dicom.slices import Slice


def partial_copies(
    groups: Sequence[Sequence[Slice]], digests: Digests
) -> dict[int, Mapping[int, Slice]]:
    """Which series hold only copies of slices of a fuller one.

    They are of the same patient and study, on the same grid, and each slice has the place and the
    pixels of one of the fuller series. Whole copies need no such search: they have the same id.

    Args:
        groups: the slices of each series (``group_series``).
        digests: compares pixels, as for ``sift``. It is asked for few slices unless the first one
            is a copy.

    Returns:
        By the number of the series, what each slice is a copy of, by the identity of the slice.
    """
    by_grid: dict[tuple[object, ...], list[int]] = {}
    for number, group in enumerate(groups):
        by_grid.setdefault(_grid(group[0]), []).append(number)
    found: dict[int, Mapping[int, Slice]] = {}
    for numbers in by_grid.values():
        # The fullest first: a part of a part is a copy of the whole.
        numbers.sort(key=lambda number: -len(groups[number]))
        for n, number in enumerate(numbers):
            fuller = (groups[one] for one in numbers[:n] if one not in found)
            for other in fuller:
                if originals := _originals(groups[number], other, digests):
                    found[number] = originals
                    break
    return found


def _grid(plane: Slice) -> tuple[object, ...]:
    place = plane.geometry
    look = None if place is None else (*place.cosines, *place.spacing)
    return plane.owner, plane.rows, plane.columns, plane.bits, look


def _originals(
    slices: Sequence[Slice], others: Sequence[Slice], digests: Digests
) -> Mapping[int, Slice] | None:
    if len(slices) >= len(others) or any(one.damage or one.geometry is None for one in slices):
        return None
    places = {place_of(plane) for plane in others}
    if not all(place_of(plane) in places for plane in slices):
        return None
    # Other images often lie at the same places, and the first slice tells.
    return originals_of(slices[:1], others, digests) and originals_of(slices, others, digests)
