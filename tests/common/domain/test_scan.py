from typing import Any

import bson
import nibabel
import numpy as np
import pytest
from bson.codec_options import CodecOptions
from hypothesis import assume, given
from pydantic import ValidationError

from common.domain.findings import Volumes
from common.domain.scan import BrainScan
from common.domain.types import Affine
from common.errors import VoxelsDamaged
from tests.strategies import UNIT_AFFINE, a_report, a_scan, affines, scans

AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


def square(affine: Affine) -> np.ndarray[Any, Any]:
    return np.vstack([np.array(affine), [0, 0, 0, 1]])


def nibabel_sizes(affine: Affine) -> tuple[float, ...]:
    sizes: np.ndarray[Any, Any] = nibabel.affines.voxel_sizes(square(affine))  # type: ignore[no-untyped-call]
    return tuple(sizes)


def nibabel_axes(affine: Affine) -> str:
    return "".join(nibabel.aff2axcodes(square(affine)))  # type: ignore[no-untyped-call]


def scan_in(affine: Affine) -> BrainScan:
    return a_scan(shape=(2, 2, 2), affine=affine)


@given(scans())
def test_any_scan_survives_a_round_trip_through_bson_and_json(
    pair: tuple[BrainScan, bytes],
) -> None:
    scan, _ = pair
    stored = bson.decode(bson.encode(scan.document()), AWARE)
    assert BrainScan.model_validate(stored) == scan
    assert BrainScan.model_validate_json(scan.model_dump_json()) == scan


@given(affines())
def test_the_voxel_size_is_that_of_nibabel(affine: Affine) -> None:
    size = scan_in(affine).voxel_size_mm
    assert size == pytest.approx(nibabel_sizes(affine))


@given(affines())
def test_the_orientation_is_that_of_nibabel(affine: Affine) -> None:
    cosines = np.abs(np.array(affine)[:, :3] / nibabel_sizes(affine))
    entries = np.sort(cosines.ravel())
    # Halfway between two directions rounding decides, and either answer is right.
    close = np.diff(entries) < 1e-9
    assume(not (close & (entries[1:] > 1e-9) & (entries[1:] < 1 - 1e-9)).any())
    assert scan_in(affine).orientation == nibabel_axes(affine)


@pytest.mark.parametrize(
    ("affine", "axes"),
    [
        (UNIT_AFFINE, "RAS"),
        (((-1, 0, 0, 0), (0, -1, 0, 0), (0, 0, 2, 0)), "LPS"),
        (((0, 0, -3, 0), (1, 0, 0, 0), (0, -1, 0, 0)), "AIL"),
        (((0.8, -0.6, 0, 9), (0.6, 0.8, 0, 9), (0, 0, -1, 9)), "RAI"),
    ],
)
def test_known_orientations(affine: Affine, axes: str) -> None:
    assert scan_in(affine).orientation == axes


def test_an_image_that_is_not_in_space_has_no_voxel_size_and_no_orientation() -> None:
    scan = a_scan()
    assert scan.affine is None
    assert scan.voxel_size_mm is None
    assert scan.orientation is None


@pytest.mark.parametrize(
    "affine",
    [
        ((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)),
        ((1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 1, 0)),
        ((1, 1, 0, 0), (1, 1, 0, 0), (0, 0, 1, 0)),
        ((1000, 1000, 0, 0), (1000, 1000.0000001, 0, 0), (0, 0, 1000, 0)),
    ],
)
def test_a_singular_affine_is_refused(affine: Affine) -> None:
    with pytest.raises(ValidationError, match="singular"):
        scan_in(affine)


def test_the_voxels_of_a_microscope_are_not_singular() -> None:
    small = 2e-4
    scan = scan_in(((small, 0, 0, 0), (0, small, 0, 0), (0, 0, small, 0)))
    assert scan.voxel_size_mm == pytest.approx((small,) * 3)


@pytest.mark.parametrize("large", [1e7, 1e103, 1e200, 1.7e308])
@pytest.mark.parametrize("place", [0, 3])
def test_an_affine_whose_volumes_would_overflow_is_refused(large: float, place: int) -> None:
    row = [1.0, 0.0, 0.0, 0.0]
    row[place] = large
    with pytest.raises(ValidationError, match="above 1,000,000 mm"):
        scan_in((row, *UNIT_AFFINE[1:]))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        scan_in(((value, 0, 0, 0), *UNIT_AFFINE[1:]))
    with pytest.raises(ValidationError, match="finite"):
        a_report(run_time_ms=value)
    with pytest.raises(ValidationError, match="finite"):
        Volumes(head_ml=value, brain_ml=0)


@pytest.mark.parametrize(
    "fields",
    [
        {"shape": (8,)},
        {"shape": (2, 2, 2, 1)},
        {"shape": (0, 8)},
        {"shape": (-1, -8)},
        {"shape": (70000, 1), "voxels_bytes": 70000},
        {"shape": (2, 2)},
        {"dtype": "int16"},
        {"dtype": ">i2"},
        {"dtype": "complex64"},
        {"dtype": "object"},
        {"voxels_bytes": 7},
        {"voxels_bytes": 0},
        {"voxels_hash": "0" * 63},
        {"voxels_hash": "X" * 64},
        {"scan_type": "Grid"},
        {"scan_type": ""},
        {"pacs": "a b"},
        {"subject": "x" * 65},
        {"study": "1.2.840.113619.2"},  # an identifier of a hospital, no pseudonym
        {"series": "20240229"},
        {"session": "ses-20240229"},
        {"modality": "Doe^Jane"},
        {"body_part": "Jane Doe"},
        {"contrast": "Jane Doe"},
        {"role": "Jane"},
        {"problems": ("Jane Doe",)},
        {"acquired_zone": "Europe/Berlin"},
        {"signal": {"sampling_rate_hz": 0, "leads": ["I"], "units": "mV"}},
        {"acquired_at": "yesterday"},
        {"affine": ((1, 0, 0), (0, 1, 0), (0, 0, 1))},
    ],
    ids=str,
)
def test_a_header_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_scan(**fields)


ECG: dict[str, Any] = {"sampling_rate_hz": 500, "leads": ["I", "II"], "units": "mV"}


def test_a_signal_has_samples_and_leads_and_may_be_long() -> None:
    samples = bytes(140_000)
    scan = a_scan(samples, shape=(70_000, 2), signal=ECG)
    assert scan.kind == "signal"
    assert scan.array(samples)[:, 1].flags.contiguous
    assert a_scan().kind == "image"


@pytest.mark.parametrize(
    "fields",
    [
        {"shape": (2, 4), "signal": ECG},
        {"shape": (2, 2, 2), "signal": ECG},
        {"shape": (4, 2), "signal": ECG | {"gains": [200.0]}},
        {"shape": (4, 2), "signal": ECG | {"gains": [200.0, 0.0]}},
        {"shape": (4, 2), "signal": ECG | {"lead_units": ["mV", "mV", "mV"]}},
        {"shape": (4, 2), "signal": ECG | {"filters": ["Jane Doe"]}},
    ],
    ids=str,
)
def test_a_signal_that_contradicts_itself_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_scan(**fields)


def test_the_meaning_of_the_samples_is_content_and_how_they_were_recorded_is_not() -> None:
    scan = a_scan(shape=(4, 2), signal=ECG)
    assert scan.same_content(a_scan(shape=(4, 2), signal={**ECG, "gains": [200.0, 200.0]}))
    assert not scan.same_content(a_scan(shape=(4, 2), signal={**ECG, "sampling_rate_hz": 250}))
    assert not scan.same_content(a_scan(shape=(4, 2)))


@given(scans())
def test_the_array_has_the_voxels_in_fortran_order_little_endian(
    pair: tuple[BrainScan, bytes],
) -> None:
    scan, voxels = pair
    array = scan.array(voxels)
    assert array.shape == scan.shape
    assert array.dtype == np.dtype(scan.dtype).newbyteorder("<")
    assert array.flags.f_contiguous
    assert array.tobytes(order="F") == voxels


def test_the_first_axis_of_the_array_varies_fastest() -> None:
    array = a_scan(bytes(range(6)), shape=(3, 2)).array(bytes(range(6)))
    assert array[:, 0].tolist() == [0, 1, 2]
    assert array[:, 1].tolist() == [3, 4, 5]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_array_is_read_only_and_no_copy(kind: Any) -> None:
    voxels = kind(b"voxels..")
    array = a_scan().array(voxels)
    assert np.shares_memory(array, np.frombuffer(voxels, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1


@pytest.mark.parametrize("voxels", [b"", b"voxels.", b"voxels..."])
def test_an_array_of_another_byte_count_is_refused(voxels: bytes) -> None:
    with pytest.raises(VoxelsDamaged, match=f"{len(voxels)} bytes of voxels, 8 declared"):
        a_scan().array(voxels)


def test_what_has_only_its_default_does_not_travel() -> None:
    document = a_scan().document()
    assert set(document) == {
        *("scan_id", "pacs", "scan_type", "acquired_at", "shape", "dtype"),
        *("voxels_bytes", "voxels_hash", "priority"),
    }


@pytest.mark.parametrize(
    "attributes",
    [
        {"subject": "sub-01"},
        {"study": "0123456789abcdef", "series": "0123456789abcdef"},
        {"session": "ses-02"},
        {"acquired_at": None},
        {"scan_type": "volume", "contrast": "t1", "modality": "MR", "role": "anatomical"},
        {"problems": ("slices_missing",)},
        {"priority": "stat"},
    ],
    ids=str,
)
def test_headers_that_differ_in_attributes_are_of_the_same_scan(
    attributes: dict[str, Any],
) -> None:
    assert a_scan().same_content(a_scan(**attributes))


def test_another_image_is_another_scan() -> None:
    scan = scan_in(UNIT_AFFINE)
    moved = ((1.0, 0.0, 0.0, 2.0), *UNIT_AFFINE[1:])
    other = (scan_in(moved), a_scan(shape=(2, 2, 2)), a_scan(b"other..."), a_scan(pacs="pacs-2"))
    assert not any(scan.same_content(one) for one in other)


def test_noise_of_an_export_makes_no_other_scan() -> None:
    noise = ((1.0000001, 0.0, 0.0, 0.00001), *UNIT_AFFINE[1:])
    assert scan_in(UNIT_AFFINE).same_content(scan_in(noise))


@pytest.mark.parametrize(
    ("fields", "contrast"),
    [
        ({"scan_type": "volume"}, None),
        ({"scan_type": "volume", "contrast": "t1"}, "t1"),
        ({"scan_type": "flair"}, "flair"),  # as earlier releases sent heads
        ({"scan_type": "flair", "contrast": "t1"}, "t1"),
    ],
)
def test_the_contrast_of_earlier_releases_was_the_type(
    fields: dict[str, Any], contrast: str | None
) -> None:
    assert a_scan(**fields).declared_contrast == contrast
