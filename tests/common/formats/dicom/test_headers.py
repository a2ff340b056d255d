"""DICOM headers: what they say of a slice, and which files are none."""

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import SourceError
from common.formats.dicom.file_kinds import NotDicom
from common.formats.dicom.headers import read_slices
from common.formats.dicom.series import stack_series
from common.formats.dicom.stack import Stack
from common.formats.not_a_scan import NotAScan, UnreadKind
from tests.common.formats.dicom.dicom_files import (
    DATA,
    Write,
    read_voxels,
    slices_of,
    volume,
)

# pydicom warns of padding and wrong VRs in its odd test files; in use a filter of the module
# silences that, which pytest's own filters overrule here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Rows": None}, "contains no image (MR)"),
        ({"PhotometricInterpretation": "RGB"}, "pixels are RGB, not MONOCHROME"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "a Siemens mosaic"),
        ({"NumberOfFrames": 5}, "5 frames in one file, which does not say where they lie"),
    ],
)
def test_images_that_cannot_be_scans_are_refused(
    write: Write, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(SourceError) as caught:
        slices_of(write(1, **changes))
    assert told in str(caught.value)


def test_a_file_without_preamble_is_read_by_force_and_junk_is_not(tmp_path: Path) -> None:
    bare = tmp_path / "bare.dcm"
    bare.write_bytes((DATA / "MR_small_implicit.dcm").read_bytes()[132:])
    [plane] = slices_of(bare, force=True)
    [(_, stack)] = stack_series([plane], single_file=True)
    assert isinstance(stack, Stack)
    expected = volume(DATA / "MR_small.dcm")[0]
    np.testing.assert_array_equal(read_voxels(stack)[0], expected)
    bare.write_bytes(random.Random(1).randbytes(5000))  # noqa: S311 - no secret
    with pytest.raises(NotDicom):
        slices_of(bare, force=True)


def kind(path: Path) -> str:
    with pytest.raises(NotAScan) as caught:
        slices_of(path)
    return caught.value.kind


def test_objects_are_told_from_images_by_their_sop_class(write: Write) -> None:
    assert kind(DATA / "dicomdirtests" / "DICOMDIR") == "dicomdir"
    # They look like slices in all else, as what some workstations write does.
    assert kind(write(1, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")) == "secondary_capture"
    assert kind(write(1, SOPClassUID="1.2.840.10008.5.1.4.1.1.481.2")) == "radiotherapy"
    assert kind(write(1, SOPClassUID="1.2.840.10008.5.1.4.1.1.66", Rows=None)) == "raw_data"


def test_a_colour_map_in_the_guise_of_mr_is_no_scan(write: Write) -> None:
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
    assert kind(write(1, **rgb)) == "colour_image"
    path = write(1, PhotometricInterpretation="PALETTE COLOR")
    assert kind(path) == "colour_image"
    with pytest.raises(UnreadKind, match="pixels are PALETTE COLOR, not MONOCHROME"):
        read_slices(path, "", force=False, pictures=True)


def test_pictures_are_read_where_they_are_wanted_unless_they_have_colours(write: Write) -> None:
    capture = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}
    path = write(1, **capture)
    assert len(read_slices(path, "", force=False, pictures=True).slices) == 1
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
    with pytest.raises(NotAScan):
        read_slices(write(1, **capture, **rgb), "", force=False, pictures=True)


def test_an_image_without_pixels_is_refused_not_skipped(write: Write) -> None:
    with pytest.raises(UnreadKind, match=r"contains no image \(MR\)"):
        slices_of(write(1, Rows=None))


def test_the_pseudonym_hangs_on_the_key_and_the_patient_alone(write: Write) -> None:
    path = write(1)
    [mine] = slices_of(path)
    [other] = slices_of(path, b"k" * 32)
    assert mine.subject == slices_of(write(2))[0].subject
    assert mine.subject != other.subject
    assert mine.subject is not None
    assert len(mine.subject) == 16
    assert slices_of(write(3, PatientID=None))[0].subject is None


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
        for _, stack in stack_series(slices_of(path, force=force), single_file=True):
            if isinstance(stack, Stack) and stack.declared_bytes < 1 << 24:
                assert read_voxels(stack)[0].flags.f_contiguous


def test_a_reason_quotes_nothing_that_a_file_says(write: Write) -> None:
    with pytest.raises(SourceError) as caught:
        slices_of(write(1, PhotometricInterpretation="DOE^JOHN"))
    assert str(caught.value) == "pixels are not MONOCHROME: send greyscale images"
    with pytest.raises(SourceError) as caught:
        slices_of(write(1, Rows=None, Modality="DOE^JOHN"))
    assert "DOE" not in str(caught.value)
