"""The reader: what it reads, and that a child that dies, hangs or is killed fails one file."""

import contextlib
import os
import resource
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from common.errors import SourceError
from common.formats import reader as reader_module
from common.formats.dicom.series import stack_series
from common.formats.dicom.slices import Slice
from common.formats.dicom.stack import Stack
from common.formats.ecg.recording import EcgFile
from common.formats.nifti.volumes import NiftiVolume
from common.formats.reader import Reader
from common.formats.reading import budgets
from common.formats.reading.process import ReaderFailed, ReaderProcess
from tests.common.formats.dicom.dicom_files import DATA, KEY, enhanced, writer
from tests.common.formats.nifti.nifti_files import saver
from tests.fuzz.headers import element, file, usual
from tests.fuzz.targets import CORPUS, FINDINGS

WAIT_S = 120.0
MIB = 1 << 20


@pytest.fixture
def reader() -> Iterator[Reader]:
    """A reader of one process."""
    made = Reader(processes=1)
    yield made
    made.close()


def found(reader: Reader, path: Path) -> list[NiftiVolume] | list[Slice] | list[EcgFile]:
    """What is in a file."""
    [inside] = reader.discover([(path, path.name)], KEY)
    if isinstance(inside, SourceError):
        raise inside
    assert isinstance(inside, list)
    return inside


def nifti(reader: Reader, path: Path) -> NiftiVolume:
    [volume] = found(reader, path)
    assert isinstance(volume, NiftiVolume)
    return volume


def stack(reader: Reader, *paths: Path) -> Stack:
    """The one volume in DICOM files."""
    slices = [plane for path in paths for plane in found(reader, path)]
    [(_, made)] = stack_series([one for one in slices if isinstance(one, Slice)], single_file=True)
    assert isinstance(made, Stack)
    return made


def noise(mib: int) -> npt.NDArray[np.uint8]:
    """Voxels that take long to inflate."""
    return np.random.default_rng(1).integers(0, 4, (1024, 1024, mib), np.uint8)


def opened(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(fd.readlink()) == str(path):
                    return True
    return False


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def interrupted(reader: Reader, path: Path, act: Callable[[int], None]) -> str:
    """Why a file fails whose child is acted on while it reads it."""
    volume = nifti(reader, path)
    [pid] = reader.pids
    reasons: list[str] = []

    def read() -> None:
        try:
            reader.read(volume)
        except ReaderFailed as error:
            reasons.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    until(lambda: opened(pid, path))
    act(pid)
    thread.join(WAIT_S)
    [reason] = reasons
    return reason


def test_a_small_and_a_large_volume_come_as_they_are(reader: Reader, tmp_path: Path) -> None:
    for shape in ((2, 3, 4), (128, 128, 40)):
        data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
        volume = nifti(reader, saver(tmp_path)(data))
        voxels, affine = reader.read(volume)
        np.testing.assert_array_equal(voxels, data)
        assert voxels.flags.f_contiguous
        assert affine == volume.layout.affine


def test_a_series_comes_rescaled_with_its_pseudonym(reader: Reader, tmp_path: Path) -> None:
    write = writer(tmp_path)
    made = stack(reader, *(write(k, RescaleSlope=0.5, RescaleIntercept=1) for k in (1, 2, 3)))
    voxels, affine = reader.read(made)
    assert voxels.dtype == np.dtype("<f4")
    assert voxels[0, 0].tolist() == [51, 101, 151]
    assert affine == made.affine
    assert made.subject is not None
    assert "patient" not in made.subject


def test_memory_is_used_again_when_nobody_refers_to_it_and_not_before(
    reader: Reader, tmp_path: Path
) -> None:
    volumes = [
        nifti(reader, saver(tmp_path)(np.full((128, 128, 99), n, np.uint8), f"{n}.nii"))
        for n in range(6)
    ]
    kept = [reader.read(volume)[0] for volume in volumes[:3]]
    for volume in volumes * 3:
        voxels = reader.read(volume)[0]
        assert (voxels == int(volume.label[0])).all()
        assert not voxels.flags.writeable
        del voxels
    for n, array in enumerate(kept):
        assert (array == n).all()


def test_a_killed_child_fails_its_file_and_the_next_gets_a_fresh_one(
    reader: Reader, tmp_path: Path
) -> None:
    path = saver(tmp_path)(noise(80), "a.nii.gz")
    reason = interrupted(reader, path, lambda pid: os.kill(pid, 9))
    assert "was killed" in reason
    assert "send it again" in reason
    good = nifti(reader, saver(tmp_path)(np.ones((2, 2, 2), np.uint8)))
    assert reader.read(good)[0].max() == 1


@pytest.mark.long
def test_questions_behind_the_one_that_kills_the_child_are_asked_again(
    reader: Reader, tmp_path: Path
) -> None:
    slow = nifti(reader, saver(tmp_path)(noise(80), "a.nii.gz"))
    good = nifti(reader, saver(tmp_path)(np.ones((2, 2, 2), np.uint8)))
    [pid] = reader.pids
    waiting = [reader.prefetch(slow), reader.prefetch(good), reader.prefetch(good)]
    until(lambda: opened(pid, slow.path))
    os.kill(pid, 9)
    assert reader.read(good, waiting[2])[0].max() == 1
    assert reader.read(good, waiting[1])[0].max() == 1
    with pytest.raises(ReaderFailed, match="was killed"):
        reader.read(slow, waiting[0])


def test_a_child_that_dies_while_it_has_nothing_to_do_fails_no_file(
    reader: Reader, tmp_path: Path
) -> None:
    volume = nifti(reader, saver(tmp_path)(np.ones((2, 2, 2), np.uint8)))
    [pid] = reader.pids
    os.kill(pid, 9)
    until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")
    assert reader.read(volume)[0].max() == 1


@pytest.mark.long
def test_a_child_that_hangs_is_given_up(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saver(tmp_path)(noise(80), "a.nii.gz")
    volume = nifti(reader, path)
    monkeypatch.setattr(budgets, "FILE_WALL_S", 1.0)
    monkeypatch.setattr(budgets, "FRAME_WALL_S", 0.0)
    [pid] = reader.pids
    os.kill(pid, 19)  # it never answers
    with pytest.raises(ReaderFailed, match=r"took longer than 1 s: check the disk"):
        reader.read(volume)
    monkeypatch.undo()
    assert reader.read(volume)[0].shape == volume.layout.shape


@pytest.mark.long
def test_a_child_that_computes_without_end_is_ended(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = nifti(reader, saver(tmp_path)(noise(400), "a.nii.gz"))
    monkeypatch.setattr("common.formats.reading.questions.frames_of", lambda *_: -100)  # 0 s
    with pytest.raises(ReaderFailed, match="more than 0 s of processor time"):
        reader.read(volume)


def test_a_child_out_of_memory_fails_its_file_and_lives_on(tmp_path: Path) -> None:
    reader = Reader(max_bytes=MIB, processes=1)
    path = saver(tmp_path)(np.zeros((2, 2, 2), np.uint8))
    with path.open("r+b") as file:
        file.seek(40)
        file.write(struct.pack("<4h", 3, 1024, 1024, 1024))
        file.truncate(352 + (1 << 30))
    volume = nifti(reader, path)
    pids = reader.pids
    with pytest.raises(SourceError, match="not enough memory"):
        reader.read(volume)
    good = nifti(reader, saver(tmp_path)(np.ones((2, 2, 2), np.uint8), "good.nii"))
    assert reader.read(good)[0].max() == 1
    assert reader.pids == pids
    reader.close()


def test_a_file_that_crashes_its_decoder_says_so(reader: Reader, tmp_path: Path) -> None:
    crashing = tmp_path / "damaged.dcm"
    crashing.write_bytes((FINDINGS / "dicom" / "lossless-jpeg-ends-the-process").read_bytes())
    with pytest.raises(SourceError, match=r"crashed|cannot be decoded"):
        reader.read(stack(reader, crashing))
    good = stack(reader, CORPUS / "dicom" / "jpeg-lossless")
    assert reader.read(good)[0].shape == (4, 3, 1)


def test_a_file_that_changes_while_it_is_read_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = saver(tmp_path)(noise(60), "a.nii.gz")
    volume = nifti(reader, path)
    [pid] = reader.pids
    waiting = reader.prefetch(volume)
    until(lambda: opened(pid, path))
    os.utime(path, ns=(0, 0))
    with pytest.raises(SourceError, match="changed while it was read: send it again"):
        reader.read(volume, waiting)


def test_a_series_whose_file_changed_is_refused(reader: Reader, tmp_path: Path) -> None:
    write = writer(tmp_path)
    made = stack(reader, write(1), write(2))
    write(2, PixelData=bytes(24))
    with pytest.raises(SourceError, match=r"002.dcm changed after its header was read"):
        reader.read(made)


def test_a_child_that_does_not_start_says_what_to_do(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ReaderFailed, match="does not start: check the installation"):
        nifti(reader, saver(tmp_path)(np.ones((2, 2, 2), np.uint8)))


def test_threads_share_children(tmp_path: Path) -> None:
    reader = Reader(processes=3)
    volumes = [
        nifti(reader, saver(tmp_path)(np.full((4, 4, 4), n, np.uint8), f"{n:02}.nii"))
        for n in range(40)
    ]
    seen: list[tuple[int, int]] = []

    def read(first: int) -> None:
        seen.extend((n, int(reader.read(volumes[n])[0].max())) for n in range(first, 40, 4))

    threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(seen) == [(n, n) for n in range(40)]
    reader.close()
    assert reader.pids == []


def test_a_child_that_is_still_starting_ends_with_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "_WAITED_S", -1.0)  # a second child at once
    started: list[ReaderProcess] = []

    def start(max_bytes: int) -> ReaderProcess:
        started.append(ReaderProcess(max_bytes))
        return started[-1]

    reader = Reader(MIB, processes=2, start=start)
    nifti(reader, saver(tmp_path)(np.ones((2, 2, 2), np.uint8)))
    assert len(started) == 2
    reader.close()
    assert [process.alive for process in started] == [False, False]


def test_large_files_get_a_second_child_and_small_ones_do_not(tmp_path: Path) -> None:
    reader = Reader(processes=2)
    small = nifti(reader, saver(tmp_path)(np.ones((2, 2, 2), np.uint8)))
    large = nifti(reader, saver(tmp_path)(noise(60), "a.nii.gz"))
    waiting = [reader.prefetch(small) for _ in range(20)]
    for one in waiting:
        reader.read(small, one)
    for _ in range(20):
        ahead = [reader.prefetch(large), reader.prefetch(large)]
        for one in ahead:
            reader.read(large, one)
        if len(reader.pids) == 2:
            break
    assert len(reader.pids) == 2
    reader.close()


# --- hostile files ----------------------------------------------------------------------------


def items(count: int) -> bytes:
    """A file with a private sequence of so many empty items, explicit VR little-endian."""
    empty = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    values = usual(1)
    pixels = values.pop((0x7FE0, 0x0010))
    head = file({**values, (0x7FE0, 0x0010): pixels})
    place = head.rindex(element((0x7FE0, 0x0010), b"OW", pixels))
    private = struct.pack("<HH2sHL", 0x0029, 0x1010, b"SQ", 0, 8 * count) + empty * count
    return head[:place] + private + head[place:]


def deflated(content: bytes) -> bytes:
    """The same file, deflated."""
    start = content.index(b"\x08\x00\x16\x00UI")
    syntax = element((0x0002, 0x0010), b"UI", b"1.2.840.10008.1.2.1.99")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(content[start:]) + packer.flush()
    return content[:132] + syntax + body


def bombs() -> dict[str, tuple[str, bytes]]:
    header: Any = nib.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype("uint8")
    header["dim"] = [3, 1024, 1024, 2047, 1, 1, 1, 1]
    header["magic"], header["vox_offset"] = b"n+1", 352
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    volume = packer.compress(header.binaryblock + bytes(4))
    volume += b"".join(packer.compress(zeros) for _ in range(2047)) + packer.flush()
    return {
        "400,000 empty items, deflated": ("a.dcm", deflated(items(400_000))),
        "1.5 million plain items": ("b.dcm", items(1_500_000)),
        "2 GiB in a 2 MB .nii.gz": ("c.nii.gz", volume),
    }


@pytest.mark.parametrize(
    "name",
    [
        "400,000 empty items, deflated",
        pytest.param("1.5 million plain items", marks=pytest.mark.long),
        pytest.param("2 GiB in a 2 MB .nii.gz", marks=pytest.mark.long),
    ],
)
def test_a_small_file_cannot_cost_much(name: str, tmp_path: Path) -> None:
    file_name, content = bombs()[name]
    path = tmp_path / file_name
    path.write_bytes(content)
    reader = Reader(processes=1)
    found(reader, DATA / "CT_small.dcm")  # its libraries are imported
    nifti(reader, saver(tmp_path)(np.ones((2, 2, 2), np.uint8), "good.nii"))
    [pid] = reader.pids
    before = cpu_s(pid)
    with pytest.raises(SourceError, match=r"too many elements|inflates more than"):
        found(reader, path)
    assert reader.pids == [pid]
    assert cpu_s(pid) - before <= 1
    assert peak_mib(pid) <= 256
    reader.close()


def cpu_s(pid: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> int:
    """The most memory that a process had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


# --- large files ------------------------------------------------------------------------------


@pytest.mark.long
def test_a_series_of_1800_slices_is_read(reader: Reader, tmp_path: Path) -> None:
    one = writer(tmp_path)(
        1, SOPInstanceUID="1.2.3.4.5555", ImagePositionPatient=["10", "20", "7777"]
    )
    content = one.read_bytes()
    one.unlink()
    paths = [tmp_path / f"{n:04}.dcm" for n in range(1800)]
    for n, path in enumerate(paths):
        number = b"%04d" % n
        path.write_bytes(content.replace(b"7777", number).replace(b"5555", number))
    slices = [
        plane
        for inside in reader.discover([(path, path.name) for path in paths], KEY)
        if isinstance(inside, list)
        for plane in inside
        if isinstance(plane, Slice)
    ]
    [(_, made)] = stack_series(slices, single_file=False)
    assert isinstance(made, Stack)
    assert reader.read(made)[0].shape == (4, 3, 1800)


@pytest.mark.long
def test_an_enhanced_file_of_1800_frames_is_read(reader: Reader, tmp_path: Path) -> None:
    path = enhanced(writer(tmp_path)(1), [float(n) for n in range(1800)])
    made = stack(reader, path)
    voxels, _ = reader.read(made)
    assert voxels.shape == (2, 2, 1800)
    assert voxels[0, 0].tolist() == list(range(1800))


@pytest.mark.long
def test_a_volume_of_2_gib_is_read_with_256_mib_beside_it(tmp_path: Path) -> None:
    free = os.sysconf("SC_AVPHYS_PAGES") * resource.getpagesize()
    if free < 5 << 30:
        pytest.skip("less than 5 GiB of memory is free")
    path = saver(tmp_path)(np.zeros((2, 2, 2), np.int16))
    with path.open("r+b") as file_:
        file_.seek(40)
        file_.write(struct.pack("<4h", 3, 1024, 1024, 1024))
        file_.truncate(352 + (2 << 30))
        file_.seek(-2, 2)
        file_.write(b"\1\0")
    reader = Reader(max_bytes=2 << 30, processes=1)
    voxels, _ = reader.read(nifti(reader, path))
    assert voxels.nbytes == 2 << 30
    assert voxels[-1, -1, -1] == 1
    [pid] = reader.pids
    assert peak_mib(pid) <= 2048 + 256
    reader.close()
