"""Synthetic two-dimensional scans, tiny: they measure the pipeline, not the brain.

Thousands per second are streamed, so the cells are drawn in blocks of several hundred scans: one
call of the generator costs as much as a hundred draws.
"""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
from common.errors import SettingsError
from fr_pacs.sources.base import LoadedScan
from fr_pacs.sources.synthetic import SyntheticSource

LESION_CHANCE = 0.2
"""Probability that a cell is a lesion (1); the others are healthy (0)."""

_BLOCK_SCANS = 512
_BLOCK_BYTES = 1 << 20
_BLOCKS_KEPT = 8  # a source's threads work on neighbouring indices: a few blocks serve all


class GridSource(SyntheticSource["GridTask"]):
    """Scans of type ``'grid'``: ``shape`` cells of uint8, without an affine.

    The same ``seed``, ``shape`` and index give the same cells in any process (PCG64 seeded with
    ``SeedSequence(seed, spawn_key=(block,))``).

    Args:
        pacs: name of this Fr-PACS.
        scans: how many; None: endless.
        seed: of the cells.
        shape: cells along both axes.
        run: as of ``SyntheticSource``.

    Raises:
        SettingsError: a negative seed or number of scans, or a shape that no scan can have.
    """

    def __init__(
        self,
        pacs: str,
        scans: int | None,
        seed: int,
        shape: tuple[int, int] = (10, 10),
        run: str | None = None,
    ) -> None:
        super().__init__(pacs, scans, seed, run)
        if len(shape) != 2 or not all(1 <= cells <= 65535 for cells in shape):
            raise SettingsError(f"shape is {shape}; a grid has two axes of 1 to 65535 cells")
        self._shape = shape
        self._cells = math.prod(shape)
        # A block of large grids must not take gigabytes. Its length depends on the shape only, so
        # that an index means the same scan everywhere.
        self._block_scans = max(1, min(_BLOCK_SCANS, _BLOCK_BYTES // self._cells))
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def _task(self, index: int) -> "GridTask":
        return GridTask(self, index, self._scan_id("grid", self._seed, index, self._shape))

    def cells(self, index: int) -> bytes:
        """The cells of scan ``index``: prod(shape) bytes of 0 and 1, Fortran order."""
        number, place = divmod(index, self._block_scans)
        with self._lock:
            block = self._blocks.get(number)
            if block is None:
                block = self._blocks[number] = self._draw(number)
                if len(self._blocks) > _BLOCKS_KEPT:
                    self._blocks.popitem(last=False)
        # A copy: a view would keep its whole block in memory while the scan waits.
        return block[place * self._cells : (place + 1) * self._cells]

    def load(self, task: "GridTask") -> LoadedScan:
        """Make the scan of ``task``."""
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
        """Names scan ``index`` in logs."""
        return f"grid {index} of seed {self._seed}"

    def _draw(self, number: int) -> bytes:
        generator = np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(number,)))
        )
        chances = generator.random(self._block_scans * self._cells, dtype=np.float32)
        return (chances < LESION_CHANCE).tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class GridTask:
    """One grid to make. Loading it again gives the same scan under the same id."""

    source: GridSource
    index: int
    scan_id: str
    acquired_at: datetime = field(default_factory=utc_now)

    @property
    def label(self) -> str:
        """Names the grid and its seed in logs."""
        return self.source.label(self.index)

    def load(self) -> LoadedScan:
        """Make the grid; this cannot fail."""
        return self.source.load(self)
