"""Classic multi-frame files: read where they say where their frames lie, else refused by name."""

from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from common.errors import SourceError
from common.formats.dicom.headers import read_slices
from common.formats.dicom.multiframe import classic_frames
from common.formats.dicom.stack import Stack
from common.formats.not_a_scan import NotAScan
from tests.common.formats.dicom.dicom_files import found, read_voxels, slices_of, volume
from tests.common.formats.dicom.multiframe_files import (
    CAPTURE,
    SLICE_VECTOR,
    affine,
    voxels,
    write,
    write_nuclear,
)

ENERGY, SLOT, ROTATION = Tag("EnergyWindowVector"), Tag("TimeSlotVector"), Tag("RotationVector")


def stacks(*paths: Path) -> list[Stack]:
    made = [stack for _, stack in found(*paths)]
    assert all(isinstance(stack, Stack) for stack in made), made
    return [stack for stack in made if isinstance(stack, Stack)]


@pytest.mark.parametrize("step", [3.5, -3.5])
def test_a_reconstruction_says_where_its_frames_lie(tmp_path: Path, step: float) -> None:
    planted = voxels(6)
    read, found_affine = volume(write_nuclear(tmp_path / "a.dcm", planted, step))
    expected = affine(step)
    if step < 0:  # slices are sorted along the normal
        planted = planted[:, :, ::-1]
        expected[:3, 3] += expected[:3, 2] * 5
        expected[:3, 2] *= -1
    np.testing.assert_array_equal(read, planted)
    np.testing.assert_allclose(found_affine, expected[:3], atol=1e-4)


def test_frames_come_in_the_order_of_the_vector_of_slices(tmp_path: Path) -> None:
    path = write_nuclear(tmp_path / "a.dcm", voxels(4), SliceVector=[3, 1, 4, 2])
    read, found_affine = volume(path)
    np.testing.assert_array_equal(read, voxels(4)[:, :, [1, 3, 0, 2]])
    np.testing.assert_allclose(found_affine, affine(3.5)[:3], atol=1e-4)
    assert stacks(path)[0].problems == ()


def test_other_vectors_tell_volumes_apart(tmp_path: Path) -> None:
    path = write_nuclear(
        tmp_path / "a.dcm",
        voxels(12),
        FrameIncrementPointer=[ENERGY, SLOT, SLICE_VECTOR],
        EnergyWindowVector=[1] * 6 + [2] * 6,
        TimeSlotVector=[1, 1, 1, 2, 2, 2] * 2,
        SliceVector=[1, 2, 3] * 4,
        NumberOfSlices=3,
    )
    made = stacks(path)
    assert [stack.role for stack in made] == [
        f"anatomical, stack {e}, time {t}" for e in (1, 2) for t in (1, 2)
    ]
    for n, stack in enumerate(made):
        np.testing.assert_array_equal(read_voxels(stack)[0], voxels(12)[:, :, n * 3 : n * 3 + 3])


@pytest.mark.parametrize("kind", ["STATIC", "WHOLE BODY", "TOMO", "DYNAMIC"])
def test_projections_are_no_scans(tmp_path: Path, kind: str) -> None:
    path = write_nuclear(tmp_path / "a.dcm", voxels(3), ImageType=["ORIGINAL", "PRIMARY", kind])
    with pytest.raises(NotAScan) as caught:
        slices_of(path)
    assert caught.value.kind == "projection"


def test_frames_that_only_the_first_places_are_flagged(tmp_path: Path) -> None:
    [stack] = stacks(write(tmp_path / "a.dcm", voxels(5)))
    assert stack.problems == ("frames_assumed",)
    np.testing.assert_array_equal(read_voxels(stack)[0], voxels(5))
    np.testing.assert_allclose(np.array(stack.affine), affine(3.5)[:3], atol=1e-4)


def test_a_secondary_capture_is_a_volume_if_it_has_the_geometry_of_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", voxels(5), sop_class=CAPTURE)
    np.testing.assert_array_equal(volume(path)[0], voxels(5))
    for name in ("SpacingBetweenSlices", "ImagePositionPatient"):
        lacking: dict[str, Any] = {name: None}
        with pytest.raises(NotAScan) as caught:
            slices_of(write(tmp_path / "b.dcm", voxels(5), sop_class=CAPTURE, **lacking))
        assert caught.value.kind == "secondary_capture"
    with pytest.raises(NotAScan):
        slices_of(write(tmp_path / "c.dcm", voxels(1), sop_class=CAPTURE))


def test_a_named_film_is_refused_and_not_stacked(tmp_path: Path) -> None:
    film = {"FrameIncrementPointer": Tag("FrameTime"), "FrameTime": 40}
    path = write(tmp_path / "a.dcm", voxels(5), sop_class=CAPTURE, **film)
    with pytest.raises(SourceError, match="in time, not in space"):
        read_slices(path, "", force=False, pictures=True)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"FrameIncrementPointer": Tag("FrameTimeVector")}, "in time, not in space"),
        ({"FrameIncrementPointer": [ROTATION, SLICE_VECTOR]}, "around the patient, not in space"),
        ({"FrameTime": 40}, "may follow each other in time"),
        ({"NumberOfTemporalPositions": 5}, "may follow each other in time"),
        ({"SpacingBetweenSlices": None}, "where they lie (SpacingBetweenSlices)"),
        ({"SpacingBetweenSlices": 0}, "where they lie (not valid)"),
        ({"ImagePositionPatient": None}, "where they lie (ImagePositionPatient)"),
        ({"ImageOrientationPatient": [1, 0, 0]}, "where they lie (not valid)"),
        ({"FrameIncrementPointer": SLICE_VECTOR}, "whose SliceVector does not number each frame"),
        ({"FrameIncrementPointer": SLICE_VECTOR, "SliceVector": [1, 2]}, "not number each frame"),
        (
            {"FrameIncrementPointer": SLICE_VECTOR, "SliceVector": [0, 1, 2, 3, 4]},
            "not number each frame",
        ),
        ({"NumberOfFrames": 60_000}, "too small for them: copy it again"),
    ],
)
def test_frames_whose_place_is_not_told_are_refused(
    tmp_path: Path, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(SourceError) as caught:
        slices_of(write(tmp_path / "a.dcm", voxels(5), **fields))
    assert told in str(caught.value)


def test_slices_that_the_vector_leaves_out_are_missed(tmp_path: Path) -> None:
    order: dict[str, Any] = {"SliceVector": [1, 2, 3, 5], "NumberOfSlices": 5}
    [(_, outcome)] = found(write_nuclear(tmp_path / "a.dcm", voxels(4), **order))
    assert "slice missing" in str(outcome)
    [end] = stacks(write_nuclear(tmp_path / "b.dcm", voxels(4), NumberOfSlices=5))
    assert end.problems == ("slices_missing",)


def test_detectors_that_contradict_each_other_place_nothing(tmp_path: Path) -> None:
    one, two = Dataset(), Dataset()
    for n, item in enumerate((one, two)):
        item.ImagePositionPatient, item.ImageOrientationPatient = [0, 0, n], [1, 0, 0, 0, 1, 0]
    with pytest.raises(SourceError, match="does not say where they lie"):
        slices_of(
            write_nuclear(tmp_path / "a.dcm", voxels(3), DetectorInformationSequence=[one, two])
        )


def test_vectors_of_thousands_of_frames_cost_little() -> None:
    count = 8_000
    place = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    spacing = {"PixelSpacing": [1, 1], "SpacingBetweenSlices": 1}
    vectors = {"SliceVector": [*range(1, count + 1)], "TimeSlotVector": [1] * count}
    told = {"FrameIncrementPointer": [int(SLICE_VECTOR), int(SLOT)], **vectors}
    before = process_time()
    made = classic_frames({**place, **spacing, **told}, count)
    assert process_time() - before < 3
    assert made[-1]["ImagePositionPatient"] == [0.0, 0.0, count - 1.0]
    assert made[-1]["TemporalPositionIdentifier"] == "1"
