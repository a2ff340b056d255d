"""Drawing: slices as pixels, outlines, text, and the PNG. The only room with Pillow."""

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
# Fewer levels of grey until it fits: noise costs most of a picture's bytes.
_GREYS = (128, 64, 32, 16)


def to_grey(pixels: Array, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Intensities as 0 to 255; what is no number is black."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (pixels.astype(np.float64) - low) * (255 / (high - low))
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0, 255).astype(
        np.uint8
    )


class Canvas:
    """A picture of a size in pixels."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width, height), _BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(_FONT_PX)

    def text(
        self, x: float, y: float, words: str, colour: Colour = TEXT, anchor: str = "la"
    ) -> None:
        """Words; ``anchor`` as Pillow has it, such as 'la' for left and top."""
        # With a dark rim, to be read on bright tissue too.
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
        """Width of words in pixels."""
        return math.ceil(self._font.getlength(words))

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A line of one pixel."""
        self._draw.line((round(x0), round(y0), round(x1), round(y1)), fill=colour)

    def circle(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """The outline of a circle."""
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)

    def draw_slice(
        self, x: int, y: int, size: tuple[int, int], pixels: npt.NDArray[np.uint8]
    ) -> None:
        """Levels of grey, stretched to ``size`` (width, height)."""
        rows, columns = pixels.shape
        # Cells of a grid are squares; what is only a little larger or smaller is smoothed.
        sharp = size[0] >= 6 * columns
        kind = Image.Resampling.NEAREST if sharp else Image.Resampling.BICUBIC
        if not sharp and (rows == 1 or columns == 1):
            kind = Image.Resampling.BILINEAR
        stretched = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, kind)
        self._image.paste(stretched.convert("RGB"), (x, y))

    def outline(self, x: int, y: int, size: tuple[int, int], labels: Array, colour: Colour) -> None:
        """The edges of labelled regions, drawn around them: what is inside stays to be seen."""
        mask = labels != 0
        if not mask.any():
            return
        rows, columns = labels.shape
        if size[0] < columns or size[1] < rows:
            # Fewer pixels than voxels: none of a small region may fall through.
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
        # At the picture's rim there is no outside to draw on.
        for rim in ((0, slice(None)), (-1, slice(None)), (slice(None), 0), (slice(None), -1)):
            edge[rim] |= drawn[rim] > 0
        stencil = Image.fromarray(edge.astype(np.uint8) * 255)
        self._image.paste(colour, (x, y, x + size[0], y + size[1]), stencil)

    def png(self, limit: int) -> bytes:
        """The picture as a PNG of ``limit`` bytes at most, with as many levels of grey as fit; a
        smaller one where none do."""
        image = self._image
        while True:
            greys, marks = _reduce(image)
            size = 0
            for levels in _GREYS:
                # Each halving of the levels takes less than a third off: not worth a try.
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
    """The grey of each pixel, and which of the colours of outlines it is, from 1; 0: none."""
    pixels = np.asarray(image)
    high, low = pixels.max(axis=2), pixels.min(axis=2)
    coloured = high - low > 24
    marks = np.zeros(coloured.shape, np.uint8)
    distances = np.abs(pixels[coloured].astype(np.int16)[:, None, :] - _MARKS[None]).sum(axis=2)
    marks[coloured] = 1 + distances.argmin(axis=1)
    return low // 2 + high // 2, marks


def _encode(greys: Array, marks: Array, levels: int) -> bytes:
    """With a palette of greys and the colours of outlines: a third of the bytes of full colour."""
    table = (np.arange(256) * ((levels - 1) / 255) + 0.5).astype(np.uint8)
    out = np.where(marks > 0, marks + np.uint8(levels - 1), table[greys])
    shades = np.repeat(np.round(np.arange(levels) * 255 / (levels - 1)), 3)
    indexed = Image.fromarray(out)
    indexed.putpalette([int(shade) for shade in shades] + [int(c) for c in _MARKS.ravel()])
    data = io.BytesIO()
    indexed.save(data, "PNG", compress_level=6)
    return data.getvalue()
