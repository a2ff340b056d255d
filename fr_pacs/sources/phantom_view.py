"""The template as one scan's voxels see it: warped, sampled, in shades."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fr_pacs.sources.phantom_draws import Doubles, Draws, polynomials
from fr_pacs.sources.phantom_shapes import STEPS, Shorts, Taps, taps
from fr_pacs.sources.template import SHAPE, boxes, load_template, table_of

VIEW_MM = (181.0, 217.0, 181.0)
"""The field of view along x, y and z: BrainWeb's, at 1 mm a voxel."""

_CENTRE = (98.0, 117.0, 84.0)  # of the head, in template cells
_SPAN_MM = 100.0
# Template mm per mm: above 1 the head is smaller than the template's, which fills the view.
_SCALE, _STRETCH = (0.98, 1.07), 0.02
_BEND_MM = (2.0, 1.0)  # of the second and third polynomial along an axis
_SHEAR_MM = (3.0, 2.0, 1.0)  # how far planes are shifted against each other


class View:
    """Which part of the template each voxel shows.

    A voxel at x, y, z mm sees the template at fx(x) + sx(z), fy(y) + sy(z), fz(z): smooth, and
    separable but for the shear, so that a plane is made of few takes of rows and columns.
    """

    def __init__(self, draws: Draws, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        x, y, z = (view / voxels for view, voxels in zip(VIEW_MM, shape, strict=True))
        self.edges = (x, y, z)
        self.voxel_ml = math.prod(self.edges) / 1000
        self.axes: list[Doubles] = [
            (np.arange(voxels) - (voxels - 1) / 2) * edge
            for voxels, edge in zip(shape, self.edges, strict=True)
        ]
        scale = draws.uniform(*_SCALE)
        self._scales = [scale * (1 + _STRETCH * share) for share in draws.signs(3)]
        self._bends = [
            [share * mm for share, mm in zip(draws.signs(2), _BEND_MM, strict=True)]
            for _ in range(3)
        ]
        self._shears = [
            [share * mm for share, mm in zip(draws.signs(3), _SHEAR_MM, strict=True)]
            for _ in range(2)
        ]
        self._taps: tuple[Taps, Taps, Taps] | None = None

    def cells(self, x: Doubles, y: Doubles, z: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """Where points in mm lie in the template, in cells (the middle of cell 0 is 0)."""
        return (
            self._straight(0, x) + self._shear(0, z),
            self._straight(1, y) + self._shear(1, z),
            self._straight(2, z),
        )

    def planes(self, shades: dict[str, int]) -> Iterator[tuple[int, slice, slice, Shorts]]:
        """Each plane along z: its number, the rows and columns outside of which all is air, and
        the shades there times 256."""
        along_x, along_y, along_z = self._all_taps()
        template, table, lit = load_template(), table_of(shades), boxes()
        rows_cells, columns_cells = SHAPE[1], SHAPE[0]
        kept: dict[int, Shorts] = {}
        for number in range(self.shape[2]):
            own = along_z.cells[0, :, number]
            weights = along_z.weights[0, :, number]
            mixed = np.zeros((rows_cells, columns_cells), np.uint16)
            for cell in [old for old in kept if old < own[0]]:
                del kept[cell]
            low_y, high_y, low_x, high_x = rows_cells, 0, columns_cells, 0
            for cell, weight in zip(own.tolist(), weights.tolist(), strict=True):
                if not weight or lit[cell] is None:
                    continue
                if cell not in kept:
                    plane = np.frombuffer(template[cell].translate(table), np.uint8)
                    kept[cell] = plane.reshape(rows_cells, columns_cells).astype(np.uint16)
                y0, y1, x0, x1 = lit[cell] or (0, 0, 0, 0)
                low_y, high_y = min(low_y, y0), max(high_y, y1)
                low_x, high_x = min(low_x, x0), max(high_x, x1)
                mixed[y0:y1, x0:x1] += kept[cell][y0:y1, x0:x1] * np.uint16(weight)
            rows = slice(*along_y.reach(number, low_y, high_y))
            columns = slice(*along_x.reach(number, low_x, high_x))
            yield number, rows, columns, self._plane(mixed, number, rows, columns)

    def _plane(self, mixed: Shorts, number: int, rows: slice, columns: slice) -> Shorts:
        along_x, along_y, _ = self._all_taps()
        cells, weights = along_y.cells[number][:, rows], along_y.weights[number][:, rows]
        part = mixed[cells[0]] * weights[0][:, None]
        for more, weight in zip(cells[1:], weights[1:], strict=True):
            part += mixed[more] * weight[:, None]
        part += np.uint16(STEPS // 2)
        part >>= np.uint16(4)
        cells, weights = along_x.cells[number][:, columns], along_x.weights[number][:, columns]
        out: Shorts = part[:, cells[0]] * weights[0]
        for more, weight in zip(cells[1:], weights[1:], strict=True):
            out += part[:, more] * weight
        return out

    def _all_taps(self) -> tuple[Taps, Taps, Taps]:
        if self._taps is None:
            x, y, z = self.cells(
                self.axes[0][None, :], self.axes[1][None, :], self.axes[2][:, None]
            )
            widths = [edge * scale for edge, scale in zip(self.edges, self._scales, strict=True)]
            self._taps = (
                taps(x, widths[0], SHAPE[0]),
                taps(y, widths[1], SHAPE[1]),
                taps(z.T, widths[2], SHAPE[2]),
            )
        return self._taps

    def _straight(self, axis: int, mm: Doubles) -> Doubles:
        _, _, second, third = polynomials(mm, _SPAN_MM)
        bend, twist = self._bends[axis]
        return _CENTRE[axis] + self._scales[axis] * mm + bend * second + twist * third

    def _shear(self, axis: int, mm: Doubles) -> Doubles:
        _, first, second, third = polynomials(mm, _SPAN_MM)
        a, b, c = self._shears[axis]
        return a * first + b * second + c * third


def shares(tissue: str) -> npt.NDArray[np.float64]:
    """How much of a cell the tissue fills, by code."""
    return np.frombuffer(table_of({tissue: 255}), np.uint8) / 255
