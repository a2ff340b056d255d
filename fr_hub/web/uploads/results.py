"""What became of each uploaded file, for the user who sent it: nobody else learns its name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from common.domain.file_outcomes import FileOutcome
from common.domain.skipped_kinds import named
from common.domain.volume_roles import VOLUME_ROLES
from common.scan_files.accounts import Origin
from common.scan_files.file_names import uncut
from common.scan_files.skipped_files import SkippedFile

Outcome = Literal["stored", "known", "skipped", "refused"]

_REASONS = 3
_REASON_MAX = 500
_ALL = "excluded by default; upload it again with volumes=all"


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of a file. One with several volumes is ``stored`` if any of them is; ``reason``
    then says what is wrong with the others."""

    name: str
    outcome: Outcome
    kind: str | None
    reason: str | None
    scans: tuple[str, ...]


@dataclass(slots=True)
class _File:
    name: str
    stored: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


class Results:
    """Collects what becomes of files.

    Args:
        names: the client's names by the relative paths on the disk.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {uncut(path): name for path, name in names.items()}
        self._files = {path: _File(name) for path, name in self._names.items()}
        self._archives: set[str] = set()

    def stored(self, origins: Iterable[Origin], key: str, *, known: bool) -> None:
        """A scan that was made of these files is stored; ``known``: it was before."""
        for file in self._of(origins):
            keys = file.known if known else file.stored
            if key not in keys:
                keys.append(key)

    def refused(self, origins: Iterable[Origin], reason: str) -> None:
        """These files could not become a scan, or it is not taken."""
        for file in self._of(origins):
            file.refused.append(reason)

    def skipped(self, skipped: SkippedFile) -> None:
        """This is no scan, or is not wanted."""
        account = skipped.account()
        reason = account.reason
        if skipped.kind in VOLUME_ROLES:
            reason = f"{named(skipped.kind)}: {_ALL}"
        kind = "copy" if account.outcome is FileOutcome.COPY else skipped.kind
        for file in self._of(account.origins):
            file.skipped.append((kind, reason))

    def of_all(self) -> list[FileResult]:
        """The results, in the order in which the files were sent; members follow their archive."""
        return [_result(file, path in self._archives) for path, file in self._files.items()]

    def _of(self, origins: Iterable[Origin]) -> Iterable[_File]:
        for path in dict.fromkeys(origin.file for origin in origins):
            if path not in self._files:  # a member of an archive
                self._files[path] = _File(self._name_of(path))
            yield self._files[path]

    def _name_of(self, path: str) -> str:
        place = path.find("/")
        while place >= 0:
            archive = path[:place]
            if archive in self._names:
                self._archives.add(archive)
                return self._names[archive] + path[place:]
            place = path.find("/", place + 1)
        return path


def _result(file: _File, is_archive: bool) -> FileResult:
    scans = (*file.stored, *file.known)
    reason = "; ".join(list(dict.fromkeys(file.refused))[:_REASONS])[:_REASON_MAX] or None
    if scans:
        outcome: Outcome = "stored" if file.stored else "known"
        return FileResult(file.name, outcome, None, reason, scans)
    if file.refused:
        return FileResult(file.name, "refused", None, reason, ())
    if file.skipped:
        kind, why = file.skipped[0]
        return FileResult(file.name, "skipped", kind, why[:_REASON_MAX], ())
    if is_archive:
        return FileResult(file.name, "skipped", "archive", "an archive: see its members", ())
    return FileResult(file.name, "skipped", "other", "it holds no scan", ())
