"""Slices of DICOM series that may not be complete yet. No I/O, no clock."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from common.formats.dicom.completeness import has_all_images
from common.formats.dicom.series import group_series
from common.formats.dicom.slices import Slice


class _SliceFile(NamedTuple):
    slices: list[Slice]
    folder: Path
    since: float


class OpenSeries:
    """Slices whose series wait for others.

    A series is complete when it has as many images as its files say that there are, and no file of
    its folders is still to be read; else when nothing of it has changed for ``quiet_s``. It waits
    for images that are missing, and for files in its folders that keep growing, but not for ever.

    Args:
        quiet_s: seconds.
        patience_s: the longest wait, seconds.
    """

    def __init__(self, quiet_s: float, patience_s: float) -> None:
        self._quiet_s = quiet_s
        self._patience_s = patience_s
        self._files: dict[Path, _SliceFile] = {}
        self._groups: list[list[list[Slice]]] | None = []

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def add(self, path: Path, slices: Sequence[Slice], folder: Path, since: float) -> None:
        """Add the slices in a file.

        Args:
            path: the file.
            slices: what is in it.
            folder: the one on disk that it is in, or that its archive is in.
            since: when it last changed, monotonic seconds.
        """
        self._files[path] = _SliceFile(list(slices), folder, since)
        self._groups = None

    def remove(self, paths: Iterable[Path]) -> None:
        """These files are gone, taken, or have changed."""
        for path in paths:
            if self._files.pop(path, None) is not None:
                self._groups = None

    def due(self, now: float, unread: set[Path]) -> list[list[list[Slice]]]:
        """The slices of each series that is complete, in the order of their files. Series that
        share a file, as frames without a series UID may do, come together, when all are complete.

        Args:
            now: monotonic seconds.
            unread: folders with files of which nobody knows yet what they are.
        """
        if self._groups is None:
            slices = (plane for path in sorted(self._files) for plane in self._files[path].slices)
            self._groups = _together(group_series(list(slices)))
        return [
            groups
            for groups in self._groups
            if all(self._is_due(group, now, unread) for group in groups)
        ]

    def _is_due(self, group: Sequence[Slice], now: float, unread: set[Path]) -> bool:
        files = [self._files[plane.path] for plane in group]
        idle = now - max(file.since for file in files)
        if idle >= self._patience_s:
            return True
        if not unread.isdisjoint({file.folder for file in files}):
            return False
        is_whole = has_all_images(group)
        return idle >= self._quiet_s if is_whole is None else is_whole


def _together(groups: Iterable[list[Slice]]) -> list[list[list[Slice]]]:
    """Groups of slices, those that share a file together."""
    of_file: dict[Path, list[list[Slice]]] = {}
    together: list[list[list[Slice]]] = []
    for group in groups:
        paths = {plane.path for plane in group}
        shared = {id(one): one for path in paths if (one := of_file.get(path)) is not None}
        joined = [*(other for one in shared.values() for other in one), group]
        if shared:
            together = [one for one in together if id(one) not in shared]
            paths |= {plane.path for other in joined for plane in other}
        together.append(joined)
        of_file.update(dict.fromkeys(paths, joined))
    return together
