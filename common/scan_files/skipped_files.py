"""What was skipped because it is no scan: counted by kind, named once per folder and kind."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from common.domain.file_outcomes import FileOutcome
from common.domain.skipped_kinds import counted, place, singular
from common.scan_files.accounts import Account, Origin


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file, or a hidden folder, that is no scan."""

    label: str
    """Names it to its user, as the label of a scan does."""
    folder: str
    """The label of the folder that it is in."""
    kind: str
    """Of ``common.domain.skipped_kinds``."""
    origins: tuple[Origin, ...] = ()
    """Where it is; of a volume that is not wanted, then each further file."""
    detail: str = ""
    """What else there is to say, such as the label of the file that it is a copy of."""
    path: Path | None = None
    """The file, or member of an archive; of a volume, the first one."""

    def account(self, reveal: Callable[[str], str] = str) -> Account:
        """What became of it.

        Args:
            reveal: puts the names of files into a text that holds their hashes.
        """
        what, detail = singular(self.kind), reveal(self.detail)
        if self.kind in ("copy", "damaged_copy") and detail:
            return Account(FileOutcome.COPY, f"the same slice as {detail}", self.origins)
        reason = f"{what}: {detail}" if detail else what
        return Account(FileOutcome.SKIPPED, reason, self.origins)


@dataclass(slots=True)
class SkippedFiles:
    """All that one source skipped, in the order in which it was found."""

    _files: list[SkippedFile] = field(default_factory=list)

    def add(
        self,
        label: str,
        folder: str,
        kind: str,
        origins: tuple[Origin, ...] = (),
        detail: str = "",
        path: Path | None = None,
    ) -> None:
        """Note a file (``SkippedFile``)."""
        self._files.append(SkippedFile(label, folder, kind, origins, detail, path))

    def __iter__(self) -> Iterator[SkippedFile]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind, in the order of the vocabulary."""
        counts = Counter(file.kind for file in self._files)
        return {kind: counts[kind] for kind in sorted(counts, key=place)}

    @property
    def by_folder(self) -> dict[tuple[str, str], int]:
        """How many there are of each kind in each folder, by (folder, kind)."""
        return dict(Counter((file.folder, file.kind) for file in self._files))


@runtime_checkable
class Skips(Protocol):
    """A source that skips what is no scan."""

    @property
    def skipped(self) -> SkippedFiles:
        """What it has skipped so far."""


@runtime_checkable
class Watches(Protocol):
    """A source that finds its scans while it runs, until it is stopped."""

    def start(
        self, skipped: Callable[[SkippedFiles], None], found: Callable[[Origin], None]
    ) -> None:
        """Begin. In another thread, ``skipped`` is called with what is no scan, and ``found`` with
        where a scan is that is to be sent."""

    def stop(self) -> None:
        """Find no more. Idempotent."""

    def close(self) -> None:
        """End, when nobody takes scans any more."""


def in_words(counts: Mapping[str, int]) -> str:
    """Counts by kind as people read them, such as ``3 structured reports, 1 sidecar``."""
    return ", ".join(counted(kind, count) for kind, count in counts.items())
