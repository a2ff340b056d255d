"""A stream of tiny two-dimensional scans: the toy that measures the pipeline, not the brain.

Thousands a second are streamed, so the cells are drawn in blocks of several hundred scans: one
call of the generator costs as much as a hundred draws.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import numpy as np

from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
from common.errors import SettingsError
from fr_pacs.sources.base import LoadedScan

LESION_CHANCE = 0.2
"""Chance of each cell to be a lesion (1); the others are healthy (0)."""

_BLOCK_SCANS = 512
_BLOCK_BYTES = 1 << 20
_BLOCKS_KEPT = 8  # a source's threads work on neighbouring indices: a few blocks serve all


class GridSource:
    """Scans of type ``'grid'``: ``shape`` cells of uint8, not placed in space (affine None).

    The same ``seed``, ``shape`` and index give the same cells in any process (PCG64 seeded with
    ``SeedSequence(seed, spawn_key=(block,))``). Its tasks may be loaded by any number of threads.

    Raises:
        SettingsError: a negative seed or number of scans, or a shape that no scan can have.
    """

    def __init__(
        self, pacs: str, scans: int | None, seed: int, shape: tuple[int, int] = (10, 10)
    ) -> None:
        if scans is not None and scans < 0:
            raise SettingsError(f"scans: {scans} grids cannot be sent; 0 or more, or none: endless")
        if seed < 0:
            raise SettingsError(f"seed: {seed} is negative; 0 or more")
        if len(shape) != 2 or not all(1 <= cells <= 65535 for cells in shape):
            raise SettingsError(f"shape: a grid has two axes of 1 to 65535 cells, not {shape}")
        self._pacs = pacs
        self._scans = scans
        self._seed = seed
        self._shape = shape
        self._cells = math.prod(shape)
        # One block of large grids must not take gigabytes. The length hangs on the shape alone,
        # or an index would not mean the same scan everywhere.
        self._block_scans = max(1, min(_BLOCK_SCANS, _BLOCK_BYTES // self._cells))
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def total(self) -> int | None:
        """How many scans there are; None: endless."""
        return self._scans

    @property
    def waits(self) -> bool:
        """False: it streams like a scanner and does not wait for the hub."""
        return False

    def __iter__(self) -> Iterator["GridTask"]:
        """One task a scan, each with an id of its own."""
        index = 0
        while self._scans is None or index < self._scans:
            yield GridTask(self, index)
            index += 1

    def cells(self, index: int) -> bytes:
        """The cells of scan ``index``: prod(shape) bytes of 0 and 1, Fortran order."""
        number, place = divmod(index, self._block_scans)
        with self._lock:
            block = self._blocks.get(number)
            if block is None:
                block = self._blocks[number] = self._draw(number)
                if len(self._blocks) > _BLOCKS_KEPT:
                    self._blocks.popitem(last=False)
        # A copy on purpose: a view would keep its whole block alive in the sender's window.
        return block[place * self._cells : (place + 1) * self._cells]

    def load(self, task: "GridTask") -> LoadedScan:
        """The scan of ``task``."""
        voxels = self.cells(task.index)
        return LoadedScan(
            BrainScan(
                scan_id=task.scan_id,
                pacs=self._pacs,
                scan_type="grid",
                acquired_at=task.acquired_at,
                shape=self._shape,
                dtype="uint8",
                voxels_bytes=self._cells,
                voxels_hash=hash_voxels(voxels),
            ),
            voxels,
        )

    def label(self, index: int) -> str:
        """How logs name scan ``index``."""
        return f"grid {index} of seed {self._seed}"

    def _draw(self, number: int) -> bytes:
        generator = np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(number,)))
        )
        chances = generator.random(self._block_scans * self._cells, dtype=np.float32)
        return (chances < LESION_CHANCE).tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class GridTask:
    """One grid to come. Loading it again gives the same scan under the same id."""

    source: GridSource
    index: int
    scan_id: str = field(default_factory=lambda: uuid4().hex)
    acquired_at: datetime = field(default_factory=utc_now)

    @property
    def label(self) -> str:
        """For logs: which grid of which seed."""
        return self.source.label(self.index)

    def load(self) -> LoadedScan:
        """Make it; nothing is read, so nothing can fail."""
        return self.source.load(self)
