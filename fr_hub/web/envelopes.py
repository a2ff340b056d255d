"""The samples of a signal at a resolution: the samples themselves, or the lowest and the highest of
each so many of them, so that a day is shown from a few thousand numbers.

A coarse envelope reads the whole signal once in each process and is kept: those of the coarser
steps are made from it.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan

STEPS = tuple(4**power for power in range(11))
"""Samples in one column; a day at 1,000 Hz has 83 columns of the coarsest."""

COLUMNS_MAX = 16_384
"""The most columns of one answer, of all leads together."""

KEPT_STEP = 256
_KEPT_BYTES = 32 << 20
_PIECE_SAMPLES = 1 << 20

Envelope = npt.NDArray[np.float32]
"""(leads, columns, 2): the lowest and the highest sample; NaN where there is none."""

ReadBytes = Callable[[int, int], Iterator[bytes]]
"""Reads the bytes of the signal from one place to before another."""


class Envelopes:
    """Makes envelopes, and keeps the coarse ones of the signals that were shown last.
    Thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Envelope] = OrderedDict()
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, scan: BrainScan, read: ReadBytes, step: int, first: int, count: int) -> Envelope:
        """The columns from ``first`` on, ``count`` at most.

        Args:
            scan: the header of the signal.
            read: reads its bytes.
            step: samples of a column, one of ``STEPS``.

        Returns:
            (leads, columns, 2), float32; of step 1 (leads, columns, 1): the samples.
        """
        columns = math.ceil(scan.shape[0] / step)
        last = min(first + count, columns)
        if step <= KEPT_STEP:
            return _read(scan, read, step, first, last)
        kept, ratio = self._coarse(scan, read), step // KEPT_STEP
        return _coarser(kept[:, first * ratio : last * ratio], ratio)

    def _coarse(self, scan: BrainScan, read: ReadBytes) -> Envelope:
        name = f"{scan.key} {scan.voxels_hash}"
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:  # who comes meanwhile waits for the one who reads
            with self._lock:
                if (found := self._kept.get(name)) is not None:
                    self._kept.move_to_end(name)
                    return found
            columns = math.ceil(scan.shape[0] / KEPT_STEP)
            try:
                made = _read(scan, read, KEPT_STEP, 0, columns)
                with self._lock:
                    self._kept[name] = made
                    while len(self._kept) > 1 and self._bytes > _KEPT_BYTES:
                        self._kept.popitem(last=False)
            finally:
                with self._lock:
                    self._making.pop(name, None)
        return made

    @property
    def _bytes(self) -> int:
        return sum(one.nbytes for one in self._kept.values())


def _read(scan: BrainScan, read: ReadBytes, step: int, first: int, last: int) -> Envelope:
    samples, leads = scan.shape
    size, width = scan.voxel_bytes, 1 if step == 1 else 2
    made = np.empty((leads, max(0, last - first), width), np.float32)
    piece = max(1, _PIECE_SAMPLES // step)
    for lead in range(leads):
        for start in range(first, last, piece):
            end = min(start + piece, last)
            begin, stop = start * step, min(end * step, samples)
            data = b"".join(read((lead * samples + begin) * size, (lead * samples + stop) * size))
            values = np.frombuffer(data, np.dtype(scan.dtype).newbyteorder("<"))
            made[lead, start - first : end - first] = _columns(values, step)
    return made


def _columns(values: npt.NDArray[np.generic], step: int) -> npt.NDArray[np.float32]:
    numbers = values.astype(np.float32)
    numbers[~np.isfinite(numbers)] = np.nan
    if step == 1:
        return numbers[:, None]
    starts = np.arange(0, len(numbers), step)
    return np.stack([np.fmin.reduceat(numbers, starts), np.fmax.reduceat(numbers, starts)], axis=-1)


def _coarser(envelope: Envelope, ratio: int) -> Envelope:
    if not envelope.shape[1]:
        return envelope
    starts = np.arange(0, envelope.shape[1], ratio)
    low = np.fmin.reduceat(envelope[..., 0], starts, axis=1)
    high = np.fmax.reduceat(envelope[..., 1], starts, axis=1)
    return np.stack([low, high], axis=-1)
