"""Synthetic heads as a source of scans."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import numpy as np

from common.errors import SettingsError
from common.models import BrainScan, hash_voxels, utc_now
from fr_pacs.sources.base import LoadedScan
from fr_pacs.sources.phantom_model import Phantom, check, make_phantom, make_voxels

__all__ = ["Phantom", "PhantomSource", "PhantomTask", "make_phantom"]


class PhantomSource:
    """Scans of type ``'volume'``: phantoms 0, 1, 2 … of ``seed`` (``make_phantom``), int16.

    The field of view is 192 mm along each axis, so a voxel's edges are 192 mm over ``shape``. The
    same seed, index and shape give the same voxels in any process. The truth is not sent.

    Raises:
        SettingsError: a negative seed or number of scans, or a shape that no phantom can have.
    """

    def __init__(
        self, pacs: str, scans: int | None, seed: int, shape: tuple[int, int, int] = (96, 96, 96)
    ) -> None:
        if scans is not None and scans < 0:
            raise SettingsError(
                f"scans: {scans} phantoms cannot be sent; 0 or more, or none: endless"
            )
        check(seed, shape)
        self._pacs = pacs
        self._scans = scans
        self._seed = seed
        self._shape = shape

    @property
    def total(self) -> int | None:
        """How many scans there are; None: endless."""
        return self._scans

    @property
    def waits(self) -> bool:
        """False: it streams like a scanner and does not wait for the hub."""
        return False

    def __iter__(self) -> Iterator["PhantomTask"]:
        """One task a scan, each with an id of its own."""
        index = 0
        while self._scans is None or index < self._scans:
            yield PhantomTask(self._pacs, self._seed, index, self._shape)
            index += 1


@dataclass(frozen=True, slots=True, eq=False)
class PhantomTask:
    """One phantom to come. Loading it again gives the same scan under the same id."""

    pacs: str
    seed: int
    index: int
    shape: tuple[int, int, int]
    scan_id: str = field(default_factory=lambda: uuid4().hex)
    acquired_at: datetime = field(default_factory=utc_now)

    @property
    def label(self) -> str:
        """For logs: which phantom of which seed."""
        return f"phantom {self.index} of seed {self.seed}"

    def load(self) -> LoadedScan:
        """Make it; nothing is read, so nothing can fail."""
        array, affine = make_voxels(self.seed, self.index, self.shape)
        # The transpose is the same memory in C order, which is what a flat view needs.
        little = np.asarray(array.T, dtype="<i2")
        voxels = little.reshape(-1).view(np.uint8).data
        scan = BrainScan(
            scan_id=self.scan_id,
            pacs=self.pacs,
            scan_type="volume",
            acquired_at=self.acquired_at,
            shape=self.shape,
            dtype="int16",
            voxels_bytes=2 * math.prod(self.shape),
            voxels_hash=hash_voxels(voxels),
            affine=affine,
        )
        return LoadedScan(scan, voxels)
