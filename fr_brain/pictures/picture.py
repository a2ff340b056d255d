"""The picture of a report: orthogonal slices, and the largest lesions enlarged and labelled."""

import math
from dataclasses import dataclass

import numpy as np

from common.domain.findings import Lesion, about_absence, about_missed
from common.domain.report import NOTICE, PICTURE_BYTES_MAX, BrainReport
from common.domain.report_text import volumes_text
from common.domain.scan import BrainScan
from common.domain.text_lines import in_ml, one_line
from fr_brain.analyzers.base import Overlay
from fr_brain.pictures.canvas import BRAIN, CUT, DIM, LESION, TEXT, Canvas, Colour, to_grey
from fr_brain.pictures.planes import (
    PLANES,
    AnatomicalAxes,
    Array,
    Index,
    Plane,
    intensity_window,
    slice_at,
)

_MARGIN = 12
_LINE = 18
_GAP = 10
_WIDTH = 1600
_PANEL_HEIGHT = 540
_WIDTH_MIN = 860
_PX_A_MM = 2.0
_SMALL_PX = 360  # length to which smaller volumes than a head are enlarged
_THIN = 1 / 12  # a slice with a smaller ratio of its sides is left out
_TILE_PX = 184
_TILE_MM = 46.0
_TILES = 12
_GRID_PX = 420
_SAMPLE_PX = 16  # length of a colour in the legend


def draw_picture(
    report: BrainReport, scan: BrainScan, voxels: Array, overlay: Overlay | None = None
) -> bytes:
    """Draw the picture of a report; the same input gives the same bytes.

    Args:
        report: what was found.
        scan: the header; its affine gives the sides and the size of a voxel.
        voxels: array of ``scan.shape``, two or three axes.
        overlay: lesions and brain in the scan's shape and axes; without it, circles of their size
            mark the lesions.

    Returns:
        A PNG of at most ``PICTURE_BYTES_MAX`` bytes. The person's right is on the left. It shows
        no pseudonym and no id of the scan.
    """
    if voxels.ndim == 2:
        return _grid(report, scan, voxels, overlay)
    return _Volume(report, scan, voxels, overlay).draw()


@dataclass(frozen=True)
class _Panel:
    plane: Plane
    size: tuple[int, int]


class _Volume:
    """The picture of one volume."""

    def __init__(
        self, report: BrainReport, scan: BrainScan, voxels: Array, overlay: Overlay | None
    ) -> None:
        self._report = report
        self._axes = AnatomicalAxes(scan)
        self._view = self._axes.to_anatomical(voxels)
        self._lesions = self._brain = None
        if overlay is not None:
            self._lesions = self._axes.to_anatomical(overlay.lesions)
            self._brain = None if overlay.brain is None else self._axes.to_anatomical(overlay.brain)
        found = report.findings.lesions
        self._listed = () if found is None else found.largest
        self._low, self._high = intensity_window(self._view, self._brain)
        if self._lesions is not None and self._lesions.any():
            # Bright enough to show structure inside a lesion, but not so bright that the rest
            # loses its contrast.
            bright = float(np.percentile(self._view[self._lesions != 0], 90))
            if math.isfinite(bright):
                span = self._high - self._low
                self._high = max(self._high, min(bright, self._low + 1.6 * span))

    def draw(self) -> bytes:
        focus = self._focus()
        panels, scale = self._panels()
        tiles = self._listed[:_TILES]
        width = sum(panel.size[0] for panel in panels) + _GAP * (len(panels) - 1)
        across = _across(max(width, _WIDTH_MIN))
        tile_rows = math.ceil(len(tiles) / across)
        width = max(width, _WIDTH_MIN) + 2 * _MARGIN
        head, foot = _headlines(self._report), _Foot(self._report, self._legend(), self._notes())
        top = 2 * _MARGIN + len(head) * _LINE
        below = top + _LINE + max(panel.size[1] for panel in panels) + _GAP
        end = below + tile_rows * (_TILE_PX + _LINE + _GAP)
        canvas = Canvas(width, end + foot.height)
        _write(canvas, _MARGIN, head)
        x = _MARGIN
        for panel in panels:
            self._panel(canvas, panel, (x, top), focus, scale)
            x += panel.size[0] + _GAP
        for n, lesion in enumerate(tiles):
            row, column = divmod(n, across)
            at = (
                _MARGIN + column * (_TILE_PX + _GAP),
                below + row * (_TILE_PX + _LINE + _GAP),
            )
            self._tile(canvas, panels[0].plane, lesion, at)
        foot.draw(canvas, end)
        return canvas.png(PICTURE_BYTES_MAX)

    def _legend(self) -> list[tuple[Colour, str]]:
        """The colours that the picture has, with what they mean."""
        outlined = self._lesions is not None and bool(self._lesions.any())
        legend = [(LESION, "lesion")] if self._listed or outlined else []
        if self._brain is not None and self._brain.any():
            legend.append((BRAIN, "brain"))
        return [*legend, (CUT, "position of the other slices")]

    def _notes(self) -> str:
        notes = []
        if self._listed and self._lesions is None:
            notes.append("circles show position and size of lesions, not their outlines")
        if not self._axes.placed:
            notes.append("no position in space: sides and mm are unknown")
        if self._axes.tilt_degrees > 1:
            notes.append(
                f"oblique: the scan's own planes, tilted by {self._axes.tilt_degrees:.0f}°"
            )
        found = self._report.findings.lesions
        if found is not None and found.count > len(self._listed[:_TILES]) > 0:
            notes.append(f"the {len(self._listed[:_TILES])} largest of {found.count} lesions")
        return "; ".join(notes)

    def _focus(self) -> Index:
        """Where the slices meet: in the largest lesion, else in the middle of the brain."""
        if self._listed:
            return self._axes.index(self._listed[0].centroid_voxel)
        if self._brain is not None and self._brain.any():
            middle = []
            for axis in range(3):
                others = tuple(other for other in range(3) if other != axis)
                hit = np.flatnonzero(self._brain.any(axis=others))
                middle.append((float(hit[0]) + float(hit[-1])) / 2)
            return middle[0], middle[1], middle[2]
        x, y, z = ((n - 1) / 2 for n in self._view.shape)
        return x, y, z

    def _panels(self) -> tuple[list[_Panel], float]:
        """The slices to show, and their scale in pixels per mm, which is the same for all."""
        mm = [self._axes.extent_mm(axis) for axis in range(3)]
        shown = [
            plane
            for plane in PLANES
            if min(mm[plane.across], mm[plane.down])
            >= _THIN * max(mm[plane.across], mm[plane.down])
        ]
        if not shown:  # a needle: the slice that shows most of it
            shown = [max(PLANES, key=lambda plane: mm[plane.across] * mm[plane.down])]
        room = _WIDTH - 2 * _MARGIN - _GAP * (len(shown) - 1)
        fits = min(
            room / sum(mm[plane.across] for plane in shown),
            _PANEL_HEIGHT / max(mm[plane.down] for plane in shown),
        )
        longest = max(max(mm[plane.across], mm[plane.down]) for plane in shown)
        scale = min(fits, max(_PX_A_MM, _SMALL_PX / longest))
        return [
            _Panel(plane, (_px(mm[plane.across] * scale), _px(mm[plane.down] * scale)))
            for plane in shown
        ], scale

    def _panel(
        self, canvas: Canvas, panel: _Panel, at: tuple[int, int], focus: Index, scale: float
    ) -> None:
        plane, (width, height) = panel.plane, panel.size
        x, y = at[0], at[1] + _LINE
        canvas.text(x, at[1], f"{plane.name}, {self._axes.position_text(focus, plane.normal)}", DIM)
        pixels = to_grey(slice_at(self._view, plane, focus), self._low, self._high)
        canvas.draw_slice(x, y, panel.size, pixels)
        if self._brain is not None:
            canvas.outline(x, y, panel.size, slice_at(self._brain, plane, focus), BRAIN)
        self._mark(canvas, plane, focus, (x, y), panel.size)
        column, row = self._position(plane, focus, panel.size)
        for tick in (0, height - 9):
            canvas.line(x + column, y + tick, x + column, y + tick + 8, CUT)
        for tick in (0, width - 9):
            canvas.line(x + tick, y + row, x + tick + 8, y + row, CUT)
        if self._axes.placed:
            left, right, up, down = plane.sides
            canvas.text(x + 3, y + height / 2 + 8, left, TEXT, "lm")
            canvas.text(x + width - 3, y + height / 2 + 8, right, TEXT, "rm")
            canvas.text(x + width / 2 + 8, y + 2, up, TEXT, "ma")
            canvas.text(x + width / 2 + 8, y + height - 2, down, TEXT, "md")
            self._ruler(canvas, (x, y), panel.size, scale)
        for lesion in self._listed[:_TILES]:
            self._number(canvas, panel, lesion, focus, (x, y))

    def _number(
        self, canvas: Canvas, panel: _Panel, lesion: Lesion, at: Index, corner: tuple[int, int]
    ) -> None:
        """Write a lesion's number beside it if the slice cuts it."""
        plane = panel.plane
        centre, radius = self._axes.index(lesion.centroid_voxel), self._radius(lesion)
        off = abs(centre[plane.normal] - at[plane.normal]) * self._axes.voxel_mm[plane.normal]
        if off <= radius:
            column, row = self._position(plane, centre, panel.size)
            beside = radius * panel.size[0] / self._axes.extent_mm(plane.across) * 0.7 + 5
            place = (corner[0] + column + beside, corner[1] + row - beside)
            canvas.text(*place, f"#{lesion.id}", TEXT, "ld")

    def _ruler(
        self, canvas: Canvas, at: tuple[int, int], size: tuple[int, int], scale: float
    ) -> None:
        fitting = [mm for mm in (0.1, 1, 5, 10, 50) if mm * scale <= size[0] / 3]
        if not fitting or size[1] < 4 * _LINE:
            return
        mm = fitting[-1]
        x, y = at[0] + 8, at[1] + size[1] - 8
        canvas.line(x, y, x + mm * scale, y, TEXT)
        canvas.text(x, y - 3, f"{mm:g} mm", TEXT, "ld")

    def _mark(
        self,
        canvas: Canvas,
        plane: Plane,
        at: Index,
        corner: tuple[int, int],
        size: tuple[int, int],
    ) -> None:
        """Outline the lesions of a slice, or circle them if their outlines are unknown."""
        if self._lesions is not None:
            canvas.outline(*corner, size, slice_at(self._lesions, plane, at), LESION)
            return
        scale = size[0] / self._axes.extent_mm(plane.across)
        for lesion in self._listed:
            centre = self._axes.index(lesion.centroid_voxel)
            off = abs(centre[plane.normal] - at[plane.normal]) * self._axes.voxel_mm[plane.normal]
            radius = self._radius(lesion)
            if off <= radius:
                column, row = self._position(plane, centre, size)
                across = (math.sqrt(radius**2 - off**2) + 1) * scale
                canvas.circle(corner[0] + column, corner[1] + row, across + 2, LESION)

    def _radius(self, lesion: Lesion) -> float:
        """Radius of a ball of the lesion's volume, mm."""
        return float((0.75 / math.pi * lesion.voxels * math.prod(self._axes.voxel_mm)) ** (1 / 3))

    def _position(self, plane: Plane, at: Index, size: tuple[int, int]) -> tuple[float, float]:
        """The pixel (column, row) of an index in a slice of ``size`` pixels."""
        across, down = self._view.shape[plane.across], self._view.shape[plane.down]
        return (
            (across - at[plane.across] - 0.5) / across * size[0],
            (down - at[plane.down] - 0.5) / down * size[1],
        )

    def _tile(self, canvas: Canvas, plane: Plane, lesion: Lesion, at: tuple[int, int]) -> None:
        """Draw a lesion and its surroundings enlarged."""
        centre = self._axes.index(lesion.centroid_voxel)
        mm = max(_TILE_MM, 5 * self._radius(lesion)) if self._axes.placed else _TILE_MM
        boxes = []
        for axis in (plane.across, plane.down):
            half = mm / 2 / self._axes.voxel_mm[axis]
            n = self._view.shape[axis]
            first = min(max(0, round(centre[axis] - half)), max(0, n - 1))
            boxes.append(slice(first, max(first + 1, min(n, first + max(1, round(2 * half))))))
        part: list[slice] = [slice(None)] * 3
        part[plane.across], part[plane.down] = boxes
        view = self._view[tuple(part)]
        sides = [
            view.shape[axis] * self._axes.voxel_mm[axis] for axis in (plane.across, plane.down)
        ]
        scale = _TILE_PX / max(sides)
        size = (_px(sides[0] * scale), _px(sides[1] * scale))
        within = list(centre)
        within[plane.across] -= boxes[0].start
        within[plane.down] -= boxes[1].start
        inner = (within[0], within[1], within[2])
        canvas.draw_slice(*at, size, to_grey(slice_at(view, plane, inner), self._low, self._high))
        if self._lesions is not None:
            canvas.outline(*at, size, slice_at(self._lesions[tuple(part)], plane, inner), LESION)
        else:
            column = (view.shape[plane.across] - inner[plane.across] - 0.5) * (
                size[0] / view.shape[plane.across]
            )
            row = (view.shape[plane.down] - inner[plane.down] - 0.5) * (
                size[1] / view.shape[plane.down]
            )
            radius = (self._radius(lesion) + 1) * scale + 2
            canvas.circle(at[0] + column, at[1] + row, radius, LESION)
        amount = (
            f"{lesion.voxels} voxels" if lesion.volume_ml is None else f"{lesion.volume_ml:.3f} ml"
        )
        words = f"#{lesion.id}  {amount}  {self._axes.position_text(centre, plane.normal)}"
        canvas.text(at[0], at[1] + _TILE_PX + 2, words, DIM)


def _grid(report: BrainReport, scan: BrainScan, voxels: Array, overlay: Overlay | None) -> bytes:
    rows, columns = voxels.shape
    i_mm, j_mm = (scan.voxel_size_mm or (1.0, 1.0, 1.0))[:2]
    scale = _GRID_PX / max(rows * i_mm, columns * j_mm)
    size = (_px(columns * j_mm * scale), _px(rows * i_mm * scale))
    width = max(_WIDTH_MIN, size[0]) + 2 * _MARGIN
    head = _headlines(report)
    marked = overlay is not None and bool(overlay.lesions.any())
    words = f"{rows} rows from top to bottom, {columns} columns from left to right"
    foot = _Foot(report, [(LESION, "lesion")] if marked else [], words)
    top = 2 * _MARGIN + len(head) * _LINE
    end = top + size[1] + _GAP
    canvas = Canvas(width, end + foot.height)
    _write(canvas, _MARGIN, head)
    pixels = to_grey(voxels, *intensity_window(voxels))
    canvas.draw_slice(_MARGIN, top, size, pixels, cells=True)
    if overlay is not None:
        canvas.outline(_MARGIN, top, size, overlay.lesions, LESION, cells=True)
    foot.draw(canvas, end)
    return canvas.png(PICTURE_BYTES_MAX)


def _headlines(report: BrainReport) -> list[tuple[str, Colour]]:
    """The lines above the slices: what was found, the first reason for doubt, the volumes."""
    findings = report.findings
    quality, lesions = findings.quality, findings.lesions
    if lesions is None:
        found = "not measured"
    else:
        found = "1 lesion" if lesions.count == 1 else f"{lesions.count} lesions"
        if not lesions.count:
            found = f"lesions: {about_absence(lesions, quality)}"
        if lesions.count and lesions.volume_ml is not None:
            found += f", {in_ml(lesions.volume_ml)}"
        missed = about_missed(lesions, quality)
        if lesions.count and missed is not None:
            found += f"; {one_line(missed)}"
    analyzer = f"{report.analyzer.name} {report.analyzer.version}"
    lines = [(f"{found}   |   quality: {quality.verdict}   |   {analyzer}", TEXT)]
    if quality.reasons:
        more = f"(and {len(quality.reasons) - 1} more) " if len(quality.reasons) > 1 else ""
        lines.append((f"{more}{quality.reasons[0]}", DIM))
    if findings.volumes is not None:
        lines.append((volumes_text(findings.volumes), TEXT))
    return lines


class _Foot:
    """The lines below the slices: the legend, notes, date and report, and the notice."""

    def __init__(self, report: BrainReport, legend: list[tuple[Colour, str]], notes: str) -> None:
        made = f"analysed {report.analysed_at:%Y-%m-%d %H:%M} UTC; report {report.report_id}"
        words = [notes] if notes else []
        self._lines = [(line, DIM) for line in (*words, made, NOTICE)]
        self._legend = legend

    @property
    def height(self) -> int:
        """Pixels, with the margin below."""
        return (len(self._lines) + bool(self._legend)) * _LINE + _MARGIN

    def draw(self, canvas: Canvas, y: int) -> None:
        """Draw the lines from ``y`` down."""
        x = _MARGIN
        for colour, words in self._legend:
            canvas.sample(x, y + _LINE // 2, _SAMPLE_PX, colour)
            x += _SAMPLE_PX + 6
            canvas.text(x, y, words)
            x += canvas.text_width(words) + 2 * _MARGIN
        _write(canvas, y + _LINE * bool(self._legend), self._lines)


def _write(canvas: Canvas, y: int, lines: list[tuple[str, Colour]]) -> None:
    for n, (words, colour) in enumerate(lines):
        canvas.text(_MARGIN, y + n * _LINE, canvas.cut_text(words, _WIDTH_MIN), colour)


def _across(width: int) -> int:
    """The number of enlarged lesions in a row."""
    return max(1, (width + _GAP) // (_TILE_PX + _GAP))


def _px(length: float) -> int:
    return max(1, round(length))
