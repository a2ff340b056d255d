"""Draws slices, outlines and text, and encodes the PNG. The only module that uses Pillow."""

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Array = npt.NDArray[Any]
Colour = tuple[int, int, int]

TEXT: Colour = (225, 225, 225)
DIM: Colour = (150, 150, 150)
LESION: Colour = (255, 196, 0)
BRAIN: Colour = (0, 130, 160)
CUT: Colour = (70, 140, 255)

_BACKGROUND: Colour = (16, 16, 16)
_FONT_PX = 13
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

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Draw a line of one pixel."""
        self._draw.line((round(x0), round(y0), round(x1), round(y1)), fill=colour)

    def circle(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Draw the outline of a circle."""
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)

    def draw_slice(
        self, x: int, y: int, size: tuple[int, int], pixels: npt.NDArray[np.uint8]
    ) -> None:
        """Draw grey levels (rows x columns), stretched to ``size`` (width, height; pixels)."""
        rows, columns = pixels.shape
        # Cells of a grid stay squares; a slice that is stretched only a little is smoothed.
        sharp = size[0] >= 6 * columns
        kind = Image.Resampling.NEAREST if sharp else Image.Resampling.BICUBIC
        if not sharp and (rows == 1 or columns == 1):
            kind = Image.Resampling.BILINEAR
        stretched = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, kind)
        self._image.paste(stretched.convert("RGB"), (x, y))

    def outline(self, x: int, y: int, size: tuple[int, int], labels: Array, colour: Colour) -> None:
        """Draw outlines around labelled regions, so that their inside stays visible.

        Args:
            x: left edge, pixels.
            y: upper edge, pixels.
            size: width and height to which the labels are stretched, pixels.
            labels: integers or booleans (rows x columns); 0 is outside.
            colour: of the outlines.
        """
        mask = labels != 0
        if not mask.any():
            return
        rows, columns = labels.shape
        if size[0] < columns or size[1] < rows:
            # Fewer pixels than voxels: no small region may disappear.
            shrunk = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
            drawn = (np.asarray(shrunk) > 0).astype(np.int32)
        else:
            across = np.arange(size[0]) * columns // size[0]
            down = np.arange(size[1]) * rows // size[1]
            drawn = labels[np.ix_(down, across)].astype(np.int32)
        edge = np.zeros(drawn.shape, bool)
        for axis in (0, 1):
            for one, other in (
                (slice(1, None), slice(None, -1)),
                (slice(None, -1), slice(1, None)),
            ):
                here = tuple(one if a == axis else slice(None) for a in (0, 1))
                there = tuple(other if a == axis else slice(None) for a in (0, 1))
                edge[here] |= (drawn[here] < drawn[there]) & (drawn[there] > 0)
        # At the rim of the slice the outline lies inside, because there is no outside.
        for rim in ((0, slice(None)), (-1, slice(None)), (slice(None), 0), (slice(None), -1)):
            edge[rim] |= drawn[rim] > 0
        stencil = Image.fromarray(edge.astype(np.uint8) * 255)
        self._image.paste(colour, (x, y, x + size[0], y + size[1]), stencil)

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


_MARKS = np.array((LESION, BRAIN, CUT), np.int16)


def _reduce(image: Image.Image) -> tuple[Array, Array]:
    """The grey level of each pixel, and the number of its outline colour (from 1), else 0."""
    pixels = np.asarray(image)
    high, low = pixels.max(axis=2), pixels.min(axis=2)
    coloured = high - low > 24
    marks = np.zeros(coloured.shape, np.uint8)
    distances = np.abs(pixels[coloured].astype(np.int16)[:, None, :] - _MARKS[None]).sum(axis=2)
    marks[coloured] = 1 + distances.argmin(axis=1)
    return low // 2 + high // 2, marks


def _encode(greys: Array, marks: Array, levels: int) -> bytes:
    """PNG with a palette of greys and outline colours: a third of the bytes of full colour."""
    table = (np.arange(256) * ((levels - 1) / 255) + 0.5).astype(np.uint8)
    out = np.where(marks > 0, marks + np.uint8(levels - 1), table[greys])
    shades = np.repeat(np.round(np.arange(levels) * 255 / (levels - 1)), 3)
    indexed = Image.fromarray(out)
    indexed.putpalette([int(shade) for shade in shades] + [int(c) for c in _MARKS.ravel()])
    data = io.BytesIO()
    indexed.save(data, "PNG", compress_level=6)
    return data.getvalue()
