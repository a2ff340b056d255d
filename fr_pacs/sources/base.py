"""The interface of a source: where scans come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from common.domain.scan import BrainScan, Packing


@dataclass(frozen=True, slots=True)
class LoadedScan:
    """A scan in memory."""

    scan: BrainScan
    voxels: bytes | memoryview
    """``scan.voxels_bytes`` bytes, Fortran order, little-endian (a flat view of ``B``); or the
    payload of ``packing``."""
    packing: Packing | None = None
    """Set by the sender: how the voxels are compressed."""


class ScanTask(Protocol):
    """A scan that can be loaded: cheap to make and to keep; ``load`` does the work in the
    sending thread."""

    @property
    def label(self) -> str:
        """For logs: the file and volume or the series, as the user knows them; no patient data."""

    def load(self) -> LoadedScan:
        """Read or make it.

        Raises:
            SourceError: it cannot become a scan; the text says why.
        """


class Source(Protocol):
    """Scans to send, in order. What cannot be read is a task whose ``load`` raises."""

    @property
    def total(self) -> int | None:
        """How many tasks there are; None: endless."""

    @property
    def waits(self) -> bool:
        """Whether a task must wait for room when the hub is away (files), instead of being
        given up and counted as failed (a stream that goes on, as a scanner does)."""

    def __iter__(self) -> Iterator[ScanTask]:
        """The tasks, once."""
