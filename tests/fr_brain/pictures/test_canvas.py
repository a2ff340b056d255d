"""What is drawn stays visible: outlines of small regions, and PNGs within their limit."""

import io

import numpy as np
import pytest
from PIL import Image

from fr_brain.pictures.canvas import LESION, Canvas, to_grey


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        colours: np.ndarray = np.asarray(image.convert("RGB"))
        return colours


def marked(canvas: Canvas) -> np.ndarray:
    """The pixels in the colour of lesions."""
    found: np.ndarray = np.all(pixels(canvas.png(1_000_000)) == LESION, axis=2)
    return found


def test_intensities_become_grey_and_no_numbers_black() -> None:
    values = np.array([-1.0, 0.0, 5.0, 10.0, 11.0, np.nan, np.inf, -np.inf])
    assert to_grey(values, 0.0, 10.0).tolist() == [0, 0, 127, 255, 255, 0, 255, 0]


def test_an_outline_lies_around_its_region() -> None:
    canvas = Canvas(40, 40)
    labels = np.zeros((10, 10), np.int32)
    labels[4:6, 4:6] = 1
    canvas.outline(0, 0, (40, 40), labels, LESION)
    rows, columns = np.nonzero(marked(canvas))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 24, 15, 24)
    assert not marked(canvas)[16:24, 16:24].any()


def test_a_region_smaller_than_a_pixel_is_outlined_too() -> None:
    canvas = Canvas(20, 20)
    labels = np.zeros((200, 200), np.int32)
    labels[101, 101] = 3
    canvas.outline(0, 0, (20, 20), labels, LESION)
    assert marked(canvas).sum() >= 4


def test_a_picture_of_noise_loses_grey_levels_and_then_size_to_fit() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (300, 300)).astype(np.uint8)
    canvas = Canvas(300, 300)
    canvas.draw_slice(0, 0, (300, 300), noise)
    whole = canvas.png(1_000_000)
    small = canvas.png(len(whole) * 3 // 4)
    tiny = canvas.png(len(whole) // 8)
    assert len(small) <= len(whole) * 3 // 4
    assert len(tiny) <= len(whole) // 8
    assert pixels(whole).shape == pixels(small).shape == (300, 300, 3)
    assert pixels(tiny).shape[0] < 300


@pytest.mark.parametrize("words", ["", "12 mm"])
def test_the_width_of_text_is_known(words: str) -> None:
    assert (Canvas(10, 10).text_width(words) > 0) == bool(words)
