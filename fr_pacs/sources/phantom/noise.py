"""Rician noise from tables, as in magnitude MR images (Gudbjartsson and Patz 1995)."""

import math

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom.draws import Draws, Float32Array, normal_table, rayleigh_table


class RicianNoise:
    """The magnitude of a signal with normal noise of ``sigma`` in its real and imaginary channels.

    Args:
        draws: the random numbers.
        sigma: in units of the signal.
    """

    def __init__(self, draws: Draws, sigma: float) -> None:
        self._draws = draws
        normal = normal_table()
        # ``apply`` adds two numbers: one table's tails end at 4.3 sigma, those of the sum at 6.
        self._real = normal * np.float32(sigma / math.sqrt(2))
        imaginary = normal * np.float32(sigma)
        self._imaginary = imaginary * imaginary
        self._air = (rayleigh_table() * np.float32(sigma) + np.float32(0.5)).astype(np.int16)
        self._indices = np.empty(0, np.int64)

    def apply(self, slab: Float32Array, scratch: Float32Array) -> None:
        """Add noise to a signal in place, and 0.5, so that truncation to integers rounds.

        Args:
            slab: the signal (z, y, x).
            scratch: memory of the same shape.
        """
        for _ in range(2):
            np.take(self._real, self._draw(slab.shape), out=scratch, mode="wrap")
            slab += scratch
        slab *= slab
        np.take(self._imaginary, self._draw(slab.shape), out=scratch, mode="wrap")
        slab += scratch
        np.sqrt(slab, out=slab)
        slab += np.float32(0.5)

    def around(self, part: npt.NDArray[np.int16], rows: slice, columns: slice) -> None:
        """Fill planes with noise without a signal, except for a box.

        Args:
            part: planes (z, y, x).
            rows: of the box.
            columns: of the box.
        """
        if rows.start >= rows.stop:
            rows = slice(part.shape[1], part.shape[1])
        for strip in (
            part[:, : rows.start],
            part[:, rows.stop :],
            part[:, rows, : columns.start],
            part[:, rows, columns.stop :],
        ):
            if strip.size:
                strip[...] = np.take(self._air, self._draw(strip.shape), mode="wrap")

    def _draw(self, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
        count = math.prod(shape)
        if count > self._indices.size:
            self._indices = np.empty(count, np.int64)
        indices = self._indices[:count]
        indices[...] = self._draws.indices(count)
        return indices.reshape(shape)
