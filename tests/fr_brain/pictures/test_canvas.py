"""What is drawn stays visible: outlines of small regions, and PNGs within their limit."""

import io

import numpy as np
import pytest
from PIL import Image

from fr_brain.pictures.canvas import BRAIN, LESION, Canvas, to_grey
from tests.fr_brain.pictures.marks import marked


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        colours: np.ndarray = np.asarray(image.convert("RGB"))
        return colours


def lesions(canvas: Canvas) -> np.ndarray:
    """The pixels in the colour of lesions."""
    return marked(pixels(canvas.png(1_000_000)), LESION)


def test_intensities_become_grey_and_no_numbers_black() -> None:
    values = np.array([-1.0, 0.0, 5.0, 10.0, 11.0, np.nan, np.inf, -np.inf])
    assert to_grey(values, 0.0, 10.0).tolist() == [0, 0, 127, 255, 255, 0, 255, 0]


@pytest.mark.parametrize("cells", [False, True])
def test_an_outline_lies_around_its_region(cells: bool) -> None:
    canvas = Canvas(40, 40)
    labels = np.zeros((10, 10), np.int32)
    labels[4:6, 4:6] = 1
    canvas.outline(0, 0, (40, 40), labels, LESION, cells=cells)
    rows, columns = np.nonzero(lesions(canvas))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 24, 15, 24)
    assert not lesions(canvas)[18:22, 18:22].any()


def test_an_outline_at_the_rim_is_closed() -> None:
    canvas = Canvas(40, 40)
    canvas.outline(0, 0, (40, 40), np.ones((10, 10), np.int32), LESION)
    rim = lesions(canvas)
    assert rim[0, 4:-4].all()
    assert rim[4:-4, -1].all()
    assert not rim[4:-4, 4:-4].any()


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("shape", [(200, 200), (10, 200), (200, 10)])
def test_a_region_smaller_than_a_pixel_is_outlined_too(shape: tuple[int, int], cells: bool) -> None:
    canvas = Canvas(20, 20)
    labels = np.zeros(shape, np.int32)
    labels[shape[0] // 2, shape[1] // 2] = 3
    canvas.outline(0, 0, (20, 20), labels, LESION, cells=cells)
    assert lesions(canvas).sum() >= 3


def test_a_line_divides_regions_that_touch() -> None:
    canvas = Canvas(80, 80)
    labels = np.zeros((10, 10), np.int32)
    labels[2:8, 2:5], labels[2:8, 5:8] = 1, 2
    canvas.outline(0, 0, (80, 80), labels, LESION)
    assert lesions(canvas)[30:50, 36:44].any(axis=1).all()


def test_soft_edges_keep_their_colours_in_the_png() -> None:
    canvas = Canvas(100, 100)
    canvas.draw_slice(0, 0, (100, 100), np.full((20, 20), 120, np.uint8))
    y, x = np.indices((20, 20))
    for colour, at in ((LESION, 6), (BRAIN, 13)):
        canvas.outline(0, 0, (100, 100), np.hypot(y - at, x - at) < 3, colour)
    drawn = np.asarray(canvas._image).astype(int)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 20
    stored = pixels(canvas.png(1_000_000)).astype(int)
    assert np.abs(stored - drawn).max() <= 36  # an eighth of a colour, half of a grey level


def test_a_text_that_is_too_wide_ends_with_an_ellipsis() -> None:
    canvas = Canvas(10, 10)
    words = "A sentence of some length."
    assert canvas.cut_text(words, 1000) == words
    cut = canvas.cut_text(words, 100)
    assert cut.endswith("…")
    assert words.startswith(cut.rstrip("…"))
    assert canvas.text_width(cut) <= 100


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
