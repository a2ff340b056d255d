"""Series that an earlier run sent, and of which a new series may be a partial copy."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from blake3 import blake3

from common.formats.archives import on_disk
from common.formats.dicom.partial_copies import grid_of
from common.formats.dicom.slices import Slice
from common.scan_files.image_files import ImageFiles
from fr_pacs.sources.watching.open_files import state_of
from fr_pacs.sources.watching.sent_index import SentIndex, SeriesPart

_REMEMBERED = 100_000


class EarlierSeries:
    """Has the files of such series read again, once a run. Not thread-safe.

    Args:
        index: has the parts of each series that a file holds.
        files: is told of the series.
        key: 32 bytes, for the digests of series and grids.
    """

    def __init__(self, index: SentIndex, files: ImageFiles, key: bytes) -> None:
        self._index = index
        self._files = files
        self._key = key
        self._expected: OrderedDict[str, None] = OrderedDict()

    def parts_of(self, slices: Sequence[Slice]) -> Mapping[Path, SeriesPart]:
        """What each file on disk holds of a series."""
        grid, series = self._digests(slices)
        counts: dict[Path, int] = {}
        for plane in slices:
            path = on_disk(plane.path)
            counts[path] = counts.get(path, 0) + 1
        return {path: SeriesPart(grid, series, count) for path, count in counts.items()}

    def expect_for(self, slices: Sequence[Slice]) -> None:
        """Call ``ImageFiles.expect`` for each series that an earlier run sent, if this series may
        be a partial copy of it. Files that have changed since do not count."""
        grid, own = self._digests(slices)
        self._expect(own)
        for series, files in self._index.fuller_series(grid, len(slices)).items():
            if self._expect(series):
                states = [(one.path, state_of(one.path), one) for one in files]
                self._files.expect_files(
                    path
                    for path, state, one in states
                    if state is not None and state[:2] == (one.size, one.mtime_ns)
                )

    def _expect(self, series: str) -> bool:
        """Whether this series is expected for the first time."""
        is_new = series not in self._expected
        self._expected[series] = None
        if len(self._expected) > _REMEMBERED:
            self._expected.popitem(last=False)
        return is_new

    def _digests(self, slices: Sequence[Slice]) -> tuple[str, str]:
        series = slices[0].series, slices[0].owner
        return self._digest(grid_of(slices)), self._digest(series)

    def _digest(self, value: tuple[object, ...]) -> str:
        return blake3(repr(value).encode(), key=self._key).hexdigest()[:32]
