"""A header made here is read by nibabel and by Fr-PACS' own reader of headers."""

import gzip
import io
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.domain.affine import Affine
from common.domain.types import DType
from common.formats.nifti.writing import gzipped, label_map_header, nifti_header

AFFINE: Affine = ((0.0, -2.0, 0.1, 90.0), (1.5, 0.0, 0.0, -80.25), (0.0, 0.0, 3.0, 7.0))
DTYPES: tuple[DType, ...] = (
    *("uint8", "int8", "uint16", "int16"),
    *("uint32", "int32", "float32", "float64"),
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 4, 5), (7, 2)])
def test_nibabel_reads_the_same_voxels_and_affine(dtype: DType, shape: tuple[int, ...]) -> None:
    voxels = np.arange(np.prod(shape)).astype(dtype).reshape(shape, order="F")
    data = nifti_header(shape, dtype, AFFINE) + voxels.tobytes(order="F")
    image: Any = nib.Nifti1Image.from_stream(io.BytesIO(data))
    assert image.shape == shape
    assert image.get_data_dtype() == np.dtype(dtype)
    assert np.array_equal(np.asanyarray(image.dataobj), voxels)
    assert np.allclose(image.affine[:3], AFFINE)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_an_unknown_position_is_not_made_up() -> None:
    data = nifti_header((2, 2, 2), "uint8", None) + bytes(8)
    header = nib.Nifti1Image.from_stream(io.BytesIO(data)).header
    assert header["sform_code"] == header["qform_code"] == 0


def test_a_long_axis_makes_nifti_2() -> None:
    data = nifti_header((40_000, 1, 2), "uint8", AFFINE) + bytes(80_000)
    image = nib.Nifti2Image.from_stream(io.BytesIO(data))
    assert image.shape == (40_000, 1, 2)
    assert np.allclose(image.affine[:3], AFFINE)


def test_a_label_map_has_the_intent_of_labels_and_the_place_of_its_scan() -> None:
    labels = np.arange(24, dtype=np.uint8).reshape((2, 3, 4), order="F")
    data = label_map_header((2, 3, 4), AFFINE, {1: "one"}) + labels.tobytes(order="F")
    image: Any = nib.Nifti1Image.from_stream(io.BytesIO(data))
    assert image.get_data_dtype() == np.uint8
    assert int(image.header["intent_code"]) == 1002
    assert np.array_equal(np.asanyarray(image.dataobj), labels)
    assert np.array_equal(image.affine[:3], np.array(AFFINE, np.float32))


@pytest.mark.parametrize("length", [1, *range(70, 90)])
@pytest.mark.parametrize("shape", [(2, 3, 4), (40_000, 1, 2)])
def test_the_names_of_labels_come_before_them_as_plain_text(
    shape: tuple[int, ...], length: int
) -> None:
    names = {7: "ä" * length, 2: "two"}
    labels = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape, order="F")
    data = label_map_header(shape, AFFINE, names) + labels.tobytes(order="F")
    kind: Any = nib.Nifti1Image if max(shape) < 40_000 else nib.Nifti2Image
    image = kind.from_stream(io.BytesIO(data))
    assert np.array_equal(np.asanyarray(image.dataobj), labels)
    [extension] = image.header.extensions
    assert extension.get_code() == 6  # comment
    assert extension.text == f"index\tname\n2\ttwo\n7\t{names[7]}\n"


def test_images_have_no_extension() -> None:
    assert nifti_header((2, 2, 2), "uint8", AFFINE)[-4:] == bytes(4)


def test_a_compressed_file_is_the_same_each_time_and_comes_back() -> None:
    pieces = [b"", b"one" * 1000, b"two"]
    assert gzip.decompress(b"".join(gzipped(pieces))) == b"".join(pieces)
    assert b"".join(gzipped(pieces)) == b"".join(gzipped(pieces))
    assert gzip.decompress(b"".join(gzipped([]))) == b""
