"""DICOM series: order, geometry and values are right, and what is wrong is named."""

import gzip
import importlib
import itertools
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from common.errors import SourceError
from fr_pacs.sources import dicom
from fr_pacs.sources.dicom import Index, NotDicom, Slice, Stack, read_slices, stacks

# pydicom warns of padding and wrong VRs in its odd test files; in use a filter of the module
# silences that, which pytest's own filters overrule here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

DATA = Path(pydicom.__file__).parent / "data" / "test_files"
PHILIPS = Path(nib.__file__).parent / "nicom/tests/data/philips_mprage.dcm.gz"
MOSAIC = Path(nib.__file__).parent / "nicom/tests/data/0.dcm"
KEY = bytes(32)
MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
SERIES = generate_uid()

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes one slice: 4 columns, 3 rows, 5 mm apart, values ``100 * instance + pixel``."""

    def one(instance: int = 1, name: str = "", **changes: Any) -> Path:
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = MR_STORAGE, generate_uid()
        data.SeriesInstanceUID, data.Modality, data.PatientID = SERIES, "MR", "patient-1"
        data.InstanceNumber = instance
        data.Rows, data.Columns, data.SamplesPerPixel = 3, 4, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 1
        data.PixelSpacing, data.SliceThickness = [2.0, 1.5], 4.0  # between rows, between columns
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [10, 20, 5.0 * instance]
        data.PixelData = (100 * instance + np.arange(12, dtype="<i2")).tobytes()
        for keyword, value in changes.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        path = tmp_path / (name or f"{instance:03}.dcm")
        data.save_as(path, enforce_file_format=True)
        return path

    return one


def found(*paths: Path, alone: bool = False) -> list[tuple[str, Stack | SourceError]]:
    slices = [piece for path in paths for piece in slices_of(path)]
    return list(stacks(slices, alone=alone))


def slices_of(path: Path) -> list[Slice]:
    return read_slices(path, path.name, KEY, force=False)


def volume(*paths: Path) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    [(_, stack)] = found(*paths)
    assert isinstance(stack, Stack), stack
    voxels, affine = stack.read()
    return voxels, np.array(affine)


def reason(*paths: Path) -> str:
    """Why the series of these files cannot become a scan."""
    try:
        [(_, stack)] = found(*paths)
        if isinstance(stack, SourceError):
            return str(stack)
        stack.read()
    except SourceError as error:
        return str(error)
    return pytest.fail("nothing was wrong with it")


def test_slices_are_stacked_by_position_whatever_their_names_and_numbers(write: Write) -> None:
    paths = [write(k, f"{name}.dcm") for k, name in zip((3, 1, 2, 4), "abcd", strict=True)]
    voxels, affine = volume(*paths)
    assert voxels.shape == (4, 3, 4)
    assert voxels.flags.f_contiguous
    assert [int(value) for value in voxels[0, 0]] == [100, 200, 300, 400]
    assert affine[2].tolist() == [0, 0, 5, 5]


def test_the_first_axis_runs_along_a_row_and_the_second_down_a_column(write: Write) -> None:
    voxels, affine = volume(write(1))
    assert voxels[:, 0, 0].tolist() == [100, 101, 102, 103]
    assert voxels[0, :, 0].tolist() == [100, 104, 108]
    # Column index 3 is 3 * 1.5 mm to the left of (10, 20, 5) LPS, row index 2 is 2 * 2 mm back.
    assert (affine @ [3, 2, 0, 1]).tolist() == [-14.5, -24, 5]


def test_a_slice_that_is_alone_is_as_thick_as_its_header_says(write: Write) -> None:
    assert volume(write(1))[1][2, 2] == 4
    assert volume(write(1, SpacingBetweenSlices=-6.0))[1][2, 2] == 6
    assert volume(write(1, SliceThickness=None))[1][2, 2] == 1


def test_an_oblique_series_lands_on_hand_computed_points(write: Write) -> None:
    # A row points left and down a 3-4-5 triangle, a column to the back; normal = row x column.
    turned = {"ImageOrientationPatient": [0.8, 0, -0.6, 0, 1, 0]}
    normal = np.array([0.6, 0, 0.8])
    first = np.array([-30.0, 7.0, 11.0])
    paths = [
        write(k, ImagePositionPatient=(first + (k - 1) * 2.5 * normal).tolist(), **turned)
        for k in (2, 3, 1)
    ]
    _, affine = volume(*paths)
    lps = first + 1.5 * 2 * np.array([0.8, 0, -0.6]) + 2.0 * 1 * np.array([0, 1, 0]) + 2.5 * normal
    np.testing.assert_allclose(affine @ [2, 1, 1, 1], lps * [-1, -1, 1], atol=1e-9)


def test_a_tilted_gantry_shears_the_affine(write: Write) -> None:
    paths = [write(k, ImagePositionPatient=[0, 1.25 * k, 5.0 * k]) for k in (1, 2, 3)]
    assert volume(*paths)[1][:, 2].tolist() == [0, -1.25, 5]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    origin=st.tuples(*[st.floats(-200, 200)] * 3),
    step=st.floats(0.5, 10),
    order=st.permutations([1, 2, 3, 4]),
)
def test_any_orientation_puts_each_corner_where_dicom_says(
    write: Write,
    angles: tuple[float, ...],
    origin: tuple[float, ...],
    step: float,
    order: list[int],
) -> None:
    (ca, cb, cc), (sa, sb, sc) = np.cos(angles), np.sin(angles)
    turn: npt.NDArray[np.float64] = (
        np.array([[ca, -sa, 0], [sa, ca, 0], [0, 0, 1]])
        @ np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
        @ np.array([[1, 0, 0], [0, cc, -sc], [0, sc, cc]])
    ).round(9)
    row, column, normal = turn[:, 0], turn[:, 1], turn[:, 2]
    places = {k: (np.array(origin) + k * step * normal).round(6) for k in order}
    paths = [
        write(
            k,
            ImageOrientationPatient=[f"{x:.9f}" for x in (*row, *column)],
            ImagePositionPatient=[f"{x:.6f}" for x in places[k]],
        )
        for k in order
    ]
    voxels, affine = volume(*paths)
    for k in order:
        [index] = np.argwhere(voxels == 100 * k + 11)  # the last pixel of slice k
        lps = places[k] + 3 * 1.5 * row + 2 * 2.0 * column
        np.testing.assert_allclose(affine @ [*index, 1], lps * [-1, -1, 1], atol=1e-3)


def test_a_missing_slice_is_named_by_its_neighbours(write: Write) -> None:
    told = reason(*(write(k) for k in (1, 2, 3, 4, 6, 7)))
    assert told.startswith("slice missing between instance 4 and instance 6 (10.00 mm apart)")


def test_a_missing_slice_among_three_is_found(write: Write) -> None:
    assert "between instance 1 and instance 3" in reason(write(1), write(3), write(4))


def test_files_name_a_gap_where_there_are_no_instance_numbers(write: Write) -> None:
    paths = [write(k, InstanceNumber=None) for k in (1, 2, 4)]
    assert "between 002.dcm and 004.dcm" in reason(*paths)


def test_uneven_spacing_is_refused_and_rounding_is_not(write: Write) -> None:
    at = {1: 5.0, 2: 10.1, 3: 15.0, 4: 19.95}
    volume(*(write(k, ImagePositionPatient=[0, 0, z]) for k, z in at.items()))
    at[3] = 16.2
    told = reason(*(write(k, ImagePositionPatient=[0, 0, z]) for k, z in at.items()))
    assert "not evenly spaced" in told
    assert "instance 3 is off by" in told


def test_a_slice_that_is_shifted_sideways_is_refused(write: Write) -> None:
    paths = [write(k, ImagePositionPatient=[7 * (k == 2), 0, 5 * k]) for k in (1, 2, 3)]
    assert "instance 2 is off by 7.00 mm" in reason(*paths)


def test_mixed_shapes_are_named_with_their_files(write: Write) -> None:
    odd = write(2, Rows=2, Columns=6)
    told = reason(write(1), odd, write(3))
    assert told == (
        "mixed shapes (columns, rows) in one series: (4, 3) in 001.dcm, 003.dcm; (6, 2) in 002.dcm"
    )


def test_mixed_orientations_and_spacings_are_refused(write: Write) -> None:
    turned = write(2, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    assert "mixed orientations" in reason(write(1), turned)
    assert "mixed pixel spacings" in reason(write(1), write(2, PixelSpacing=[2.0, 1.6]))


def test_two_slices_at_one_place_are_named(write: Write) -> None:
    told = reason(write(1), write(2), write(2, "copy.dcm"))
    assert "two slices at one place: 002.dcm (instance 2) and copy.dcm (instance 2);" in told


@pytest.mark.parametrize("tag", ["EchoTime", "EchoNumbers", "TemporalPositionIdentifier"])
def test_a_series_of_several_volumes_is_split_by_the_tag_that_tells_them(
    write: Write, tag: str
) -> None:
    paths = [
        write(n, ImagePositionPatient=[0, 0, 5.0 * k], **{tag: value})
        for n, (value, k) in enumerate(itertools.product((30, 4), (1, 2, 3)))
    ]
    volumes = found(*paths)
    assert [label for label, _ in volumes] == [
        f"000.dcm (series of 3 slices, {tag} {n} of 2)" for n in (1, 2)
    ]
    # The lower value first, though its files come last.
    firsts = [int(stack.read()[0][0, 0, 0]) for _, stack in volumes if isinstance(stack, Stack)]
    assert firsts == [300, 0]


def test_a_series_of_echoes_in_time_is_split_by_two_tags(write: Write) -> None:
    paths = [
        write(n, ImagePositionPatient=[0, 0, k], EchoTime=echo, TemporalPositionIdentifier=time)
        for n, (echo, time, k) in enumerate(itertools.product((4, 30), (1, 2, 3), (1, 2)))
    ]
    assert [label for label, _ in found(*paths)][-1] == (
        "000.dcm (series of 2 slices, EchoTime 2 of 2, TemporalPositionIdentifier 3 of 3)"
    )


def test_an_unfinished_volume_fails_and_the_others_go_on(write: Write) -> None:
    paths = [
        write(n, ImagePositionPatient=[0, 0, k], TemporalPositionIdentifier=time)
        for n, (time, k) in enumerate(itertools.product((1, 2, 3), (1, 2, 3)))
    ]
    *whole, (_, last) = found(*paths[:-1])
    assert all(isinstance(stack, Stack) for _, stack in whole)
    assert str(last) == "incomplete: 2 of 3 slices"


def test_numbers_that_differ_for_each_slice_do_not_split_a_series(write: Write) -> None:
    paths = [
        write(n, ImagePositionPatient=[0, 0, k // 2], AcquisitionNumber=n)
        for n, k in enumerate(range(6))
    ]
    assert "two slices at one place" in reason(*paths)


def test_values_stay_whole_where_rescaling_keeps_them_so(write: Write) -> None:
    ct = {"PixelRepresentation": 0, "RescaleSlope": 1, "RescaleIntercept": -1024}
    voxels, _ = volume(*(write(k, **ct) for k in (1, 2)))
    assert voxels.dtype == np.dtype("<i2")
    assert voxels[0, 0].tolist() == [100 - 1024, 200 - 1024]
    voxels, _ = volume(write(1, RescaleSlope=500, RescaleIntercept=0))
    assert voxels.dtype == np.dtype("<u2")
    assert voxels.max() == 111 * 500


def test_values_become_float32_where_rescaling_breaks_or_outgrows_them(write: Write) -> None:
    # Each slice has its own slope, as PET has.
    voxels, _ = volume(*(write(k, RescaleSlope=0.5 * k, RescaleIntercept=1) for k in (1, 2)))
    assert voxels.dtype == np.dtype("<f4")
    assert voxels[0, 0].tolist() == [51, 201]
    voxels, _ = volume(write(1, RescaleSlope=1000, RescaleIntercept=0))
    assert voxels.dtype == np.dtype("<f4")


def test_rescaling_beyond_float32_is_refused(write: Write) -> None:
    path = write(1, RescaleSlope="1e300", RescaleIntercept=0)
    assert reason(path) == "rescaled values are too large for float32"


def test_the_memory_that_a_series_takes_is_told_before_it_is_read(write: Write) -> None:
    [(_, stack)] = found(write(1, Rows=60000, Columns=60000))
    assert isinstance(stack, Stack)
    assert stack.declared_bytes == 60000 * 60000 * 2


def test_cut_and_absent_pixels_are_named_with_their_file(write: Write) -> None:
    short = write(2, PixelData=bytes(10))
    assert reason(write(1), short) == "002.dcm is cut short: 10 of 24 bytes of pixels"
    assert "002.dcm is cut short before its pixel data, or has none" in reason(
        write(1), write(2, PixelData=None)
    )


def test_pixels_that_cannot_be_decoded_say_what_they_are(write: Write) -> None:
    path = write(1)
    data = pydicom.dcmread(path)
    data.PixelData = pydicom.encaps.encapsulate([b"nonsense"])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = RLELossless
    data.save_as(path)
    told = reason(path)
    assert "pixel data of 001.dcm is cut short or cannot be decoded (RLE Lossless)" in told


def test_a_decoder_that_panics_fails_its_series_alone(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException): ...  # as pyo3 makes of a panic in Rust

    def panicking(*_: Any, **__: Any) -> Any:
        raise Panic("index out of bounds")

    monkeypatch.setattr(dicom, "iter_pixels", panicking)
    assert "cannot be decoded (Explicit VR Little Endian): index out" in reason(write(1))


def test_a_damaged_jpeg_ls_stream_does_not_end_the_process(tmp_path: Path) -> None:
    data = bytearray((DATA / "MR_small_jpeg_ls_lossless.dcm").read_bytes())
    data[data.index(b"\xff\xf7") + 4] = 99  # bits per sample: GDCM would abort
    path = tmp_path / "damaged.dcm"
    path.write_bytes(data)
    code = f"from tests.fr_pacs.sources.test_dicom import *; print(reason(Path({str(path)!r})))"
    done = subprocess.run(  # noqa: S603 - this test's own code
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be decoded (JPEG-LS Lossless" in done.stdout


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Rows": None}, "holds no image (MR)"),
        ({"PhotometricInterpretation": "RGB"}, "pixels are RGB, not MONOCHROME"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "pixels are PALETTE COLOR"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "a Siemens mosaic"),
        ({"NumberOfFrames": 5}, "5 frames in a file, which gives positions for 0"),
        ({"ModalityLUTSequence": [Dataset()]}, "Modality LUT"),
    ],
)
def test_images_that_cannot_be_scans_are_refused(
    write: Write, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(SourceError) as caught:
        slices_of(write(1, **changes))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"ImagePositionPatient": None},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]},
        {"PixelSpacing": [1, 0]},
    ],
)
def test_without_geometry_only_a_file_that_the_user_named_is_sent(
    write: Write, changes: dict[str, Any]
) -> None:
    path = write(1, **changes)
    assert "not placed in space" in reason(path)
    [(label, stack)] = found(path, alone=True)
    assert label == "001.dcm"
    assert isinstance(stack, Stack)
    assert stack.affine is None
    assert stack.read()[0].shape == (4, 3, 1)


def test_a_file_without_preamble_is_read_by_force_and_junk_is_not(tmp_path: Path) -> None:
    bare = tmp_path / "bare.dcm"
    bare.write_bytes((DATA / "MR_small_implicit.dcm").read_bytes()[132:])
    [piece] = read_slices(bare, "bare", KEY, force=True)
    [(_, stack)] = stacks([piece], alone=True)
    assert isinstance(stack, Stack)
    expected = volume(DATA / "MR_small.dcm")[0]
    np.testing.assert_array_equal(stack.read()[0], expected)
    bare.write_bytes(random.Random(1).randbytes(5000))  # noqa: S311 - no secret
    with pytest.raises(NotDicom):
        read_slices(bare, "bare", KEY, force=True)


def test_an_index_is_told_from_an_image() -> None:
    with pytest.raises(Index):
        slices_of(DATA / "dicomdirtests" / "DICOMDIR")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"AcquisitionDateTime": "20240229121314.5678"}, "2024-02-29T12:13:14.567"),
        ({"AcquisitionDateTime": "20240229121314+0200"}, "2024-02-29T10:13:14"),
        ({"AcquisitionDate": "20240229", "AcquisitionTime": "1213"}, "2024-02-29T12:13:00"),
        (
            {"SeriesDate": "20240229", "SeriesTime": "000000", "TimezoneOffsetFromUTC": "-0130"},
            "2024-02-29T01:30:00",
        ),
        ({"SeriesDate": "20249999", "SeriesTime": "121314"}, None),
        ({"SeriesDate": "20240229"}, None),
    ],
)
def test_the_time_of_the_scan_is_read_as_utc(
    write: Write, header: dict[str, str], expected: str | None
) -> None:
    with pydicom.config.disable_value_validation():
        [piece] = slices_of(write(1, **header))
    at = None if expected is None else datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert piece.acquired_at == at


def test_the_pseudonym_hangs_on_the_key_and_the_patient_alone(write: Write) -> None:
    path = write(1)
    [mine] = slices_of(path)
    [other] = read_slices(path, path.name, b"k" * 32, force=False)
    assert mine.subject == slices_of(write(2))[0].subject
    assert mine.subject != other.subject
    assert mine.subject is not None
    assert len(mine.subject) == 16
    assert slices_of(write(3, PatientID=None))[0].subject is None


def enhanced(path: Path, places: list[float], **tops: Any) -> Path:
    """An enhanced MR file of 2x2 frames at these z, frame n filled with n."""
    data = pydicom.dcmread(path)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(data, keyword)
    shared, data.NumberOfFrames = Dataset(), len(places)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [Dataset()], [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [1.0, 1.0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for n, z in enumerate(places):
        frame = Dataset()
        frame.PlanePositionSequence, frame.FrameContentSequence = [Dataset()], [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, z]
        frame.FrameContentSequence[0].TemporalPositionIndex = 1 + n * 2 // len(places)
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    data.Rows = data.Columns = 2
    data.PixelData = np.repeat(np.arange(len(places), dtype="<i2"), 4).tobytes()
    for keyword, value in tops.items():
        setattr(data, keyword, value)
    data.save_as(path)
    return path


def test_an_enhanced_file_is_a_series_of_its_frames(write: Write) -> None:
    [(label, stack)] = found(enhanced(write(1), [9.0, 3.0, 6.0, 0.0]))
    assert label == "001.dcm (series of 4 slices)"
    assert isinstance(stack, Stack)
    voxels, affine = stack.read()
    assert voxels[0, 0].tolist() == [3, 1, 2, 0]
    assert np.array(affine)[2].tolist() == [0, 0, 3, 0]


def test_a_gap_between_frames_names_the_frames(write: Write) -> None:
    told = reason(enhanced(write(1), [0.0, 3.0, 6.0, 12.0]))
    assert "between frame 3 and frame 4" in told


def test_an_enhanced_file_of_several_times_is_split(write: Write) -> None:
    volumes = found(enhanced(write(1), [0.0, 3.0, 0.0, 3.0]))
    values = [stack.read()[0][0, 0].tolist() for _, stack in volumes if isinstance(stack, Stack)]
    assert values == [[0, 1], [2, 3]]


def test_an_enhanced_file_that_miscounts_its_frames_is_refused(write: Write) -> None:
    with pytest.raises(SourceError, match="5 frames in a file, which gives positions for 2"):
        slices_of(enhanced(write(1), [0.0, 3.0], NumberOfFrames=5))


@pytest.mark.parametrize(
    "name",
    [
        *("MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm"),
        *("MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"),
        "MR_small_padded.dcm",
    ],
)
def test_one_image_is_the_same_in_all_transfer_syntaxes(name: str) -> None:
    voxels, affine = volume(DATA / "MR_small.dcm")
    other, placed = volume(DATA / name)
    assert other.dtype == voxels.dtype
    np.testing.assert_array_equal(other, voxels)
    np.testing.assert_array_equal(placed, affine)


def test_a_real_truncated_file_says_how_much_is_missing() -> None:
    told = reason(DATA / "MR_truncated.dcm")
    assert told == "MR_truncated.dcm is cut short: 8130 of 8192 bytes of pixels"


def test_a_real_ct_series_is_stacked_upwards() -> None:
    paths = sorted((DATA / "dicomdirtests/98892001/CT5N").iterdir())
    voxels, affine = volume(*paths)
    assert voxels.shape == (16, 16, 5)
    np.testing.assert_allclose(affine[2], [0, 0, 2.5, -1.2375], atol=1e-6)
    top = pydicom.dcmread(paths[0])  # instance 6 lies highest
    expected = top.pixel_array.T * float(top.RescaleSlope) + float(top.RescaleIntercept)
    np.testing.assert_array_equal(voxels[:, :, 4], expected)


def test_a_real_ct_series_with_a_gap_is_refused() -> None:
    paths = sorted((DATA / "dicomdirtests/77654033/CT2").iterdir())
    assert "slice missing between instance 18 and instance 180" in reason(*paths)


def test_a_real_localizer_has_mixed_orientations() -> None:
    assert "mixed orientations" in reason(*(DATA / "dicomdirtests/98892001/CT2N").iterdir())


@pytest.mark.skipif(not MOSAIC.exists(), reason="nibabel was installed without its test data")
def test_a_real_siemens_mosaic_is_refused() -> None:
    with pytest.raises(SourceError, match="Siemens mosaic"):
        slices_of(MOSAIC)


@pytest.mark.skipif(not PHILIPS.exists(), reason="nibabel was installed without its test data")
@pytest.mark.filterwarnings("ignore:The DICOM readers are highly experimental")
def test_a_real_enhanced_file_agrees_with_nibabel(tmp_path: Path) -> None:
    path = tmp_path / "mprage.dcm"
    path.write_bytes(gzip.decompress(PHILIPS.read_bytes()))
    voxels, affine = volume(path)
    assert voxels.shape == (256, 256, 176)
    wrappers: Any = importlib.import_module("nibabel.nicom.dicomwrappers")
    wrapper = wrappers.wrapper_from_file(path)
    theirs = wrapper.get_unscaled_data()  # (row, column, slice), LPS+
    frame = wrapper.frames[0].PixelValueTransformationSequence[0]
    slope, intercept = float(frame.RescaleSlope), float(frame.RescaleIntercept)
    place = np.array([100, 80])
    for k in (0, 30, 175):
        here = affine @ [place[1], place[0], k, 1]
        there = np.linalg.inv(wrapper.affine) @ [*(here * [-1, -1, 1]), 1]
        index = tuple(there[:3].round().astype(int))
        np.testing.assert_allclose(there[:3], index, atol=0.01)
        expected = theirs[index] * slope + intercept
        assert voxels[place[1], place[0], k] == pytest.approx(expected, rel=1e-6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
    kept=st.integers(0, 9830),
    force=st.booleans(),
)
def test_whatever_is_wrong_with_a_file_is_a_source_error(
    tmp_path_factory: pytest.TempPathFactory,
    hits: list[tuple[int, int]],
    kept: int,
    force: bool,
) -> None:
    data = bytearray((DATA / "MR_small.dcm").read_bytes())
    for place, value in hits:
        data[place] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.dcm"
    path.write_bytes(data[:kept] if kept % 2 else data)
    with suppress(SourceError):
        for _, stack in stacks(read_slices(path, "fuzzed", KEY, force=force), alone=True):
            if isinstance(stack, Stack) and stack.declared_bytes < 1 << 24:
                assert stack.read()[0].flags.f_contiguous
