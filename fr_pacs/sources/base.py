"""The interface of a source: where scans come from."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable
from uuid import uuid4

from blake3 import blake3

from common.domain.file_outcomes import FileOutcome
from common.domain.scan import Priority
from common.errors import FrError
from common.scan_files.accounts import Account as Account
from common.scan_files.accounts import Origin as Origin
from common.scan_files.accounts import account_of_copy as account_of_copy
from common.scan_files.tasks import LoadedScan as LoadedScan
from common.scan_files.tasks import ScanTask as ScanTask


class Withdrawn(FrError):
    """The files of a task have changed: it has not failed, but another task will have them."""


def with_priority(loaded: LoadedScan, priority: Priority) -> LoadedScan:
    """The scan, sent with this priority."""
    if loaded.scan.priority == priority:
        return loaded
    return replace(loaded, scan=loaded.scan.model_copy(update={"priority": priority}))


def synthetic_scan_id(run: str | None, *what: object) -> str:
    """The id of a synthetic scan: random, or in a run with a name derived from what it is.

    Args:
        run: name of the run; None: it has none.
        what: sender, kind, seed, index, shape and whatever else the voxels depend on.
    """
    if run is None:
        return uuid4().hex
    return blake3(repr((run, *what)).encode()).hexdigest()[:32]


def files_field(label: str, origins: Sequence[Origin]) -> dict[str, list[str]]:
    """The field of the ledger that names the files of a label, unless the label is the name."""
    files = [*dict.fromkeys(origin.file for origin in origins)]
    return {"files": files} if files and files != [label] else {}


def accounts_of(
    origins: Sequence[Origin], outcome: FileOutcome, reason: str, scan_id: str
) -> list[Account]:
    """What became of a scan, for all volumes of files that hold it: the first one was sent."""
    if not origins:
        return []
    first, *copies = origins
    copied = [account_of_copy(copy, first, scan_id) for copy in copies]
    return [Account(outcome, reason, (first,), scan_id), *copied]


@runtime_checkable
class HasOrigins(Protocol):
    """A task that reads files."""

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The image, or what was to be one; then the files that have to be named, too, if it cannot
        be sent."""


@runtime_checkable
class AccountsForFiles(Protocol):
    """A source that knows all its files."""

    @property
    def path(self) -> str:
        """The absolute path of SOURCE."""

    def accounts(self) -> Iterator[Account]:
        """What is known of each file before the first scan is sent."""


class Source(Protocol):
    """Scans to send, in order. A file that cannot be read is a task whose ``load`` raises."""

    @property
    def total(self) -> int | None:
        """The number of tasks; None: endless."""

    @property
    def waits(self) -> bool:
        """Whether tasks wait while Fr-HUB is unreachable and the buffer is full (files), or count
        as failed after a while (synthetic scans, which keep coming as from a scanner)."""

    def __iter__(self) -> Iterator[ScanTask | None]:
        """The tasks, once; None if there is none now, but may be later."""


@runtime_checkable
class Remembers(Protocol):
    """A source that remembers across runs what became of its scans. Thread-safe."""

    def stored(self, scan_ids: Sequence[str]) -> None:
        """Fr-HUB has stored these scans."""

    def refused(self, scan_id: str, reason: str, *, for_good: bool) -> None:
        """Fr-HUB does not take this scan, and if ``for_good``, never will."""

    def labels_of(self, scan_id: str) -> list[tuple[str, Origin]]:
        """The labels and origins of a stored scan."""
