"""Synthetic heads as a source of scans."""

import math
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
from fr_pacs.sources.base import LoadedScan
from fr_pacs.sources.phantom.model import (
    Phantom,
    Recipe,
    Truth,
    check_settings,
    make_phantom,
    make_voxels,
    shape_of,
)
from fr_pacs.sources.synthetic import SyntheticSource

__all__ = [
    "Phantom",
    "PhantomSource",
    "PhantomTask",
    "Recipe",
    "Truth",
    "make_phantom",
    "shape_of",
]


class PhantomSource(SyntheticSource["PhantomTask"]):
    """Scans of type ``'volume'``, as heads from files are: phantoms 0, 1, 2 … of ``seed``
    (``make_phantom``), int16.

    The field of view is 181 x 217 x 181 mm, so ``shape`` sets the voxel spacing. The same seed,
    index, shape and recipe give the same voxels on any machine. The truth is not sent; ``truth``
    returns it.

    Args:
        pacs: name of this Fr-PACS.
        scans: how many; None: endless.
        seed: of the voxels.
        shape: voxels along each axis.
        recipe: what the heads look like.
        run: as of ``SyntheticSource``.

    Raises:
        SettingsError: a negative seed or number of scans, or a shape that no phantom can have.
    """

    def __init__(
        self,
        pacs: str,
        scans: int | None,
        seed: int,
        shape: tuple[int, int, int] = (96, 96, 96),
        recipe: Recipe | None = None,
        run: str | None = None,
    ) -> None:
        super().__init__(pacs, scans, seed, run)
        check_settings(seed, shape)
        self._shape = shape
        self._recipe = recipe or Recipe()

    def _task(self, index: int) -> "PhantomTask":
        scan_id = self._scan_id("phantom", self._seed, index, self._shape, self._recipe)
        return PhantomTask(self._pacs, self._seed, index, self._shape, self._recipe, scan_id)

    def truth(self, index: int) -> Truth:
        """What a perfect analysis of scan ``index`` would find, for tests and evaluation."""
        return make_phantom(self._seed, index, self._shape, self._recipe).truth


@dataclass(frozen=True, slots=True, eq=False)
class PhantomTask:
    """One phantom to make. Loading it again gives the same scan under the same id."""

    pacs: str
    seed: int
    index: int
    shape: tuple[int, int, int]
    recipe: Recipe
    scan_id: str
    acquired_at: datetime = field(default_factory=utc_now)

    @property
    def label(self) -> str:
        """Names the phantom and its seed in logs."""
        return f"phantom {self.index} of seed {self.seed}"

    def load(self) -> LoadedScan:
        """Make the phantom.

        Raises:
            SourceError: the template cannot be read.
        """
        array, affine = make_voxels(self.seed, self.index, self.shape, self.recipe)
        # The transpose is the same memory in C order, as a flat view requires.
        little = np.asarray(array.T, dtype="<i2")
        voxels = little.reshape(-1).view(np.uint8).data
        scan = BrainScan(
            scan_id=self.scan_id,
            pacs=self.pacs,
            scan_type="volume",
            modality="MR",
            contrast=self.recipe.contrast,
            acquired_at=self.acquired_at,
            shape=self.shape,
            dtype="int16",
            voxels_bytes=2 * math.prod(self.shape),
            voxels_hash=hash_voxels(voxels),
            affine=affine,
        )
        return LoadedScan(scan, voxels)
