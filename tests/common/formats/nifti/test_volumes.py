"""NIfTI volumes: what nibabel reads is what is sent, and what cannot be sent says why."""

import gzip
import importlib.util
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import SourceError
from common.formats.nifti.volumes import nifti_volumes

COLIN27 = Path("/usr/share/mricron/templates/ch2.nii.gz")
NIBABEL = Path(nib.__file__).parent / "tests" / "data"
NILEARN = importlib.util.find_spec("nilearn")
MNI152 = (
    Path(NILEARN.origin).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    if NILEARN and NILEARN.origin
    else Path("absent")
)
REAL = [COLIN27, MNI152, NIBABEL / "anatomical.nii", NIBABEL / "example4d.nii.gz"]
REAL += [NIBABEL / "example_nifti2.nii.gz", NIBABEL / "functional.nii"]

Save = Callable[..., Path]


def image(data: npt.NDArray[Any], affine: npt.NDArray[Any] | None = None) -> Any:
    made: Any = nib.Nifti1Image(data, np.eye(4) if affine is None else affine)  # type: ignore[no-untyped-call]
    return made


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(data: npt.NDArray[Any], name: str = "a.nii", **header: Any) -> Path:
        made = image(data)
        for field, value in header.items():
            made.header[field] = value
        nib.save(made, tmp_path / name)
        return tmp_path / name

    return write


def patched(path: Path, offset: int, form: str, *values: Any) -> Path:
    """The file with header fields overwritten that nibabel would not write so."""
    packed = path.suffix == ".gz"
    data = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    struct.pack_into(form, data, offset, *values)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def reason(path: Path) -> str:
    """Why the file, or one of its volumes, cannot be read."""
    try:
        for volume in nifti_volumes(path, "label"):
            volume.read()
    except SourceError as error:
        return str(error)
    return pytest.fail("nothing was wrong with it")


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files_give_the_voxels_and_the_affine_that_nibabel_gives(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is absent (Debian's mricron-data, or nilearn)")
    theirs: Any = nib.load(path)
    data = np.asarray(theirs.dataobj)
    data = data.reshape(*data.shape[:3], -1)
    volumes = nifti_volumes(path, path.name)
    assert len(volumes) == data.shape[3]
    for number, volume in enumerate(volumes):
        voxels, affine = volume.read()
        assert voxels.flags.f_contiguous
        np.testing.assert_allclose(voxels, data[..., number], rtol=1e-6)
        np.testing.assert_allclose(affine, theirs.affine[:3], atol=1e-6)
        assert volume.subject is None
        assert volume.acquired_at is None


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_a_type_that_a_scan_may_have_is_kept_and_made_little_endian(
    tmp_path: Path, dtype: str, order: str, name: str
) -> None:
    data = np.arange(60).reshape(3, 4, 5).astype(dtype)
    header = nib.Nifti1Header(endianness=order)  # type: ignore[no-untyped-call]
    header.set_data_dtype(data.dtype)  # type: ignore[no-untyped-call]
    made = nib.Nifti1Image(data, np.eye(4), header)  # type: ignore[no-untyped-call]
    nib.save(made, tmp_path / name)
    [volume] = nifti_volumes(tmp_path / name, "label")
    voxels, _ = volume.read()
    assert voxels.dtype == np.dtype(dtype).newbyteorder("<")
    np.testing.assert_array_equal(voxels, data)


def test_scaled_values_become_float32(save: Save) -> None:
    path = save(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    patched(path, 112, "<ff", 0.5, -3.0)  # scl_slope, scl_inter
    voxels, _ = nifti_volumes(path, "label")[0].read()
    assert voxels.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(voxels.ravel(), np.arange(24) * 0.5 - 3)


def test_a_slope_of_zero_means_unscaled(save: Save) -> None:
    path = patched(save(np.ones((2, 2, 2), np.int16)), 112, "<ff", 0.0, 7.0)
    voxels, _ = nifti_volumes(path, "label")[0].read()
    assert voxels.dtype == np.int16
    assert voxels.max() == 1


def test_scaling_beyond_float32_is_refused(save: Save) -> None:
    path = patched(save(np.full((2, 2, 2), 1e10)), 112, "<ff", 1e38, 0.0)
    assert "too large for float32" in reason(path)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 255, "uint8"),
        (-1, 127, "int8"),
        (0, 65535, "uint16"),
        (-1, 255, "int16"),
        (0, 2**32 - 1, "uint32"),
        (-1, 2**16, "int32"),
        (-1, 2**40, "float64"),
    ],
)
def test_64_bit_integers_take_the_smallest_type_that_holds_them(
    tmp_path: Path, low: int, high: int, expected: str
) -> None:
    data = np.array([low, high, 0, 1], np.int64).reshape(2, 2, 1)
    made = nib.Nifti1Image(data, np.eye(4), dtype=np.int64)  # type: ignore[no-untyped-call]
    nib.save(made, tmp_path / "a.nii")
    voxels, _ = nifti_volumes(tmp_path / "a.nii", "label")[0].read()
    assert voxels.dtype.name == expected
    np.testing.assert_array_equal(voxels, data)


def test_64_bit_integers_that_no_type_holds_are_refused(tmp_path: Path) -> None:
    data = np.array([-1, 2**60 + 1], np.int64).reshape(2, 1, 1)
    made = nib.Nifti1Image(data, np.eye(4), dtype=np.int64)  # type: ignore[no-untyped-call]
    nib.save(made, tmp_path / "a.nii")
    assert "no smaller type holds them exactly" in reason(tmp_path / "a.nii")


def test_colours_and_complex_numbers_are_refused_with_a_reason(save: Save) -> None:
    rgb = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "RGB" in reason(save(rgb))
    assert "complex" in reason(save(np.zeros((2, 2, 2), np.complex64)))


@pytest.mark.parametrize(
    ("shape", "expected", "volumes"),
    [
        ((4, 3), (4, 3, 1), 1),
        ((4, 3, 2), (4, 3, 2), 1),
        ((4, 3, 2, 1, 1), (4, 3, 2), 1),
        ((4, 3, 2, 5), (4, 3, 2), 5),
        ((4, 3, 1, 5, 1), (4, 3, 1), 5),
    ],
)
def test_planes_get_a_third_axis_and_trailing_axes_of_one_go(
    save: Save, shape: tuple[int, ...], expected: tuple[int, ...], volumes: int
) -> None:
    found = nifti_volumes(save(np.zeros(shape, np.uint8)), "label")
    assert len(found) == volumes
    assert all(volume.read()[0].shape == expected for volume in found)


def test_volumes_of_a_series_are_numbered_from_one(save: Save) -> None:
    data = np.arange(3, dtype=np.uint8) * np.ones((2, 2, 2, 1), np.uint8)
    found = nifti_volumes(save(data, "a.nii.gz"), "run/a.nii.gz")
    assert [volume.label for volume in found] == [f"run/a.nii.gz [volume {n}]" for n in (1, 2, 3)]
    assert [int(volume.read()[0].max()) for volume in found] == [0, 1, 2]


def test_vectors_and_rows_are_refused_with_their_axes(save: Save) -> None:
    assert "5-D data (2x2x2x1x3" in reason(save(np.zeros((2, 2, 2, 1, 3), np.float32)))
    assert "row of 7 values" in reason(save(np.zeros(7, np.float32)))


def test_an_axis_of_no_voxels_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 42, "<h", 0)
    assert reason(path) == "an empty volume: axes of 0x2x2 voxels"


def test_an_affine_in_metres_or_microns_is_made_millimetres(save: Save) -> None:
    for units, size in ((1, 1000.0), (2, 1.0), (3, 0.001)):
        path = save(np.zeros((2, 2, 2), np.uint8), xyzt_units=units)
        _, affine = nifti_volumes(path, "label")[0].read()
        assert affine[0][0] == pytest.approx(size)


def test_a_singular_affine_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 280, "<12f", *[0.0] * 12)  # srow_*
    patched(path, 254, "<h", 1)  # sform_code
    assert "singular" in reason(path)


def test_a_packed_file_is_read_whatever_its_name_says(save: Save, tmp_path: Path) -> None:
    path = save(np.full((2, 2, 2), 7, np.uint8), "a.nii.gz")
    named = path.rename(tmp_path / "b.nii")
    assert nifti_volumes(named, "label")[0].read()[0].max() == 7


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_what_is_not_nifti_says_so(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    assert reason(path) == "the file is empty"
    path.write_bytes(b"hello" * 200)
    assert "not a NIfTI file" in reason(path)


def test_half_of_a_pair_says_what_to_do(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 344, "<4s", b"ni1\0")
    assert ".hdr/.img pair" in reason(path)


def test_an_unknown_data_type_is_refused(save: Save) -> None:
    path = patched(save(np.zeros((2, 2, 2), np.uint8)), 70, "<h", 1234)
    assert "data code 1234 not recognized" in reason(path)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_that_is_cut_short_says_so(save: Save, name: str, kept: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (20, 20, 20), np.uint8)
    path = save(noise, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "the file is cut short" in reason(path)


def test_a_packed_file_without_its_checksum_is_cut_short(save: Save) -> None:
    path = save(np.zeros((9, 9, 9), np.uint8), "a.nii.gz")
    path.write_bytes(path.read_bytes()[:-4])
    assert "the file is cut short" in reason(path)


def test_a_damaged_packed_file_says_so(save: Save) -> None:
    path = save(np.zeros((9, 9, 9), np.uint8), "a.nii.gz")
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # in the checksum
    path.write_bytes(data)
    assert "the compressed data is damaged: CRC" in reason(path)


def test_a_file_that_declares_what_its_size_cannot_hold_is_refused_unread(save: Save) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8), "a.nii.gz")
    patched(path, 40, "<4h", 3, 30000, 30000, 30000)
    with pytest.raises(SourceError, match="cannot hold them"):
        nifti_volumes(path, "label")


def test_a_bomb_tells_its_size_before_it_is_read(save: Save) -> None:
    path = save(np.zeros((1000, 1000, 20), np.uint8), "a.nii.gz")
    [volume] = nifti_volumes(path, "label")
    assert path.stat().st_size < 200_000
    assert volume.declared_bytes == 20_000_000
    patched(path, 112, "<ff", 2.0, 0.0)
    assert nifti_volumes(path, "label")[0].declared_bytes == 80_000_000  # as float32


def test_a_file_that_changes_after_its_header_was_read_is_refused(save: Save) -> None:
    [volume] = nifti_volumes(save(np.zeros((2, 2, 2), np.uint8)), "label")
    save(np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(SourceError, match="changed after its header was read"):
        volume.read()


def test_a_file_that_goes_away_is_refused(save: Save) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8))
    [volume] = nifti_volumes(path, "label")
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read: No such file") as caught:
        volume.read()
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_threads_read_the_volumes_of_one_packed_file_in_any_order(save: Save) -> None:
    data = np.random.default_rng(2).integers(0, 999, (8, 8, 8, 30), np.int16)
    volumes = nifti_volumes(save(data, "a.nii.gz"), "label")
    order = np.random.default_rng(3).permutation(30)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda number: volumes[number].read()[0], order))
    for number, voxels in zip(order, found, strict=True):
        np.testing.assert_array_equal(voxels, data[..., number])
    np.testing.assert_array_equal(volumes[3].read()[0], data[..., 3])  # and once more


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    packed=st.booleans(),
    hits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    kept=st.integers(0, 500),
)
def test_whatever_is_wrong_with_a_file_is_a_source_error(
    tmp_path_factory: pytest.TempPathFactory,
    packed: bool,
    hits: list[tuple[int, int]],
    kept: int,
) -> None:
    whole = bytearray(image(np.arange(48, dtype=np.int16).reshape(4, 4, 3)).to_bytes())
    for place, value in hits:
        whole[place] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.nii"
    path.write_bytes(gzip.compress(whole) if packed else whole[:kept])
    with suppress(SourceError):
        for volume in nifti_volumes(path, "label")[:5]:
            assert volume.read()[0].flags.f_contiguous


def test_a_small_file_that_declares_millions_of_volumes_is_refused(tmp_path: Path) -> None:
    header: Any = nib.Nifti2Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype("uint8")
    header["dim"] = [4, 1, 1, 1, 4_000_000, 1, 1, 1]
    header["magic"], header["vox_offset"] = b"n+2", 544
    path = tmp_path / "many.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4_000_004)))
    assert path.stat().st_size < 10_000
    with pytest.raises(SourceError, match="4000000 volumes"):
        nifti_volumes(path, "many")
