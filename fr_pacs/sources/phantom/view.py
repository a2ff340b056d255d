"""The template as the voxels of one scan see it: warped, resampled, in shades."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom.draws import Draws, Float64Array, polynomials
from fr_pacs.sources.phantom.taps import STEPS, Taps, UInt16Array, make_taps
from fr_pacs.sources.phantom.template import CENTRE, PLANE, SHAPE, boxes, load_template, table_of

VIEW_MM = (181.0, 217.0, 181.0)
"""The field of view along x, y and z: BrainWeb's, at 1 mm a voxel."""

_SPAN_MM = 100.0
# Template mm per mm. The atlas is a large head: its intracranial volume, 2.0 l, becomes 1.4 to 1.8.
_SCALE, _STRETCH = (1.03, 1.14), 0.02
_BEND_MM = (2.0, 1.0)  # of the third and fourth polynomial along an axis
_SHEAR_MM = (3.0, 2.0, 1.0)  # how far planes are shifted relative to each other

Slab = tuple[slice, slice, slice, UInt16Array]
"""Planes, rows, columns, and the shades there (z, y, x), times 256."""
Span = tuple[int, int, int, int]
"""First row, last + 1, first column, last + 1, in cells."""


class View:
    """Maps the voxels of one scan to the template.

    A voxel at x, y, z mm sees the template at fx(x) + sx(z), fy(y) + sy(z), fz(z): smooth, and
    separable except for the shear, so that a plane takes few indexing operations.
    """

    def __init__(self, draws: Draws, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        x, y, z = (view / voxels for view, voxels in zip(VIEW_MM, shape, strict=True))
        self.spacing_mm = (x, y, z)
        self.voxel_ml = math.prod(self.spacing_mm) / 1000
        self.axes: list[Float64Array] = [
            (np.arange(voxels, dtype=np.float64) - (voxels - 1) / 2) * edge
            for voxels, edge in zip(shape, self.spacing_mm, strict=True)
        ]
        scale = draws.uniform(*_SCALE)
        self._scales = [scale * (1 + _STRETCH * share) for share in draws.uniforms_signed(3)]
        self._bends = [
            [share * mm for share, mm in zip(draws.uniforms_signed(2), _BEND_MM, strict=True)]
            for _ in range(3)
        ]
        self._shears = [
            [share * mm for share, mm in zip(draws.uniforms_signed(3), _SHEAR_MM, strict=True)]
            for _ in range(2)
        ]
        self._x, self._y, self._z = self._taps()

    def cells(
        self, x: Float64Array, y: Float64Array, z: Float64Array
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Positions of points (x, y, z, mm, RAS+) in the template, in cells (0 is the centre of the
        first cell)."""
        return (
            self._straight(0, x) + self._shear(0, z),
            self._straight(1, y) + self._shear(1, z),
            self._straight(2, z),
        )

    def slabs(self, shades: dict[str, int], planes: int) -> Iterator[Slab]:
        """Resample the volume slab by slab, each within the box outside which there is only air.

        Args:
            shades: 0 to 255 for each tissue.
            planes: planes per slab.

        Yields:
            Slabs. The next one overwrites the shades of this one. The box may be empty.
        """
        nx, ny, nz = self.shape
        buffers = np.empty((3, max(ny, SHAPE[1]) * max(nx, SHAPE[0])), np.uint16)
        out = np.empty(planes * ny * nx, np.uint16)
        mixer = _Mixer(table_of(shades))
        for first in range(0, nz, planes):
            numbers = range(first, min(nz, first + planes))
            spans = [mixer.span(self._z, number) for number in numbers]
            lit = [
                (self._y.reach(number, span[0], span[1]), self._x.reach(number, span[2], span[3]))
                for number, span in zip(numbers, spans, strict=True)
                if span[1]
            ] or [(slice(0, 0), slice(0, 0))]
            rows = slice(min(r.start for r, _ in lit), max(r.stop for r, _ in lit))
            columns = slice(min(c.start for _, c in lit), max(c.stop for _, c in lit))
            height, width = rows.stop - rows.start, columns.stop - columns.start
            slab = out[: len(numbers) * height * width].reshape(len(numbers), height, width)
            for number, plane, span in zip(numbers, slab, spans, strict=True):
                if span[1] and plane.size:
                    mixed = mixer.mix(self._z, number, span)
                    self._see(mixed, number, (rows, columns), span, plane, buffers)
                else:
                    plane.fill(0)
            yield slice(first, first + len(numbers)), rows, columns, slab

    def _see(
        self,
        mixed: UInt16Array,
        number: int,
        box: tuple[slice, slice],
        span: Span,
        out: UInt16Array,
        buffers: UInt16Array,
    ) -> None:
        """Resample one plane from the template's cells at its height.

        Cells beyond the span are clipped to its border, which is air.
        """
        rows, columns = box
        height, width = out.shape
        seen, more = (f[: height * mixed.shape[1]].reshape(height, -1) for f in buffers[:2])
        cells, weights = self._y.cells[number][:, rows], self._y.weights[number][:, rows, None]
        cells = cells - span[0]
        mixed.take(cells[0], axis=0, out=seen, mode="clip")
        seen *= weights[0]
        for others, weight in zip(cells[1:], weights[1:], strict=True):
            mixed.take(others, axis=0, out=more, mode="clip")
            more *= weight
            seen += more
        seen += np.uint16(STEPS // 2)
        seen >>= np.uint16(4)
        last = buffers[2, : height * width].reshape(height, width)
        cells, weights = self._x.cells[number][:, columns], self._x.weights[number][:, columns]
        cells = cells - span[2]
        seen.take(cells[0], axis=1, out=out, mode="clip")
        out *= weights[0]
        for others, weight in zip(cells[1:], weights[1:], strict=True):
            seen.take(others, axis=1, out=last, mode="clip")
            last *= weight
            out += last

    def _taps(self) -> tuple[Taps, Taps, Taps]:
        x, y, z = self.axes
        seen = self.cells(x[None, :], y[None, :], z[:, None])
        widths = [edge * scale for edge, scale in zip(self.spacing_mm, self._scales, strict=True)]
        return (
            make_taps(seen[0], widths[0], SHAPE[0]),
            make_taps(seen[1], widths[1], SHAPE[1]),
            make_taps(seen[2].T, widths[2], SHAPE[2]),
        )

    def _straight(self, axis: int, mm: Float64Array) -> Float64Array:
        _, _, second, third = polynomials(mm, _SPAN_MM)
        bend, twist = self._bends[axis]
        return CENTRE[axis] + self._scales[axis] * mm + bend * second + twist * third

    def _shear(self, axis: int, mm: Float64Array) -> Float64Array:
        _, first, second, third = polynomials(mm, _SPAN_MM)
        a, b, c = self._shears[axis]
        return a * first + b * second + c * third


class _Mixer:
    """Resamples the template along z, in shades."""

    def __init__(self, table: bytes) -> None:
        self._table = table
        self._template = load_template()
        self._boxes = boxes()
        self._kept: dict[int, UInt16Array] = {}
        self._buffers = np.empty((2, PLANE), np.uint16)

    def span(self, along: Taps, number: int) -> Span:
        """The box of a plane outside which there is only air, with a border of air where there is
        one; zeros for a plane of air."""
        cells, weights = along.cells[0, :, number].tolist(), along.weights[0, :, number].tolist()
        used = {cell for cell, weight in zip(cells, weights, strict=True) if weight}
        lit = [self._boxes[cell] for cell in used if self._boxes[cell][1]]
        if not lit:
            return 0, 0, 0, 0
        y0, y1, x0, x1 = zip(*lit, strict=True)
        return (
            max(0, min(y0) - 1),
            min(SHAPE[1], max(y1) + 1),
            max(0, min(x0) - 1),
            min(SHAPE[0], max(x1) + 1),
        )

    def mix(self, along: Taps, number: int, span: Span) -> UInt16Array:
        """The shades of a plane within ``span``; the next call overwrites them."""
        y0, y1, x0, x1 = span
        mixed, part = (f[: (y1 - y0) * (x1 - x0)].reshape(y1 - y0, -1) for f in self._buffers)
        cells = along.cells[0, :, number].tolist()
        for old in [cell for cell in self._kept if cell < cells[0]]:
            del self._kept[old]
        first = True
        for cell, weight in zip(cells, along.weights[0, :, number], strict=True):
            if not weight:
                continue
            seen = self._plane(cell)[y0:y1, x0:x1]
            np.multiply(seen, weight, out=mixed if first else part)
            if not first:
                mixed += part
            first = False
        return mixed

    def _plane(self, cell: int) -> UInt16Array:
        plane = self._kept.get(cell)
        if plane is None:
            y0, y1, _, _ = self._boxes[cell]
            start = cell * PLANE
            codes = self._template[start + y0 * SHAPE[0] : start + y1 * SHAPE[0]]
            plane = np.zeros((SHAPE[1], SHAPE[0]), np.uint16)
            shades = np.frombuffer(codes.translate(self._table), np.uint8)
            plane[y0:y1] = shades.reshape(-1, SHAPE[0])
            self._kept[cell] = plane
        return plane


def shares(tissue: str) -> npt.NDArray[np.float64]:
    """The share of a cell that the tissue fills, 0 to 1, for each of the 256 codes."""
    return np.frombuffer(table_of({tissue: 255}), np.uint8) / 255
