"""Rician noise from tables."""

import math

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom.draws import Draws, Floats, normal_table, rayleigh_table


class RicianNoise:
    """The modulus of a signal with normal noise of ``sigma`` in both of its channels.

    Args:
        draws: where it comes from.
        sigma: in units of the signal.
    """

    def __init__(self, draws: Draws, sigma: float) -> None:
        self._draws = draws
        normal = normal_table()
        # Two numbers are added: a table's tails end at 4.3 sigma, those of the sum at 6.
        self._real = normal * np.float32(sigma / math.sqrt(2))
        imaginary = normal * np.float32(sigma)
        self._imaginary = imaginary * imaginary
        self._air = (rayleigh_table() * np.float32(sigma) + np.float32(0.5)).astype(np.int16)
        self._indices = np.empty(0, np.int64)

    def apply(self, slab: Floats, scratch: Floats) -> None:
        """Add it to a signal, and 0.5: what is cut to whole numbers then is rounded."""
        for _ in range(2):
            np.take(self._real, self._draw(slab.shape), out=scratch, mode="wrap")
            slab += scratch
        slab *= slab
        np.take(self._imaginary, self._draw(slab.shape), out=scratch, mode="wrap")
        slab += scratch
        np.sqrt(slab, out=slab)
        slab += np.float32(0.5)

    def around(self, part: npt.NDArray[np.int16], rows: slice, columns: slice) -> None:
        """Fill planes with what it is without a signal, but for a box."""
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
