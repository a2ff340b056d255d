"""Finds series that are incomplete copies of another series, under a new series UID."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from common.formats.dicom.copies import Digests, originals_of, place_of
from common.formats.dicom.slices import Slice

_Series = tuple[str, str]


class KnownSeries:
    """The series among which the originals of partial copies are looked for.

    A partial copy holds only copies of slices of a fuller series: of the same patient and study, on
    the same grid, and each slice has the place and the pixels of one of the fuller series. Whole
    copies need no such search: they have the same id.

    Args:
        digests: compares pixels, as for ``sift``. It is asked for few slices unless the first one
            is a copy.
        most_slices: the oldest series are forgotten if there are more slices than this.
    """

    def __init__(self, digests: Digests, most_slices: int) -> None:
        self._digests = digests
        self._most = most_slices
        self._count = 0
        self._known: OrderedDict[_Series, Sequence[Slice]] = OrderedDict()

    def add(self, slices: Sequence[Slice]) -> None:
        """Note a series (``group_series``), in place of what was known of it before."""
        series = _series(slices)
        self._count += len(slices) - len(self._known.pop(series, ()))
        self._known[series] = slices
        while self._count > self._most and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._count -= len(oldest)

    def originals_of(self, slices: Sequence[Slice]) -> Mapping[int, Slice] | None:
        """What each slice of a series is a copy of, by the identity of the slice; None if the
        series is no partial copy of a known one."""
        if any(one.damage or one.geometry is None for one in slices):
            return None
        grid, series = grid_of(slices), _series(slices)
        fuller = [
            known
            for other, known in self._known.items()
            if other != series and len(known) > len(slices) and grid_of(known) == grid
        ]
        # The fullest first: a part of a part is a copy of the whole.
        for known in sorted(fuller, key=len, reverse=True):
            if originals := self._in(slices, known):
                return originals
        return None

    def _in(self, slices: Sequence[Slice], others: Sequence[Slice]) -> Mapping[int, Slice] | None:
        places = {place_of(plane) for plane in others}
        if not all(place_of(plane) in places for plane in slices):
            return None
        # Other images often lie at the same places, and the first slice tells.
        first = originals_of(slices[:1], others, self._digests)
        return first and originals_of(slices, others, self._digests)


def _series(slices: Sequence[Slice]) -> _Series:
    return slices[0].series, slices[0].owner


def grid_of(slices: Sequence[Slice]) -> tuple[object, ...]:
    """What a series has in common with its partial copies: patient, study and grid."""
    plane = slices[0]
    place = plane.geometry
    look = None if place is None else (*place.cosines, *place.spacing)
    return plane.owner, plane.rows, plane.columns, plane.bits, look
