"""Draws slices, outlines and text, and encodes the PNG. The only module that uses Pillow."""

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fr_brain.pictures.outlines import contour, depth, edges, touch

Array = npt.NDArray[Any]
Colour = tuple[int, int, int]

TEXT: Colour = (225, 225, 225)
DIM: Colour = (150, 150, 150)
LESION: Colour = (255, 196, 0)
BRAIN: Colour = (0, 130, 160)
CUT: Colour = (70, 140, 255)

_BACKGROUND: Colour = (16, 16, 16)
_FONT_PX = 13
_CELL_PX = 6  # from here on, cells of a grid stay squares
# Tried in turn until the picture fits: noise costs most of its bytes.
_GREY_LEVELS = (128, 64, 32, 16)


def to_grey(pixels: Array, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Intensities as grey levels of the same shape: 0 at ``low`` and NaN, 255 at ``high``."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (pixels.astype(np.float64) - low) * (255 / (high - low))
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0, 255).astype(
        np.uint8
    )


class Canvas:
    """A picture of ``width`` x ``height`` pixels; positions count from its upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width, height), _BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(_FONT_PX)

    def text(
        self, x: float, y: float, words: str, colour: Colour = TEXT, anchor: str = "la"
    ) -> None:
        """Write text; ``anchor`` is Pillow's, such as 'la' for left and top."""
        # A dark rim keeps it readable on bright tissue.
        self._draw.text(
            (x, y),
            words,
            fill=colour,
            font=self._font,
            anchor=anchor,
            stroke_width=1,
            stroke_fill=_BACKGROUND,
        )

    def text_width(self, words: str) -> int:
        """Width of a text, pixels."""
        return math.ceil(self._font.getlength(words))

    def cut_text(self, words: str, width: int) -> str:
        """A text, shortened with an ellipsis if it is wider than ``width`` pixels."""
        cut, length = words, len(words)
        while self.text_width(cut) > width and length > 1:
            length -= max(1, length // 20)
            cut = words[:length].rstrip() + "…"
        return cut

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Draw a line of one pixel."""
        self._draw.line((round(x0), round(y0), round(x1), round(y1)), fill=colour)

    def sample(self, x: int, y: int, length: int, colour: Colour) -> None:
        """Draw a thick line from ``x`` to the right, as a sample of a colour."""
        self._draw.rectangle((x, y - 1, x + length - 1, y), fill=colour)

    def circle(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Draw the outline of a circle."""
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)

    def draw_slice(
        self,
        x: int,
        y: int,
        size: tuple[int, int],
        pixels: npt.NDArray[np.uint8],
        *,
        cells: bool = False,
    ) -> None:
        """Draw grey levels (rows x columns), stretched to ``size`` (width, height; pixels) and
        smoothed; ``cells``: those of a grid, which stay squares if they are large."""
        rows, columns = pixels.shape
        kind = Image.Resampling.BICUBIC
        if cells and size[0] >= _CELL_PX * columns:
            kind = Image.Resampling.NEAREST
        elif rows == 1 or columns == 1:
            kind = Image.Resampling.BILINEAR
        stretched = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, kind)
        self._image.paste(stretched.convert("RGB"), (x, y))

    def outline(
        self,
        x: int,
        y: int,
        size: tuple[int, int],
        labels: Array,
        colour: Colour,
        *,
        cells: bool = False,
    ) -> None:
        """Draw outlines around labelled regions, so that their inside stays visible.

        Args:
            x: left edge, pixels.
            y: upper edge, pixels.
            size: width and height to which the labels are stretched, pixels.
            labels: integers or booleans (rows x columns); 0 is outside.
            colour: of the outlines.
            cells: whether outlines keep the corners of voxels, instead of being smooth.
        """
        if not labels.any():
            return
        labels = _at_most(labels, size)
        if cells:
            stencil = edges(_stretched(labels, size))
        else:
            stencil = contour(_depths(labels != 0, size))
            if touch(labels):
                apart = _stretched(labels, size)
                stencil = np.maximum(stencil, edges(apart) * (apart > 0))
        at = (x, y, x + size[0], y + size[1])
        self._image.paste(colour, at, Image.fromarray(stencil))

    def png(self, limit: int) -> bytes:
        """The picture as a PNG of at most ``limit`` bytes: with as many grey levels as fit, or
        scaled down if 16 do not."""
        image = self._image
        while True:
            greys, marks = _reduce(image)
            size = 0
            for levels in _GREY_LEVELS:
                # Halving the levels saves less than a third, so this would not fit either.
                if size * 0.6 > limit:
                    size = round(size * 0.7)
                    continue
                data = _encode(greys, marks, levels)
                size = len(data)
                if size <= limit:
                    return data
            image = image.resize((image.width * 3 // 4, image.height * 3 // 4))


def _at_most(labels: Array, size: tuple[int, int]) -> Array:
    """Labels with at most one voxel for each pixel of ``size``: no small region disappears, but
    those that are joined so share a label."""
    rows, columns = labels.shape
    width, height = min(columns, size[0]), min(rows, size[1])
    if (width, height) == (columns, rows):
        return labels
    mask = Image.fromarray((labels != 0) * np.uint8(255))
    return (np.asarray(mask.resize((width, height), Image.Resampling.BOX)) > 0).astype(np.int32)


def _stretched(labels: Array, size: tuple[int, int]) -> Array:
    """Labels stretched to ``size``, each pixel that of its voxel."""
    rows, columns = labels.shape
    across = np.arange(size[0]) * columns // size[0]
    down = np.arange(size[1]) * rows // size[1]
    return labels[np.ix_(down, across)].astype(np.int32)


def _depths(mask: npt.NDArray[np.bool_], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Depths of a mask that is stretched to ``size``, with a frame of one pixel around it."""
    rows, columns = mask.shape
    down, across = size[1] / rows, size[0] / columns  # pixels of a voxel
    image = Image.fromarray(depth(np.pad(mask, 2, "edge"), (down, across)))
    box = (2 - 1 / across, 2 - 1 / down, columns + 2 + 1 / across, rows + 2 + 1 / down)
    frame = (size[0] + 2, size[1] + 2)
    stretched: npt.NDArray[np.uint8] = np.asarray(
        image.resize(frame, Image.Resampling.BILINEAR, box)
    )
    return stretched


_MARKS = np.array((LESION, BRAIN, CUT), np.int16)
_COVERS = 4  # steps in which a mark covers the grey below it, at the soft edge of a line
_SHADES = 12  # grey levels below such an edge


def _reduce(image: Image.Image) -> tuple[Array, Array]:
    """The grey level of each pixel, and its place among the colours of ``_COLOURS``, from 1; else
    0."""
    pixels = np.asarray(image)
    red, green, blue = (pixels[..., n] for n in range(3))
    high = np.maximum(np.maximum(red, green), blue)
    low = np.minimum(np.minimum(red, green), blue)
    places = np.zeros(low.shape, np.uint8)
    coloured = np.flatnonzero(high - low >= _MIN_SPREAD)
    places.reshape(-1)[coloured] = _place(pixels.reshape(-1, 3)[coloured].astype(np.float32))
    return low // 2 + high // 2, places


def _place(colours: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """The places of colours (n x 3) that are marks over grey."""
    low = colours.min(axis=1)
    spread = colours.max(axis=1) - low
    # Grey takes from a colour, but does not turn it.
    turns = (colours - low[:, None]) / spread[:, None]
    marks = np.abs(turns[:, None, :] - _TURNS[None]).sum(axis=2).argmin(axis=1)
    share = np.minimum(spread / _SPREADS[marks], 1)
    cover = np.clip(np.rint(share * _COVERS), 1, _COVERS)
    below = (low - share * _LOWS[marks]) / np.maximum(1 - share, 1 / 255)
    shade = np.clip(np.rint(below * ((_SHADES - 1) / 255)), 0, _SHADES - 1)
    soft = (marks * (_COVERS - 1) + cover - 1) * _SHADES + shade
    full = len(_MARKS) * (_COVERS - 1) * _SHADES + marks
    places: npt.NDArray[np.uint8] = (1 + np.where(cover == _COVERS, full, soft)).astype(np.uint8)
    return places


_LOWS = _MARKS.min(axis=1)
_SPREADS = _MARKS.max(axis=1) - _LOWS
_TURNS = ((_MARKS - _LOWS[:, None]) / _SPREADS[:, None]).astype(np.float32)
_MIN_SPREAD = int(_SPREADS.min()) // (2 * _COVERS)
_COLOURS = [
    round((mark * cover + shade * 255 / (_SHADES - 1) * (_COVERS - cover)) / _COVERS)
    for marks in _MARKS.tolist()
    for cover in range(1, _COVERS)
    for shade in range(_SHADES)
    for mark in marks
] + [mark for marks in _MARKS.tolist() for mark in marks]


def _encode(greys: Array, places: Array, levels: int) -> bytes:
    """PNG with a palette of greys and outline colours: a third of the bytes of full colour."""
    table = (np.arange(256) * ((levels - 1) / 255) + 0.5).astype(np.uint8)
    out = np.where(places > 0, places + np.uint8(levels - 1), table[greys])
    shades = np.repeat(np.round(np.arange(levels) * 255 / (levels - 1)), 3)
    indexed = Image.fromarray(out)
    indexed.putpalette([int(shade) for shade in shades] + _COLOURS)
    data = io.BytesIO()
    indexed.save(data, "PNG", compress_level=6)
    return data.getvalue()
