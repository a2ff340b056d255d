"""Modality LUTs: stored values become the entries of the table."""

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.dataset import Dataset

from common.errors import SourceError
from common.formats.dicom.modality_lut import modality_lut_of
from common.formats.dicom.stack import Stack
from tests.common.formats.dicom.dicom_files import Write, found, slices_of, volume
from tests.common.formats.dicom.scaling_files import edit, lut

STORED = np.array([[-200, -100, -99], [0, 1, 900]])


def table(item: Dataset, *, signed: bool = True) -> npt.NDArray[np.uint16]:
    data = Dataset()
    data.ModalityLUTSequence, data.PixelRepresentation = [item], int(signed)
    found = modality_lut_of(data)
    assert found is not None
    return found.apply(STORED)


def test_values_outside_the_table_have_its_ends() -> None:
    np.testing.assert_array_equal(table(lut(-100, [7, 8, 9])), [[7, 7, 8], [9, 9, 9]])


def test_a_table_of_all_values_and_one_of_bytes() -> None:
    every = lut(0, [(3 * n) % 65536 for n in range(65536)])
    np.testing.assert_array_equal(table(every, signed=False), [[0, 0, 0], [0, 3, 2700]])
    packed = lut(0, [5, 6, 7, 8], 8, bytes([5, 6, 7, 8]))
    np.testing.assert_array_equal(table(packed), [[5, 5, 5], [5, 6, 8]])


def test_a_file_without_a_table_has_none() -> None:
    assert modality_lut_of(Dataset()) is None


@pytest.mark.parametrize("implicit", [False, True])
def test_slices_with_a_table_become_a_volume(write: Write, implicit: bool) -> None:
    entries = [(n * n) % 5000 for n in range(400)]
    paths = [
        edit(write(n, ModalityLUTSequence=[lut(50, entries)]), lambda _: None, implicit=implicit)
        for n in (1, 2, 3)
    ]
    stored = np.stack([100 * n + np.arange(12).reshape(3, 4).T for n in (1, 2, 3)], axis=2)
    np.testing.assert_array_equal(volume(*paths)[0], np.array(entries)[stored - 50])


def test_a_table_of_words_for_pixels_of_bytes_has_room(write: Write) -> None:
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    pixels = bytes(range(12))
    path = write(
        1, **eight, PixelData=pixels, ModalityLUTSequence=[lut(0, [1000 * n for n in range(12)])]
    )
    [(_, stack)] = found(path)
    assert isinstance(stack, Stack)
    assert stack.declared_bytes == 24
    np.testing.assert_array_equal(volume(path)[0][:, :, 0].T.ravel(), np.arange(12) * 1000)


def shorter(item: Dataset) -> Dataset:
    """An item that declares more entries than it has."""
    item.LUTDescriptor = [9, 0, 16]
    return item


@pytest.mark.parametrize(
    "item",
    [Dataset(), lut(0, [1, 2, 3], data=b"\1"), shorter(lut(0, [1, 2, 3]))],
    ids=["empty", "odd", "short"],
)
def test_a_damaged_table_is_refused(write: Write, item: Dataset) -> None:
    with pytest.raises(SourceError, match="Modality LUT is damaged"):
        slices_of(write(1, ModalityLUTSequence=[item]))
