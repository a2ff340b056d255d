"""DICOM series, their copies, and the volumes in them."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from common.errors import SourceError
from common.formats.dicom.stack import Stack
from fr_pacs.sources.files import FileSource
from tests.common.formats.dicom.dicom_files import DATA, Write, enhanced, found, read_voxels, reason

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
    told = reason(write(1), write(2), write(2, "copy.dcm"))
    assert "two slices at one position: 002.dcm (instance 2) and copy.dcm (instance 2);" in told


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


def test_numbers_that_differ_for_each_slice_do_not_split_a_series(write: Write) -> None:
    paths = [
        write(n, ImagePositionPatient=[0, 0, k // 2], AcquisitionNumber=n)
        for n, k in enumerate(range(6))
    ]
    assert "two slices at one position" in reason(*paths)


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


def test_an_instance_in_several_transfer_syntaxes_is_as_many_scans(tmp_path: Path) -> None:
    for path in DATA.glob("MR_*.dcm"):
        if path.name.startswith(("MR_small", "MR_truncated")):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    source = FileSource(tmp_path, pacs="site-a")
    assert source.total == 9
    *good, cut = source
    assert [task.label for task in good] == [
        "MR_small.dcm",
        "MR_small_RLE.dcm (copy 2)",
        "MR_small_bigendian.dcm (copy 3)",
        "MR_small_expb.dcm (copy 4)",
        "MR_small_implicit.dcm (copy 5)",
        "MR_small_jp2klossless.dcm (copy 6)",
        "MR_small_jpeg_ls_lossless.dcm (copy 7)",
        "MR_small_padded.dcm (copy 8)",
    ]
    scans = [task.load().scan for task in good]
    assert len({scan.scan_id for scan in scans}) == 8
    assert len({scan.voxels_hash for scan in scans}) == 1
    assert cut.label == "MR_truncated.dcm (copy 9)"
    with pytest.raises(SourceError, match=r"MR_truncated\.dcm is truncated"):
        cut.load()


def test_a_series_that_was_copied_is_two_whole_scans(write: Write) -> None:
    a = [write(k, f"A/{k}.dcm") for k in (1, 2, 3)]
    volumes = found(*a, *copied(a, "B"))
    assert [label for label, _ in volumes] == [
        "1.dcm (series of 3 slices)",
        "1.dcm (series of 3 slices, copy 2)",
    ]
    for (_, stack), folder in zip(volumes, "AB", strict=True):
        assert isinstance(stack, Stack)
        assert {plane.path.parent.name for plane in stack.slices} == {folder}
        assert read_voxels(stack)[0][0, 0].tolist() == [100, 200, 300]


def test_copies_beside_the_originals_are_a_scan_of_their_own(write: Write) -> None:
    originals = [write(k) for k in (1, 2, 3)]
    copies = [path.with_suffix(".copy.dcm") for path in originals]
    for path, copy in zip(originals, copies, strict=True):
        copy.write_bytes(path.read_bytes())
    assert told(*sorted(originals + copies)) == {
        "001.copy.dcm (series of 3 slices)": 3,
        "001.dcm (series of 3 slices, copy 2)": 3,
    }


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ((1, 2, 4, 5), "slice missing between instance 2 and instance 4"),
        ((1, 2, 3), "incomplete: 3 of 5 slices"),
        ((4,), "incomplete: 1 of 5 slices"),
    ],
)
def test_a_copy_of_a_part_fails_and_the_first_one_is_sent(
    write: Write, kept: tuple[int, ...], why: str
) -> None:
    a = [write(k, f"A/{k}.dcm") for k in (1, 2, 3, 4, 5)]
    (_, whole), (label, part) = told(*a, *copied([a[k - 1] for k in kept], "B")).items()
    assert whole == 5
    assert "copy 2)" in label
    assert str(part).startswith(why)


def test_a_series_whose_copy_has_a_damaged_slice_is_sent_once(write: Write) -> None:
    a = [write(k, f"A/{k}.dcm") for k in (1, 2)]
    b = copied(a, "B")
    b[1].write_bytes(b[1].read_bytes()[:-4])
    (_, first), (_, second) = found(*a, *b)
    assert isinstance(first, Stack)
    assert isinstance(second, Stack)
    assert read_voxels(first)[0].shape == (4, 3, 2)
    with pytest.raises(SourceError, match=r"2\.dcm is truncated"):
        read_voxels(second)


def test_each_volume_of_a_copied_series_is_there_twice(write: Write) -> None:
    a = [
        write(n, f"A/{n}.dcm", ImagePositionPatient=[0, 0, k], EchoTime=echo)
        for n, (echo, k) in enumerate(itertools.product((4, 30), (1, 2, 3)))
    ]
    assert told(*a, *copied(a, "B")) == {
        "0.dcm (series of 3 slices, EchoTime 1 of 2)": 3,
        "0.dcm (series of 3 slices, EchoTime 2 of 2)": 3,
        "0.dcm (series of 3 slices, EchoTime 1 of 2, copy 2)": 3,
        "0.dcm (series of 3 slices, EchoTime 2 of 2, copy 2)": 3,
    }


def test_a_copy_of_parts_of_two_volumes_is_not_taken_for_one(write: Write) -> None:
    a = [
        write(n, f"A/{n}.dcm", ImagePositionPatient=[0, 0, k], EchoTime=echo)
        for n, (echo, k) in enumerate(itertools.product((4, 30), (1, 2, 3)))
    ]
    # One slice at each place, two of one echo and one of the other.
    *whole, one, two = told(*a, *copied([a[0], a[1], a[5]], "B")).items()
    assert [count for _, count in whole] == [3, 3]
    assert one == (
        "0.dcm (series of 2 slices, EchoTime 1 of 2, copy 2)",
        "incomplete: 2 of 3 slices; export the whole series again",
    )
    assert two == (
        "0.dcm (EchoTime 2 of 2, copy 2)",
        "incomplete: 1 of 3 slices; export the whole series again",
    )


def test_a_copy_of_a_part_of_what_cannot_be_told_apart_is_not_sent(write: Write) -> None:
    a = [write(n, f"A/{n}.dcm", ImagePositionPatient=[0, 0, n // 2]) for n in range(6)]
    (_, first), (_, second) = told(*a, *copied(a[::2], "B")).items()
    assert "two slices at one position" in str(first)
    assert second == "incomplete: 3 of 6 slices; export the whole series again"


def test_slices_to_which_an_exporter_gave_one_uid_are_one_series(write: Write) -> None:
    paths = [write(k, SOPInstanceUID="1.2.3") for k in (1, 2, 3)]
    assert told(*paths) == {"001.dcm (series of 3 slices)": 3}


def test_frames_of_files_that_differ_are_never_mixed(write: Write) -> None:
    long = enhanced(write(1, SOPInstanceUID="1.2.3"), [0.0, 3.0, 6.0, 9.0])
    short = enhanced(write(2, SOPInstanceUID="1.2.3", InstanceNumber=1), [0.0, 3.0])
    assert "two slices at one position" in reason(long, short)


def test_an_enhanced_file_that_was_copied_is_two_scans(write: Write) -> None:
    path = enhanced(write(1), [0.0, 3.0, 6.0])
    [copy] = copied([path], "B")
    assert told(path, copy) == {
        "001.dcm (series of 3 slices)": 3,
        "001.dcm (series of 3 slices, copy 2)": 3,
    }
