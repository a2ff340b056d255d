"""Siemens mosaics: tiles become slices at their places, or the mosaic is refused by name."""

import struct
from pathlib import Path
from time import process_time
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from common.errors import SourceError
from common.formats.dicom.mosaics import tiles_of
from common.formats.dicom.stack import Stack
from common.formats.not_a_scan import UnreadKind
from tests.common.formats.dicom.dicom_files import found, read_voxels, slices_of, volume
from tests.common.formats.dicom.mosaic_files import Mosaic, content, csa_header, tilted

REAL = Path(nib.__file__).parent / "nicom/tests/data"
SAGITTAL = Mosaic(row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0))
TAGS = {"NumberOfImagesInMosaic": [5.0], "SliceNormalVector": [0.0, 0.0, 1.0]}


@pytest.mark.parametrize(
    ("mosaic", "count"),
    [
        (Mosaic(), 4),
        (Mosaic(), 5),
        (tilted(20), 10),
        (SAGITTAL, 16),
        (Mosaic(descending=True), 7),
        (Mosaic(column=(0.0, 0.0, -1.0), descending=True), 12),
    ],
)
def test_tiles_become_slices_at_their_places(tmp_path: Path, mosaic: Mosaic, count: int) -> None:
    planted = content(count)
    voxels, affine = volume(mosaic.write(tmp_path / "a.dcm", planted))
    # Slices are sorted along the normal; voxels of a descending mosaic come in reverse order.
    if mosaic.descending:
        planted = planted[:, :, ::-1]
    np.testing.assert_array_equal(voxels, planted)
    expected = mosaic.affine()
    if mosaic.descending:
        expected[:3, 3] += expected[:3, 2] * (count - 1)
        expected[:3, 2] *= -1
    np.testing.assert_allclose(affine, expected[:3], atol=1e-4)


def test_a_mosaic_is_known_by_its_header_even_if_its_image_type_is_gone(tmp_path: Path) -> None:
    path = Mosaic().write(tmp_path / "a.dcm", content(5), ImageType=None)
    assert volume(path)[0].shape == (8, 6, 5)


def test_the_private_header_may_be_in_another_block(tmp_path: Path) -> None:
    path = Mosaic().write(tmp_path / "a.dcm", content(5))
    data = dcmread(path)
    csa = data[0x29, 0x1010].value
    del data[0x29, 0x1010], data[0x29, 0x10]
    data.private_block(0x29, "SIEMENS MEDCOM HEADER", create=True).add_new(0x10, "OB", b"other")
    data.private_block(0x29, "SIEMENS CSA HEADER", create=True).add_new(0x10, "UN", csa)
    data.save_as(path)
    assert volume(path)[0].shape == (8, 6, 5)


def test_each_mosaic_of_a_series_is_a_volume(tmp_path: Path) -> None:
    paths = [
        Mosaic().write(tmp_path / f"{n}.dcm", content(9, n), InstanceNumber=n, AcquisitionNumber=n)
        for n in (1, 2, 3)
    ]
    stacks = [stack for _, stack in found(*paths)]
    assert [stack.role for stack in stacks if isinstance(stack, Stack)] == [
        f"anatomical, time {n}" for n in (1, 2, 3)
    ]
    for n, stack in enumerate(stacks, 1):
        assert isinstance(stack, Stack)
        np.testing.assert_array_equal(read_voxels(stack)[0], content(9, n))


@pytest.mark.parametrize(
    "other",
    [
        Mosaic(first=(-30.0, -40.0, 15.0 + 3.5 / 2)),
        Mosaic(first=(-30.0, -40.0, 15.0 + 9 * 3.5)),
        Mosaic(first=(-30.0, -40.0, 15.3)),
        Mosaic(descending=True),
    ],
)
def test_a_mosaic_is_a_volume_wherever_the_other_one_lies(tmp_path: Path, other: Mosaic) -> None:
    paths = [
        mosaic.write(tmp_path / f"{n}.dcm", content(9, n), InstanceNumber=n)
        for n, mosaic in enumerate((Mosaic(), other), 1)
    ]
    labels, stacks = zip(*found(*paths), strict=True)
    assert [label.rpartition(", ")[2] for label in labels] == ["mosaic 1 of 2)", "mosaic 2 of 2)"]
    for n, stack in enumerate(stacks, 1):
        assert isinstance(stack, Stack)
        order = -1 if n == 2 and other.descending else 1
        np.testing.assert_array_equal(read_voxels(stack)[0], content(9, n)[:, :, ::order])


def test_a_mosaic_that_is_rescaled_is_rescaled_tile_by_tile(tmp_path: Path) -> None:
    path = Mosaic().write(tmp_path / "a.dcm", content(5), RescaleSlope=2, RescaleIntercept=-7)
    np.testing.assert_array_equal(volume(path)[0], content(5) * 2 - 7)


def test_tiles_are_named_as_such(tmp_path: Path) -> None:
    assert slices_of(Mosaic().write(tmp_path / "a.dcm", content(5)))[2].name == "tile 3"


@pytest.mark.parametrize(
    ("csa", "fields", "told"),
    [
        (b"", {}, "without the number of its slices"),
        (b"SV10 is not all", {}, "without the number of its slices"),
        (csa_header({"NumberOfImagesInMosaic": [5]}), {}, "the order of its slices, was removed"),
        (csa_header({**TAGS, "SliceNormalVector": [1, 0, 0]}), {}, "contradicts ImageOrientation"),
        (csa_header({**TAGS, "NumberOfImagesInMosaic": [50]}), {}, "50 slices that do not fit"),
        (csa_header({**TAGS, "NumberOfImagesInMosaic": [1e9]}), {}, "without the number"),
        (csa_header({**TAGS, "NumberOfImagesInMosaic": [-4]}), {}, "without the number"),
        (csa_header(TAGS), {"ImagePositionPatient": None}, "without the position, orientation"),
        (csa_header(TAGS), {"SpacingBetweenSlices": None, "SliceThickness": None}, "spacing of"),
    ],
)
def test_a_mosaic_that_does_not_tell_where_its_slices_lie_is_refused(
    tmp_path: Path, csa: bytes, fields: dict[str, Any], told: str
) -> None:
    path = Mosaic().write(tmp_path / "a.dcm", content(5), csa, **fields)
    with pytest.raises(UnreadKind, match="a Siemens mosaic") as caught:
        slices_of(path)
    assert told in str(caught.value)


def test_a_mosaic_that_contradicts_itself_or_has_frames_is_refused(tmp_path: Path) -> None:
    path = Mosaic().write(tmp_path / "a.dcm", content(5))
    data = dcmread(path)
    block = data.private_block(0x19, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US", 5)
    data.save_as(path)
    assert volume(path)[0].shape == (8, 6, 5)
    block[0x0A].value = 6
    data.save_as(path)
    with pytest.raises(UnreadKind, match="5 slices in one private element and 6 in another"):
        slices_of(path)
    frames = Mosaic().write(tmp_path / "b.dcm", content(5), NumberOfFrames=3)
    with pytest.raises(UnreadKind, match="of several frames"):
        slices_of(frames)


def test_a_mosaic_of_another_maker_is_refused(tmp_path: Path) -> None:
    path = Mosaic().write(tmp_path / "a.dcm", content(5), b"", ImageType=None)
    data = dcmread(path)
    data.private_block(0x65, "Image Private Header", create=True).add_new(0x50, "DS", "5")
    data.save_as(path)
    with pytest.raises(UnreadKind, match="United Imaging"):
        slices_of(path)


def test_a_slice_of_a_series_that_is_none_stays_one(tmp_path: Path) -> None:
    none = csa_header({"NumberOfImagesInMosaic": [], "SliceNormalVector": [0, 0, 1]})
    path = Mosaic().write(tmp_path / "a.dcm", content(4), none, ImageType=["ORIGINAL", "PRIMARY"])
    assert volume(path)[0].shape == (16, 12, 1)
    one = csa_header({**TAGS, "NumberOfImagesInMosaic": [1]})
    assert volume(Mosaic().write(tmp_path / "b.dcm", content(1), one))[0].shape == (8, 6, 1)


def test_a_private_header_that_never_ends_costs_little() -> None:
    item = struct.pack("<4i", -16, -16, 77, -16)
    tag = struct.pack("<64si4s3i", b"NumberOfImagesInMosaic", 1000, b"IS", 0, 1000, 77) + item
    before = process_time()
    with pytest.raises(SourceError):
        tiles_of(
            {
                "ImageType": ["ORIGINAL", "PRIMARY", "MOSAIC"],
                "SiemensCsa": b"SV10\4\3\2\1" + struct.pack("<2I", 1000, 77) + tag * 1000,
            }
        )
    assert process_time() - before < 5


@pytest.mark.skipif(not REAL.exists(), reason="nibabel was installed without its test data")
def test_a_real_mosaic_has_the_place_that_nibabel_finds() -> None:
    voxels, affine = volume(REAL / "siemens_dwi_1000.dcm.gz")
    assert voxels.shape == (128, 128, 48)
    # As nibabel.nicom.dicomwrappers has it.
    np.testing.assert_allclose(affine[:, 3], [115.0, 135.028779, -78.710481], atol=1e-4)
    np.testing.assert_allclose(affine[:, 2], [0.0, -0.015708, 2.9999580], atol=1e-4)
    with pytest.raises(UnreadKind, match="48 slices that do not fit into its 256 rows"):
        slices_of(REAL / "0.dcm")
