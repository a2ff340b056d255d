"""What the sources of synthetic scans have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from common.errors import SettingsError
from fr_pacs.sources.base import ScanTask, synthetic_scan_id

T = TypeVar("T", bound=ScanTask)


class SyntheticSource(ABC, Generic[T]):
    """A source that makes the scans 0, 1, 2 … of a seed, each with its own id. Its tasks may be
    loaded by any number of threads.

    Args:
        pacs: name of this Fr-PACS.
        scans: how many; None: endless.
        seed: of the voxels.
        run: gives the same scans the same ids in each run of this name; None: ids are random.

    Raises:
        SettingsError: a negative seed or number of scans.
    """

    def __init__(self, pacs: str, scans: int | None, seed: int, run: str | None) -> None:
        if scans is not None and scans < 0:
            raise SettingsError(f"scans is {scans}; it must be 0 or more, or None for endless")
        if seed < 0:
            raise SettingsError(f"seed is {seed}; it must be 0 or more")
        self._pacs = pacs
        self._scans = scans
        self._seed = seed
        self._run = run

    @property
    def total(self) -> int | None:
        """The number of scans; None: endless."""
        return self._scans

    @property
    def waits(self) -> bool:
        """False: it streams like a scanner, whether Fr-HUB is reachable or not."""
        return False

    def __iter__(self) -> Iterator[T]:
        """One task per scan."""
        index = 0
        while self._scans is None or index < self._scans:
            yield self._task(index)
            index += 1

    @abstractmethod
    def _task(self, index: int) -> T:
        """The task of scan ``index``."""

    def _scan_id(self, *what: object) -> str:
        """The id of a scan.

        Args:
            what: kind, seed, index, shape and whatever else the voxels depend on.
        """
        return synthetic_scan_id(self._run, self._pacs, *what)
