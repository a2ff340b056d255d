"""DICOM series, their copies, and the volumes in them."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from common.formats.dicom.left_out import LeftOut
from common.formats.dicom.stack import Stack
from common.scan_files.files import FileSource
from tests.common.formats.dicom.dicom_files import (
    DATA,
    Write,
    enhanced,
    found,
    left_out,
    outcomes,
    read_voxels,
    reason,
)

# pydicom warns of padding and wrong VRs in its odd test files; in use a filter of the module
# silences that, which pytest's own filters overrule here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def copied(paths: list[Path], folder: str) -> list[Path]:
    """The same instances in a folder beside theirs."""
    copies = [path.parent.with_name(folder) / path.name for path in paths]
    for path, copy in zip(paths, copies, strict=True):
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return copies


def told(*paths: Path) -> dict[str, int | str]:
    """How many slices each volume has, or why there is none."""
    return {
        label: len(stack.slices) if isinstance(stack, Stack) else str(stack)
        for label, stack in found(*paths)
    }


def test_two_slices_at_one_place_are_named(write: Write) -> None:
    paths = [write(k, f"{k}{name}.dcm", InstanceNumber=None) for k in (1, 2, 3) for name in "ab"]
    paths += [write(1, "1c.dcm", InstanceNumber=7)]
    for n, path in enumerate(paths):
        data = pydicom.dcmread(path)
        data.AcquisitionTime = f"10{n:02}00"
        data.PixelData = bytes([n]) + data.PixelData[1:]
        data.save_as(path)
    told = reason(*paths)
    assert "slices 1a.dcm and 1b.dcm have the same position (so do 3 more pairs)" in told


def test_slices_sent_again_under_new_uids_are_copies(write: Write) -> None:
    paths = [write(k) for k in (1, 2)]
    assert told(*paths, write(2, "copy.dcm")) == {"001.dcm (series of 2 slices)": 2}
    assert left_out(*paths, write(2, "copy.dcm")) == {"copy.dcm": "copy"}


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
    firsts = [
        int(read_voxels(stack)[0][0, 0, 0]) for _, stack in volumes if isinstance(stack, Stack)
    ]
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
    assert str(last) == "incomplete: 2 of 3 slices; export the whole series again"


def test_the_nth_slice_of_a_place_is_of_the_nth_volume(write: Write) -> None:
    paths = [
        write(n, ImagePositionPatient=[0, 0, k // 2], AcquisitionNumber=n)
        for n, k in enumerate(range(6))
    ]
    volumes = found(*paths)
    assert [label for label, _ in volumes] == [
        f"000.dcm (series of 3 slices, occurrence {n} of 2)" for n in (1, 2)
    ]
    firsts = [
        read_voxels(stack)[0][0, 0].tolist() for _, stack in volumes if isinstance(stack, Stack)
    ]
    assert firsts == [[0, 200, 400], [100, 300, 500]]


def test_an_enhanced_file_is_a_series_of_its_frames(write: Write) -> None:
    [(label, stack)] = found(enhanced(write(1), [9.0, 3.0, 6.0, 0.0]))
    assert label == "001.dcm (series of 4 slices)"
    assert isinstance(stack, Stack)
    voxels, affine = read_voxels(stack)
    assert voxels[0, 0].tolist() == [3, 1, 2, 0]
    assert np.array(affine)[2].tolist() == [0, 0, 3, 0]


def test_an_enhanced_file_of_several_times_is_split(write: Write) -> None:
    volumes = found(enhanced(write(1), [0.0, 3.0, 0.0, 3.0]))
    values = [
        read_voxels(stack)[0][0, 0].tolist() for _, stack in volumes if isinstance(stack, Stack)
    ]
    assert values == [[0, 1], [2, 3]]


def test_an_instance_in_several_transfer_syntaxes_is_one_scan(tmp_path: Path) -> None:
    names = [path.name for path in DATA.glob("MR_*.dcm") if path.name.startswith("MR_small")]
    for name in (*names, "MR_truncated.dcm"):
        (tmp_path / name).write_bytes((DATA / name).read_bytes())
    source = FileSource(tmp_path, pacs="site-a")
    [task] = source
    assert task.label == "MR_small.dcm"
    assert len(names) == 8
    left = {file.label: file.kind for file in source.skipped}
    copies = dict.fromkeys({*names} - {"MR_small.dcm"}, "copy")
    assert left == {**copies, "MR_truncated.dcm": "damaged_copy"}


def test_a_series_that_was_copied_is_one_scan(write: Write) -> None:
    a = [write(k, f"A/{k}.dcm") for k in (1, 2, 3)]
    b = copied(a, "B")
    [(label, stack)] = found(*a, *b)
    assert label == "1.dcm (series of 3 slices)"
    assert isinstance(stack, Stack)
    assert {plane.path.parent.name for plane in stack.slices} == {"A"}
    assert [one.kind for _, one in outcomes(*a, *b) if isinstance(one, LeftOut)] == ["copy"] * 3


def test_copies_beside_the_originals_are_left_out(write: Write) -> None:
    originals = [write(k) for k in (1, 2, 3)]
    copies = [path.with_suffix(".copy.dcm") for path in originals]
    for path, copy in zip(originals, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    everything = sorted(originals + copies)
    assert told(*everything) == {"001.dcm (series of 3 slices)": 3}
    assert left_out(*everything) == {f"00{k}.copy.dcm": "copy" for k in (1, 2, 3)}


@pytest.mark.parametrize("kept", [(1, 2, 4, 5), (1, 2, 3), (4,)])
@pytest.mark.parametrize("part_first", [False, True])
def test_of_a_whole_and_a_partial_copy_the_whole_one_is_sent(
    write: Write, kept: tuple[int, ...], part_first: bool
) -> None:
    a = [write(k, f"A/{k}.dcm") for k in (1, 2, 3, 4, 5)]
    b = copied([a[k - 1] for k in kept], "B")
    [(_, stack)] = found(*(b + a if part_first else a + b))
    assert isinstance(stack, Stack)
    assert {plane.path.parent.name for plane in stack.slices} == {"A"}
    assert stack.problems == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"InstanceNumber": lambda k: 100 + k},
        {"AcquisitionDate": lambda _: "20240102", "AcquisitionTime": lambda _: "141414"},
        {"SeriesDescription": lambda _: "t1 (sent again)"},
    ],
    ids=["number", "time", "description"],
)
def test_a_partial_copy_with_another_number_time_or_name_never_costs_the_series(
    write: Write, changes: dict[str, Callable[[int], Any]]
) -> None:
    a = [write(k, f"A/a{k}.dcm") for k in range(1, 7)]
    kept = (1, 2, 4, 5)
    b = [
        write(k, f"B/b{k}.dcm", **{name: change(k) for name, change in changes.items()})
        for k in kept
    ]
    for order in ((*a, *b), (*b, *a)):
        [(_, stack)] = found(*order)
        assert isinstance(stack, Stack)
        assert {plane.path.parent.name for plane in stack.slices} == {"A"}
        assert read_voxels(stack)[0][0, 0].tolist() == [100, 200, 300, 400, 500, 600]
        assert stack.problems == ()
        assert left_out(*order) == {f"b{k}.dcm": "copy" for k in kept}


def test_a_part_that_differs_from_the_whole_is_no_copy_of_it(write: Write) -> None:
    a = [write(k, f"A/a{k}.dcm") for k in range(1, 7)]
    other = (7 * np.arange(12, dtype="<i2")).tobytes()
    b = [write(k, f"B/b{k}.dcm", InstanceNumber=100 + k) for k in (1, 2)]
    b += [write(4, "B/b4.dcm", InstanceNumber=104, PixelData=other)]
    [(_, stack)] = found(*a, *b)
    assert isinstance(stack, Stack)
    assert stack.problems == ("slices_repeated",)
    assert left_out(*a, *b) == {"b1.dcm": "copy", "b2.dcm": "copy", "b4.dcm": "repeat"}
    b = [write(k, f"B/b{k}.dcm", EchoTime=9) for k in (1, 2)]
    b += [write(4, "B/b4.dcm", EchoTime=9, PixelData=other)]
    [part, whole] = [outcome for _, outcome in found(*a, *b)]
    assert isinstance(whole, Stack)
    assert str(part).startswith("slice missing")


def test_a_damaged_copy_of_a_slice_never_costs_the_series(write: Write) -> None:
    a = [write(k, f"A/{k}.dcm") for k in (1, 2)]
    b = copied(a, "B")
    a[0].write_bytes(a[0].read_bytes()[:-4])
    [(_, stack)] = found(*a, *b)
    assert isinstance(stack, Stack)
    assert {plane.path.parent.name for plane in stack.slices} == {"B"}
    assert read_voxels(stack)[0][0, 0].tolist() == [100, 200]


def test_copies_with_other_pixels_are_scans_of_their_own(write: Write) -> None:
    a = [write(k, f"A/{k}.dcm") for k in (1, 2)]
    b = copied(a, "B")
    for path in b:
        path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    volumes = found(*a, *b)
    assert [label for label, _ in volumes] == [
        "1.dcm (series of 2 slices)",
        "1.dcm (series of 2 slices, copy 2)",
    ]
    assert all(
        isinstance(stack, Stack) and stack.problems == ("copies_differ",) for _, stack in volumes
    )
    (_, first), (_, second) = found(*a, b[1])
    assert isinstance(first, Stack)
    assert str(second).startswith("1 of the 2 slices exist in another version")


def test_one_damaged_slice_at_the_end_never_costs_the_series(write: Write) -> None:
    paths = [write(k) for k in range(1, 8)]
    paths[-1].write_bytes(paths[-1].read_bytes()[:-4])
    (label, error), (_, stack) = sorted(found(*paths), key=lambda one: isinstance(one[1], Stack))
    assert label == "007.dcm"
    assert "truncated: 20 of 24 bytes" in str(error)
    assert isinstance(stack, Stack)
    assert (len(stack.slices), stack.problems) == (6, ("slices_missing",))


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientID": "patient-2"},
        {"PatientName": "Other^Person"},
        {"StudyInstanceUID": "1.2.3"},
        {"FrameOfReferenceUID": "1.2.3"},
        {"EchoTime": 90},
        {"ContrastBolusAgent": "gadolinium"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
    ],
)
def test_what_differs_is_never_one_volume(write: Write, changes: dict[str, Any]) -> None:
    """Two images half a slice apart under one series UID."""
    base = {"PatientName": "Doe^John", "EchoTime": 30, "StudyInstanceUID": "1.2"}
    one = [write(k, f"a{k}.dcm", **base) for k in range(1, 5)]
    other = {**base, **changes}
    two = [
        write(k, f"b{k}.dcm", ImagePositionPatient=[10, 20, 5 * k + 2.5], **other)
        for k in range(1, 5)
    ]
    assert list(told(*one, *two).values()) == [4, 4]


def test_a_slice_that_lacks_the_frame_of_reference_of_its_series_is_one_of_it(write: Write) -> None:
    frame = {"FrameOfReferenceUID": "1.2.3"}
    series = [write(k, **({} if k == 4 else frame)) for k in range(1, 8)]
    assert told(*series) == {"001.dcm (series of 7 slices)": 7}
    other = [write(k, f"b{k}.dcm", FrameOfReferenceUID="1.2.4") for k in range(1, 8)]
    found = told(*series, *other)
    assert found["b1.dcm (series of 7 slices)"] == 7
    assert "001.dcm (series of 7 slices)" not in found, "two frames, and its own is unknown"


def test_a_scout_inside_a_series_is_left_out(write: Write) -> None:
    paths = [write(k) for k in range(1, 8)]
    scout = write(8, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    small = write(9, Rows=2, Columns=6)
    far = write(10, ImagePositionPatient=[10, 20, 411.3])
    assert told(*paths, scout, small, far) == {"001.dcm (series of 7 slices)": 7}
    assert set(left_out(*paths, scout, small, far).values()) == {"stray"}
    assert set(left_out(*paths, scout, small, far)) == {"008.dcm", "009.dcm", "010.dcm"}


def test_slices_without_a_common_series_uid_are_joined_and_that_is_said(write: Write) -> None:
    for uids in ([None] * 3, ["1.2.1", "1.2.2", "1.2.3"]):
        paths = [write(k, SeriesInstanceUID=uid) for k, uid in enumerate(uids, 1)]
        [(_, stack)] = found(*paths)
        assert isinstance(stack, Stack)
        assert (len(stack.slices), stack.problems) == (3, ("series_joined",))
    paths = [write(k, SeriesInstanceUID=f"1.2.{k}", SeriesNumber=k) for k in (1, 2, 3)]
    assert len(found(*paths)) == 3


def test_slices_of_one_patient_whose_uids_were_replaced_one_by_one_are_joined(write: Write) -> None:
    """As careless anonymisers do; patients stay apart, and so do several images of one."""
    uids = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")

    def scattered(names: tuple[str, ...], count: int = 5, **changes: Any) -> dict[str, int | str]:
        paths = [
            write(k, f"{k}.dcm", **dict.fromkeys(names, f"1.2.{k}"), **changes)
            for k in range(1, count + 1)
        ]
        for _, stack in found(*paths):
            assert isinstance(stack, Stack)
            assert ("series_joined" in stack.problems) == (len(stack.slices) > 1)
        return told(*paths)

    for names in (uids, uids[:1], uids[2:], uids[:2]):
        assert scattered(names) == {"1.dcm (series of 5 slices)": 5}
    assert len(scattered(uids, 4)) == 4
    assert len(scattered(uids, PatientID=None)) == 5
    paths = [write(k, PatientID=f"{k}", **dict.fromkeys(uids, f"1.2.{k}")) for k in range(1, 6)]
    assert len(found(*paths)) == 5


def test_a_series_that_identifiers_divide_says_so(write: Write) -> None:
    paths = [write(k, StudyInstanceUID="1.2.3" if k < 4 else "1.2.4") for k in range(1, 7)]
    stacks = [stack for _, stack in found(*paths)]
    assert [len(s.slices) for s in stacks if isinstance(s, Stack)] == [3, 3]
    assert {s.problems for s in stacks if isinstance(s, Stack)} == {("series_divided",)}


def test_a_name_in_several_character_sets_is_one_patient(write: Write) -> None:
    """An archive converts the slices that pass through it."""
    sets = ("ISO_IR 100", "ISO_IR 192")
    paths = [
        write(k, SpecificCharacterSet=sets[k % 2], PatientName="Müller^Jörg", PatientID="Ä-1")
        for k in range(1, 7)
    ]
    assert told(*paths) == {"001.dcm (series of 6 slices)": 6}


def test_positions_that_were_lost_are_refused(write: Write) -> None:
    lost = [
        write(k, ImagePositionPatient=[0, 0, 0], AcquisitionTime=f"10100{k}") for k in (1, 2, 3)
    ]
    assert "have the same position" in reason(*lost)
    within = [write(k, ImagePositionPatient=[5 * k, 0, 0.5 * k]) for k in (1, 2, 3)]
    assert "slice positions do not match the orientation" in reason(*within)


def test_end_slices_that_the_file_counts_are_missed(write: Write) -> None:
    paths = [write(k, ImagesInAcquisition=6) for k in range(1, 6)]
    [(_, stack)] = found(*paths)
    assert isinstance(stack, Stack)
    assert stack.problems == ("slices_missing",)
    [(_, whole)] = found(*paths, write(6, ImagesInAcquisition=6))
    assert isinstance(whole, Stack)
    assert whole.problems == ()


def test_each_volume_of_a_copied_series_is_sent_once(write: Write) -> None:
    a = [
        write(n, f"A/{n}.dcm", ImagePositionPatient=[0, 0, k], EchoTime=echo)
        for n, (echo, k) in enumerate(itertools.product((4, 30), (1, 2, 3)))
    ]
    whole = {
        "0.dcm (series of 3 slices, EchoTime 1 of 2)": 3,
        "0.dcm (series of 3 slices, EchoTime 2 of 2)": 3,
    }
    assert told(*a, *copied(a, "B")) == whole
    assert told(*a, *copied([a[0], a[1], a[5]], "C")) == whole


def test_slices_to_which_an_exporter_gave_one_uid_are_one_series(write: Write) -> None:
    paths = [write(k, SOPInstanceUID="1.2.3") for k in (1, 2, 3)]
    assert told(*paths) == {"001.dcm (series of 3 slices)": 3}


def test_frames_of_files_that_differ_are_never_mixed(write: Write) -> None:
    long = enhanced(write(1, SOPInstanceUID="1.2.3"), [0.0, 3.0, 6.0, 9.0])
    short = enhanced(write(2, SOPInstanceUID="1.2.3", InstanceNumber=1), [0.0, 3.0])
    # Their first frames are equal: the short file has nothing of its own.
    assert told(long, short) == {"001.dcm (series of 4 slices)": 4}
    assert left_out(long, short) == {"002.dcm": "copy"}


def test_an_enhanced_file_that_was_copied_is_one_scan(write: Write) -> None:
    path = enhanced(write(1), [0.0, 3.0, 6.0])
    [copy] = copied([path], "B")
    assert told(path, copy) == {"001.dcm (series of 3 slices)": 3}
    assert left_out(path, copy) == {"001.dcm": "copy"}


def test_the_planes_of_a_localizer_are_volumes_with_names_of_their_own(write: Write) -> None:
    """Labels tell the volumes of a series apart: the table of a run has a row for each."""
    planes = ([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])
    paths = [
        write(
            10 * n + k,
            ImageOrientationPatient=plane,
            ImagePositionPatient=[5.0 * k if axis == 2 - n else 0 for axis in range(3)],
        )
        for n, plane in enumerate(planes)
        for k in range(4)
    ]
    assert [label for label, _ in found(*paths)] == [
        f"000.dcm (series of 4 slices, {name})" for name in ("axial", "coronal", "sagittal")
    ]
