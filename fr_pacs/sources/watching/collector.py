"""Collects what arrives in a folder, and makes tasks of what is complete.

One thread calls it, with the time: ``look`` at what may have changed, then ``advance``. A file is
read when it has settled; if it is a slice, it waits for its series, else it is complete when it has
been quiet for long enough. What was read is looked at once more before it becomes a task, and the
reader compares it again when it reads the voxels.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from common.errors import SourceError
from common.formats.archives import on_disk
from common.formats.dicom.slices import Slice
from common.formats.nifti.pairs import header_of, is_header, is_voxels, voxels_of
from common.scan_files.file_discovery import UNLISTABLE, KnownByName, check_regular, walk_files
from common.scan_files.file_names import FileNames
from common.scan_files.file_tasks import FailedTask
from common.scan_files.image_files import Found, ImageFiles, Unread, UnreadFiles, slices_in
from common.scan_files.own_files import OwnFiles
from common.scan_files.skipped_files import SkippedFiles
from fr_pacs.sources.watching.arrivals import Arrival, Arrivals
from fr_pacs.sources.watching.earlier_series import EarlierSeries
from fr_pacs.sources.watching.open_files import state_of
from fr_pacs.sources.watching.open_series import OpenSeries
from fr_pacs.sources.watching.sent_index import IndexedFile, Outcome, SentIndex
from fr_pacs.sources.watching.under_way import FilesUnderWay, FileUnderWay, WatchedTask

_LONG_AGO = float("-inf")

TOLD_KEPT = 100_000
"""Failures of files that are never read, such as links, of which it is remembered that they were
told: an endless run must not fill the memory."""

_AGAIN_S = 2.0
"""A new folder is looked at a second time so long after the first."""


class Collector:
    """Makes tasks of the files of one folder. Not thread-safe.

    Args:
        root: the folder.
        files: makes tasks of what is read.
        names: makes labels.
        index: what became of files before.
        under_way: files whose outcome is not known yet.
        give: called with each task.
        tell: called with what is no scan, before the index has it: after a kill, what the index has
            is not told again.
        key: 32 bytes, for digests that tell series apart.
        follow_links: follow links that lead out of the folder.
        quiet_s: what has not changed for this long is complete, seconds.
        patience_s: an incomplete series is sent after this time, seconds.
        stopping: whether to leave off.
        own: what Fr-PACS writes itself; it is no input.
    """

    def __init__(
        self,
        root: Path,
        files: ImageFiles,
        names: FileNames,
        index: SentIndex,
        under_way: FilesUnderWay,
        give: Callable[[WatchedTask], None],
        tell: Callable[[SkippedFiles], None],
        *,
        key: bytes,
        follow_links: bool,
        quiet_s: float,
        patience_s: float,
        stopping: Callable[[], bool] = lambda: False,
        own: OwnFiles | None = None,
    ) -> None:
        self._root = root
        self._files = files
        self._names = names
        self._index = index
        self._under_way = under_way
        self._give = give
        self._tell = tell
        self._key = key
        self._follow_links = follow_links
        self._stopping = stopping
        self._own = own
        self._arrivals = Arrivals(quiet_s, patience_s)
        self._series = OpenSeries(quiet_s, patience_s)
        self._earlier = EarlierSeries(index, files, key)
        self._members: dict[Path, list[Path]] = {}
        """The members of archives that are slices of open series."""
        self._skipped_by_name: dict[Path, IndexedFile] = {}
        self._taken: list[FileUnderWay] = []
        """Files of which nothing more is to come, once what was skipped of them is told."""
        self._told: dict[tuple[str, str], None] = {}
        self._new_folders: dict[Path, float] = {}
        self._to_look_at: dict[Path, None] = {}

    def rescan(self, now: float) -> None:
        """Look at all of the folder, and forget the files that are not there any more.

        Raises:
            SourceError: the folder cannot be read.
        """
        seen, whole = self._look_in(None, now)
        self._note_outcomes()
        if self._stopping() or not whole:
            return
        for path in self._arrivals.paths():
            if path not in seen:
                self._gone([path])
        # A share that is not mounted is an empty folder: its files will be there again.
        if seen:
            self._index.forget(self._index.all_paths() - seen)

    def look(self, paths: Iterable[Path], now: float) -> None:
        """These files and folders may have changed, or may be gone.

        Raises:
            SourceError: the folder cannot be read.
        """
        self._to_look_at.update(dict.fromkeys(paths))
        gone = [path for path in self._to_look_at if not os.path.lexists(path)]
        self._gone(gone)
        for path in gone:
            del self._to_look_at[path]
        while self._to_look_at:
            path = next(iter(self._to_look_at))
            if os.path.lexists(path):
                self._look_in(path, now)
                if path.is_dir():
                    # Files may have come into it before the kernel watched it.
                    self._new_folders[path] = now + _AGAIN_S
            # Not before: if the folder cannot be read now, the next call looks at the rest.
            del self._to_look_at[path]
        self._note_outcomes()

    def advance(self, now: float, seen_until: float) -> None:
        """Read what has settled, and make tasks of what is complete.

        Args:
            now: monotonic seconds.
            seen_until: all changes before this time were looked at: a change may be told late.

        Raises:
            SourceError: the folder cannot be read.
        """
        try:
            self._advance(now, seen_until)
        finally:
            self._note_outcomes()

    def _advance(self, now: float, seen_until: float) -> None:
        self.look(self._under_way.take_withdrawn(), now)
        for folder in [path for path, due in self._new_folders.items() if now >= due]:
            self._look_in(folder, now)
            del self._new_folders[folder]
        self._read(now)
        self._take_files(now, seen_until)
        due = self._series.due(seen_until, self._arrivals.unread_folders())
        # The fullest first: what is part of it is skipped.
        for groups in sorted(due, key=lambda groups: -max(map(len, groups))):
            if self._stopping():
                return
            self._take_series(groups, now)

    def _note_outcomes(self) -> None:
        """Tell what was skipped, and note it only then."""
        by_name, self._skipped_by_name = self._skipped_by_name, {}
        if len(self._files.skipped):
            skipped, self._files.skipped = self._files.skipped, SkippedFiles()
            self._tell(skipped)
            for one in skipped:
                assert one.path is not None  # noqa: S101 - it is of a folder
                path, account = on_disk(one.path), one.account(self._names.reveal)
                if path in by_name:
                    by_name[path] = by_name[path]._replace(told=(account,))
                elif (file := self._under_way.get(path)) is not None:
                    file.told.append(account)
        if by_name:
            self._index.put([*by_name.values()])
        taken, self._taken = self._taken, []
        self._under_way.release(taken)

    # --- what there is ---------------------------------------------------------------------------

    def _look_in(self, start: Path | None, now: float) -> tuple[set[Path], bool]:
        """Look at what is in a folder; the files found, and whether all of it could be listed."""
        seen: set[Path] = set()
        whole = True
        found = walk_files(
            self._root, self._names, follow_links=self._follow_links, start=start, own=self._own
        )
        for one in found:
            if self._stopping():
                break
            if isinstance(one, FailedTask):
                whole = whole and not str(one.error).startswith(UNLISTABLE)
                self._tell_once(self._files.failed(one.label, one.error))
            elif isinstance(one, KnownByName):
                seen.add(one.path)
                if one.path not in self._skipped_by_name and self._index.get(one.path) is None:
                    self._files.skip(one.path, one.kind, self._files.label(one.path))
                    file = IndexedFile(one.path, 0, 0, Outcome.SKIPPED)
                    self._skipped_by_name[one.path] = file
            else:
                seen.add(one)
                self._look_at(one, now, again=one == start)
        return seen, whole

    def _look_at(self, path: Path, now: float, *, again: bool) -> None:
        """Look at a file; if ``again``, also at one that failed and is as it was then: perhaps only
        its permissions have changed."""
        try:
            check_regular(path)
            info = path.stat()
        except (SourceError, OSError) as error:
            if os.path.lexists(path):
                reason = error if isinstance(error, SourceError) else SourceError("cannot be read")
                self._tell_once(self._files.failed(self._files.label(path), reason))
            return
        stamp = info.st_size, info.st_mtime_ns
        known, present = self._index.get(path), self._under_way.get(path)
        same = known is not None and (known.size, known.mtime_ns) == stamp
        if known is not None and same and not (again and known.outcome is Outcome.FAILED):
            return
        if present is not None and present.stamp == stamp:
            return
        self._note(path, stamp, now)
        with suppress(SourceError):  # the other half of a pair may have been refused without it
            for other in _other_half(path):
                size, mtime_ns, *_ = state_of(other) or (0, 0)
                self._note(other, (size, mtime_ns), now)

    def _note(self, path: Path, stamp: tuple[int, int], now: float) -> None:
        before = self._arrivals.get(path)
        if self._arrivals.note(path, self._files.label(path), stamp, now) is not before:
            self._forget_slices(path)

    def _gone(self, paths: Sequence[Path]) -> None:
        """Files or folders are not there any more: nothing of them that waits is sent."""
        gone, files = set(paths), list(paths)
        if any(self._arrivals.get(path) is None for path in gone):
            # One look at all that waits, however many are gone.
            waiting = (*self._arrivals.paths(), *self._members)
            files += [path for path in waiting if not gone.isdisjoint(path.parents)]
        for one in files:
            self._arrivals.remove(one)
            self._forget_slices(one)
            self._under_way.drop(one)

    def _forget_slices(self, path: Path) -> None:
        """What was read of a file does not count any more."""
        self._series.remove([path, *self._members.pop(path, ())])

    def _forget_members(self, taken: Sequence[Path]) -> None:
        """These slices, which may be members of archives, wait no longer."""
        gone = set(taken)
        for archive in {on_disk(path) for path in taken} & self._members.keys():
            if left := [path for path in self._members[archive] if path not in gone]:
                self._members[archive] = left
            else:
                del self._members[archive]

    def _tell_once(self, task: FailedTask) -> None:
        told = task.label, str(task.error)
        if told not in self._told:
            self._told[told] = None
            if len(self._told) > TOLD_KEPT:
                del self._told[next(iter(self._told))]
            self._give(WatchedTask(task, (), self._under_way))

    # --- what is in it ---------------------------------------------------------------------------

    def _read(self, now: float) -> None:
        """Read the files that have settled."""
        ready = [one for one in self._arrivals.settled(now) if self._is_still(one, now)]
        found = self._files.read((one.path, one.label) for one in ready)
        series: set[str] = set()
        for arrival, inside in zip(ready, found, strict=False):
            if self._stopping():
                return
            arrival.found = inside
            if planes := slices_in(inside):
                arrival.in_series = True
                self._series.add(arrival.path, planes, arrival.path.parent, arrival.since)
                series.add(self._digest(planes))
        for one in series:
            self._fetch_sent(one)

    def _fetch_sent(self, series: str) -> None:
        """Have the slices of a series read again that were sent before others came."""
        sent = {file.path: file.stamp for file in self._under_way.of_series(series)}
        sent |= {one.path: (one.size, one.mtime_ns) for one in self._index.of_series(series)}
        for path, stamp in sent.items():
            if self._arrivals.get(path) is None:
                state = state_of(path)
                if state is not None and state[:2] == stamp:
                    self._arrivals.note(path, self._files.label(path), stamp, _LONG_AGO)

    def _is_still(self, arrival: Arrival, now: float) -> bool:
        """Whether a file is as it was when it was last looked at, and nobody writes it."""
        state = state_of(arrival.path)
        if state is None:
            self._gone([arrival.path])
            return False
        if state.being_written or state[:2] != arrival.stamp:
            self._forget_slices(arrival.path)
            self._arrivals.changed(arrival.path, state[:2], now)
            return False
        return True

    # --- what is complete ------------------------------------------------------------------------

    def _take_files(self, now: float, seen_until: float) -> None:
        """Make tasks of files that are complete, but for slices."""
        unread = UnreadFiles(self._files)
        taken: dict[Path, FileUnderWay] = {}
        for arrival in self._arrivals.complete(seen_until):
            if not self._is_still(arrival, now):
                continue
            self._arrivals.remove(arrival.path)
            path, found = arrival.path, arrival.found
            assert found is not None  # noqa: S101 - it is complete
            taken[path] = file = self._under_way.begin(path, arrival.stamp)
            self._take_found(path, arrival.label, found, file, unread)
            members = self._files.take_members()
            for member, inside in zip(members, self._files.read(members), strict=True):
                if self._stopping():  # the next run reads the archive again
                    return
                self._take_found(*member, inside, file, unread)
        for alike, task in unread.tasks():
            files = [taken[on_disk(one.path)] for one in alike]
            self._give(WatchedTask(task, files, self._under_way))
        self._taken += taken.values()

    def _take_found(
        self, path: Path, label: str, found: Found, file: FileUnderWay, unread: UnreadFiles
    ) -> None:
        """Make tasks of what is in a file on disk, or in a member of it."""
        if planes := slices_in(found):
            self._under_way.hold([file])
            self._members.setdefault(file.path, []).append(path)
            self._series.add(path, planes, file.path.parent, _LONG_AGO)
            return
        for one in self._files.usable(path, label, found):
            if isinstance(one, Unread):
                unread.add(one)
            elif not isinstance(one, Slice):
                self._give(WatchedTask(one, (file,), self._under_way))

    def _take_series(self, groups: Sequence[Sequence[Slice]], now: float) -> None:
        """Make tasks of a series that is complete, or of several that share files."""
        slices = [plane for group in groups for plane in group]
        paths = list(dict.fromkeys(plane.path for plane in slices))
        arrivals = [one for path in paths if (one := self._arrivals.get(path))]
        changed = [one for one in arrivals if not self._is_still(one, now)]
        if changed:
            return
        series = self._digest(slices)
        files = {one.path: self._under_way.begin(one.path, one.stamp, series) for one in arrivals}
        for path in paths:
            if path not in files and (archive := self._under_way.get(on_disk(path))):
                files[path] = archive
        on_this_disk = {file.path: file for file in files.values()}
        for group in groups:
            self._earlier.expect_for(group)
            for path, part in self._earlier.parts_of(group).items():
                if path in on_this_disk:
                    on_this_disk[path].parts.append(part)
        for some, task in (one for group in groups for one in self._files.stacked(group)):
            about = list({id(files[path]): files[path] for path in some if path in files}.values())
            if task is not None:
                self._give(WatchedTask(task, about, self._under_way))
            else:
                self._under_way.hold(about)
                self._under_way.release(about, Outcome.SKIPPED)
        self._series.remove(paths)
        self._forget_members(paths)
        for one in arrivals:
            self._arrivals.remove(one.path)
        self._taken += files.values()

    def _digest(self, group: Sequence[Slice]) -> str:
        """Tells a series from others; empty if its slices have no series UID in common."""
        series = {(plane.series, plane.owner) for plane in group}
        uid, owner = series.pop()
        if series or not uid:
            return ""
        return blake3(f"{uid} {owner}".encode(), key=self._key).hexdigest()[:32]


def _other_half(path: Path) -> list[Path]:
    """The other file of a ``.hdr``/``.img`` pair; of samples of a WFDB record, its header.

    Raises:
        SourceError: it is not there.
    """
    if is_header(path.name):
        return [voxels_of(path)]
    if path.suffix.lower() == ".dat":
        return [path.with_suffix(".hea")] if path.with_suffix(".hea").is_file() else []
    return [header_of(path)] if is_voxels(path.name) else []
