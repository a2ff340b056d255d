"""What was skipped because it is no scan: counted by kind, named once per folder and kind."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from common.domain.skipped_kinds import counted, place


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file, or a hidden folder, that is no scan."""

    label: str
    """Names it to its user, as the label of a scan does."""
    folder: str
    """The label of the folder that it is in."""
    kind: str
    """Of ``common.domain.skipped_kinds``."""


@dataclass(slots=True)
class SkippedFiles:
    """All that one source skipped, in the order in which it was found."""

    _files: list[SkippedFile] = field(default_factory=list)

    def add(self, label: str, folder: str, kind: str) -> None:
        """Note a file."""
        self._files.append(SkippedFile(label, folder, kind))

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


def in_words(counts: Mapping[str, int]) -> str:
    """Counts by kind as people read them, such as ``3 structured reports, 1 sidecar``."""
    return ", ".join(counted(kind, count) for kind, count in counts.items())
