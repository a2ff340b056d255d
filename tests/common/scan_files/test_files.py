"""Files and folders as a source: what is sent, what is skipped, what fails and why."""

import gzip
import itertools
import logging
import random
import threading
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pydicom
import pytest

from common.domain.report_index import about_file, row_key
from common.errors import SourceError
from common.formats.dicom.stack import Stack
from common.formats.ecg.recording import EcgFile
from common.scan_files.file_names import FileNames
from common.scan_files.file_tasks import FileTask
from common.scan_files.files import FileSource, Stopped
from common.settings.identity_keys import IdentityKeys
from fr_pacs.sources.base import HasOrigins
from tests.common.formats.archive_files import pack
from tests.common.formats.dicom.dicom_files import writer
from tests.fr_pacs.sources.image_folders import CT, DICOM, EXAMPLE_4D, Save, outcomes


def test_each_volume_of_a_series_is_a_scan_with_an_id_of_its_own() -> None:
    source = FileSource(EXAMPLE_4D, pacs="site-a")
    assert source.total == 2
    tasks = list(source)
    assert [task.label for task in tasks] == [f"example4d.nii.gz [volume {n}]" for n in (1, 2)]
    scans = [task.load().scan for task in tasks]
    assert scans[0].scan_id != scans[1].scan_id
    assert scans[0].voxels_hash != scans[1].voxels_hash


def test_the_tasks_come_once(save: Save) -> None:
    source = FileSource(save(), pacs="site-a")
    assert len(list(source)) == 1
    assert list(source) == []
    assert source.total == 1


def test_what_fails_is_named_and_the_rest_goes_on(save: Save, tmp_path: Path) -> None:
    save("a.nii.gz")
    save("e.nii", np.zeros((2, 2, 2, 1, 3), np.float32))
    (tmp_path / "b.png").write_bytes(b"\x89PNG" * 99)
    (tmp_path / "c.nii").write_bytes(b"x" * 999)
    (tmp_path / "Makefile").write_text("all:\n" * 99)
    (tmp_path / "empty.dcm").touch()
    save("z/z.nii")
    told = outcomes(tmp_path)
    assert list(told) == ["a.nii.gz", "c.nii", "e.nii", "empty.dcm", "z/z.nii"]
    assert told["a.nii.gz"] == told["z/z.nii"] == "sent"
    assert "not a NIfTI file" in told["c.nii"]
    assert "5-D data" in told["e.nii"]
    assert told["empty.dcm"] == "the file is empty: copy it again"


def test_nothing_to_send_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"absent cannot be read: No such file"):
        FileSource(tmp_path / "absent", pacs="site-a")
    with pytest.raises(SourceError, match="nothing to send in"):
        FileSource(tmp_path, pacs="site-a")
    (tmp_path / "README").write_text("text")
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(
        SourceError, match=r"nothing to send in .*, only 1 picture, 1 text file: Fr reads NIfTI"
    ):
        FileSource(tmp_path, pacs="site-a")


def test_what_is_no_scan_is_skipped_and_named_with_its_folder(save: Save, tmp_path: Path) -> None:
    """A BIDS folder and a patient's CD: nothing fails."""
    save("sub-01/func/sub-01_bold.nii.gz")
    text, binary = b"text\n", b"MZ\x90\0" + bytes(range(256))
    for name, content in {
        "sub-01/func/sub-01_physio.tsv.gz": gzip.compress(text),
        "sub-01/func/sub-01_events": text,
        "sub-01/dwi.bvec": text,
        "code/run.py": text,
        "sub-01/picture.png": b"\x89PNG" + bytes(99),
        ".DS_Store": b"x",
        "cd/Thumbs.db": b"x",
        "cd/AUTORUN.INF": text,
        "cd/viewer/start.exe": binary,
        "cd/viewer/start.bin": binary,
        "cd/viewer/data.pak": random.Random(1).randbytes(999),  # noqa: S311 - no secret
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    source = FileSource(tmp_path, pacs="site-a")
    assert [task.label for task in source] == ["sub-01/func/sub-01_bold.nii.gz"]
    assert source.skipped.counts == {
        "sidecar": 2, "picture": 1, "program": 4, "text": 1, "system": 2, "other": 1
    }  # fmt: skip
    assert source.skipped.by_folder["cd/viewer", "program"] == 2


def test_images_of_an_unread_format_fail_once_for_each_folder(save: Save, tmp_path: Path) -> None:
    save("a.nii")
    for name in ("x/1.nrrd", "x/2.nrrd", "x/3.mif", "y/4.nrrd"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"NRRD0004\n" if "nrrd" in name else b"mrtrix image\n")
    told = outcomes(tmp_path)
    assert list(told) == ["a.nii", "x/1.nrrd and 1 more", "x/3.mif", "y/4.nrrd"]
    assert told["y/4.nrrd"] == "an NRRD image, which Fr does not read: convert it to NIfTI"


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["study.zip", "study.tar", "study.tgz"])
def test_an_archive_is_read_as_a_folder(save: Save, tmp_path: Path, name: str) -> None:
    """Also as SOURCE itself; slices of one series may be in and out of it."""
    files = {f"dicom/{path.name}": path.read_bytes() for path in sorted(CT.iterdir())}
    files["a.nii.gz"] = save("out/a.nii.gz").read_bytes()
    files["report.pdf"] = files["dicom/viewer"] = b"%PDF-1.4"
    path = pack(tmp_path / name, files)
    told = {
        f"{name}/a.nii.gz": "sent",
        f"{name}/dicom/2062 (series of 5 slices)": "sent",
    }
    assert outcomes(path) == told
    source = FileSource(path, pacs="site-a")
    assert source.skipped.counts == {"document": 2}
    assert {file.label for file in source.skipped} == {f"{name}/report.pdf", f"{name}/dicom/viewer"}
    assert outcomes(tmp_path) == {**told, "out/a.nii.gz": "sent"}


def test_a_gzipped_series_is_one_with_its_plain_slices(tmp_path: Path) -> None:
    plain = next(iter(FileSource(CT, pacs="site-a"))).load()
    for number, path in enumerate(sorted(CT.iterdir())):
        if number % 2:
            (tmp_path / path.name).write_bytes(path.read_bytes())
        else:
            (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    [task] = FileSource(tmp_path, pacs="site-a")
    assert task.load().scan.voxels_hash == plain.scan.voxels_hash


def test_a_damaged_archive_fails_and_the_rest_is_sent(save: Save, tmp_path: Path) -> None:
    save("a.nii")
    (tmp_path / "b.zip").write_bytes(b"PK\3\4" + bytes(99))
    told = outcomes(tmp_path)
    assert told["a.nii"] == "sent"
    assert told["b.zip"].startswith("the archive is damaged")


def test_names_of_what_is_skipped_are_hashed_as_those_of_scans(save: Save, tmp_path: Path) -> None:
    save("mueller/a.nii")
    (tmp_path / "mueller/mueller.json").write_text("{}")
    names = FileNames(hashed=True)
    [file] = FileSource(tmp_path, pacs="site-a", names=names).skipped
    assert "mueller" not in file.label + file.folder
    assert names.reveal(file.label) == "mueller/mueller.json"


def test_a_real_series_is_one_scan_in_the_place_of_its_first_file(
    save: Save, tmp_path: Path
) -> None:
    save("a.nii")
    save("z.nii")
    for path in CT.iterdir():
        (tmp_path / "ct").mkdir(exist_ok=True)
        (tmp_path / "ct" / path.name).write_bytes(path.read_bytes())
    source = FileSource(tmp_path, pacs="site-a")
    tasks = list(source)
    label = "ct/2062 (series of 5 slices)"
    assert [task.label for task in tasks] == ["a.nii", "z.nii", label]
    scan = tasks[-1].load().scan
    assert (scan.shape, scan.dtype, scan.orientation) == ((16, 16, 5), "int16", "LPS")
    assert scan.acquired_at is not None
    assert scan.acquired_at.year == 2001
    assert scan.acquired_zone == "utc"
    assert scan.subject is not None
    assert tasks[-1].load().scan == scan


def test_dicomdir_files_are_passed_over_in_a_folder_and_fail_by_name(tmp_path: Path) -> None:
    index = DICOM / "dicomdirtests" / "DICOMDIR"
    told = outcomes(DICOM / "dicomdirtests" / "98892003")
    assert told
    (tmp_path / "DICOMDIR").write_bytes(index.read_bytes())
    with pytest.raises(SourceError, match=r"nothing to send in .*, only 1 DICOMDIR"):
        FileSource(tmp_path, pacs="site-a")
    assert outcomes(tmp_path / "DICOMDIR") == {"DICOMDIR": "not a scan, but a DICOMDIR"}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_all_the_test_files_of_pydicom_are_sent_or_say_why_not() -> None:
    told = outcomes(DICOM)
    assert len(told) > 15
    assert told["CT_small.dcm"] == "sent"
    assert told["dicomdirtests/98892001/CT5N/2062 (series of 5 slices)"] == "sent"
    assert not any("DICOMDIR" in label for label in told)
    source = FileSource(DICOM, pacs="site-a")
    named = {origin.file for account in source.accounts() for origin in account.origins}
    images = [task.image for task in source if isinstance(task, FileTask)]
    sent = {one.label for image in images if isinstance(image, Stack) for one in image.slices}
    sent |= {image.label for image in images if isinstance(image, EcgFile)}
    files = {path.relative_to(DICOM).as_posix() for path in DICOM.rglob("*") if path.is_file()}
    assert named <= files == named | sent
    skipped = source.skipped
    assert skipped.counts["secondary_capture"] > 30
    assert told["waveform_ecg.dcm"] == "sent"
    assert {file.kind for file in skipped if "DICOMDIR" in file.label} == {"dicomdir"}
    [headers] = [label for label in told if "TINY_ALPHA" in label]
    assert headers.endswith("IM000000 and 49 more")
    assert told[headers].startswith("contains no image (CT): ")


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_no_patient_is_in_a_label_a_reason_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = outcomes(DICOM)
    header = pydicom.dcmread(DICOM / "CT_small.dcm")
    for secret in (str(header.PatientName), str(header.PatientID)):
        assert secret not in str(told)
        assert secret not in caplog.text
        scan = next(iter(FileSource(DICOM / "CT_small.dcm", pacs="site-a"))).load().scan
        assert secret not in scan.model_dump_json()


@pytest.mark.long
def test_a_key_makes_pseudonyms_that_stay_and_without_one_they_differ() -> None:
    def subject(key: bytes | None) -> str | None:
        keys = None if key is None else IdentityKeys(scan_ids=bytes(32), pseudonyms=key)
        [task] = FileSource(DICOM / "CT_small.dcm", pacs="site-a", keys=keys)
        return task.load().scan.subject

    assert subject(bytes(32)) == subject(bytes(32))
    assert len({subject(bytes(32)), subject(b"x" * 32), subject(None), subject(None)}) == 4


def test_threads_load_the_scans_of_one_source(save: Save, tmp_path: Path) -> None:
    for n in range(12):
        save(f"{n:02}.nii.gz", np.full((5, 5, 5, 4), n, np.int16))
    source, lock, sent = FileSource(tmp_path, pacs="site-a"), threading.Lock(), list[str]()
    tasks = iter(source)

    def work() -> None:
        while True:
            with lock:
                task = next(tasks, None)
            if task is None:
                return
            loaded = task.load()
            value = int(task.label[:2])
            assert (loaded.scan.array(loaded.voxels) == value).all()
            sent.append(task.label)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = itertools.product(range(12), range(1, 5))
    assert sorted(sent) == [f"{n:02}.nii.gz [volume {k}]" for n, k in expected]


def test_volumes_of_other_roles_are_skipped_and_named() -> None:
    localizer = DICOM / "dicomdirtests" / "98892001" / "CT2N"
    source = FileSource(localizer.parent, pacs="site-a", volumes=["anatomical", "unclassified"])
    assert "CT5N/2062 (series of 5 slices)" in [task.label for task in source]
    skipped = [file for file in source.skipped if file.kind == "localizer"]
    assert [file.folder for file in skipped] == ["CT2N", "CT2N"]


def account_of(source: FileSource) -> dict[str, tuple[str, str]]:
    """What is known of each file before anything is sent: outcome and reason."""
    return {
        origin.label: (str(account.outcome), account.reason)
        for account in source.accounts()
        for origin in account.origins
    }


def test_each_file_of_a_folder_is_accounted_for_by_name(save: Save, tmp_path: Path) -> None:
    save("a.nii")
    for name in ("x/1.nrrd", "x/2.nrrd", "x/.hidden", "cut.nii", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"NRRD0004\n" if "nrrd" in name else b"x\n")
    write = writer(tmp_path)
    for number in range(1, 6):
        write(number, f"s/{number}.dcm")
    (tmp_path / "s/1 (1).dcm").write_bytes((tmp_path / "s/1.dcm").read_bytes())
    cut = (tmp_path / "s/2.dcm").read_bytes()[:-5]
    (tmp_path / "s/2 (1).dcm").write_bytes(cut)
    for number in (1, 2, 5):
        other = {"SeriesInstanceUID": "2.25.1", "PixelData": bytes(range(24))}
        write(number, f"gap/{number}.dcm", **other)
    for number in (1, 2, 3):
        write(number, f"part/{number}.dcm", SeriesInstanceUID="2.25.2")
    source = FileSource(tmp_path, pacs="site-a")
    assert (source.skipped.counts["copy"], source.skipped.counts["damaged_copy"]) == (4, 1)
    told = account_of(source)
    waiting, nrrd = ("waiting", "not sent yet"), "an NRRD image, which Fr does not read"
    assert told.pop("s/2 (1).dcm") == (
        "copy",
        "the same slice as s/2.dcm, but truncated: 19 of 24 bytes of pixels",
    )
    assert {label: (outcome, reason[:30]) for label, (outcome, reason) in told.items()} == {
        "a.nii": waiting,
        "s/1.dcm (series of 5 slices)": waiting,
        "s/1 (1).dcm": ("copy", "the same slice as s/1.dcm"),
        "cut.nii": ("refused", told["cut.nii"][1][:30]),
        "gap/1.dcm (series of 3 slices)": ("refused", told["gap/2.dcm"][1][:30]),
        "gap/2.dcm": ("refused", told["gap/2.dcm"][1][:30]),
        "gap/5.dcm": ("refused", told["gap/2.dcm"][1][:30]),
        "notes.txt": ("skipped", "text file"),
        "part/1.dcm": ("copy", "the same slice as s/1.dcm"),
        "part/2.dcm": ("copy", "the same slice as s/2.dcm"),
        "part/3.dcm": ("copy", "the same slice as s/3.dcm"),
        "x/.hidden": ("skipped", "hidden file or folder"),
        "x/1.nrrd": ("refused", nrrd[:30]),
        "x/2.nrrd": ("refused", nrrd[:30]),
    }


def test_volumes_that_are_not_wanted_are_named_with_their_files(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        writer(tmp_path)(number, f"{number}.dcm", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
        writer(tmp_path)(number, f"t1/{number}.dcm", SeriesInstanceUID="2.25.1")
    names = FileNames(hashed=True)
    source = FileSource(tmp_path, pacs="site-a", volumes=["unclassified"], names=names)
    reason = "localizer: excluded by VOLUMES; add localizer to it, or set VOLUMES=all"
    assert account_of(source) == {
        "1.dcm (series of 3 slices)": ("skipped", reason),
        "2.dcm": ("skipped", reason),
        "3.dcm": ("skipped", reason),
        "t1/1.dcm (series of 3 slices)": ("waiting", "not sent yet"),
    }
    assert source.path == str(tmp_path)


def test_a_file_that_cannot_be_read_is_named_when_it_fails(save: Save) -> None:
    [task] = FileSource(save("a.nii", np.full((2, 2, 2), np.nan, np.float32)), pacs="site-a")
    with pytest.raises(SourceError, match="no voxel has a finite value"):
        task.load()
    assert isinstance(task, HasOrigins)
    assert [origin.label for origin in task.origins] == ["a.nii"]


def test_a_folder_of_unwanted_volumes_says_how_to_send_them(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        writer(tmp_path)(number, f"{number}.dcm", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(SourceError, match=r"nothing to send in .*, only 1 localizer: VOLUMES="):
        FileSource(tmp_path, pacs="site-a", volumes=["anatomical"])


@pytest.mark.parametrize("in_archive", [False, True])
def test_a_stop_ends_the_reading_of_headers(save: Save, tmp_path: Path, in_archive: bool) -> None:
    asked = iter([False] * (2 * in_archive))
    path = save()
    if in_archive:
        pack(tmp_path / "a.zip", {"a.nii": path.read_bytes(), "b.nii": path.read_bytes()})
    with pytest.raises(Stopped):
        FileSource(tmp_path, pacs="site-a", stopping=lambda: next(asked, True))
    assert next(asked, None) is None


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_each_file_has_a_name_of_its_own(save: Save, tmp_path: Path) -> None:
    image = save().read_bytes()
    (tmp_path / "a\nb.nii").write_bytes(image)
    (tmp_path / "a\\nb.nii").write_bytes(image)
    (tmp_path / "c.nii [volume 1]").write_bytes(image)
    (tmp_path / "c.nii").write_bytes(image)
    with ZipFile(tmp_path / "a.zip", "w") as file:
        for name in ("x", "x", "x (2)", "x", "y\n", "y\\n"):
            file.writestr(f"{name}", image)
    origins = [task.origin for task in FileSource(tmp_path, pacs="a") if isinstance(task, FileTask)]
    rows = {row_key(about_file(one.file, one.volume, one.folder)) for one in origins if one}
    assert len(rows) == len(origins) == len([*tmp_path.iterdir()]) - 1 + 6


def test_a_series_whose_slices_are_all_refused_is_named_once(tmp_path: Path) -> None:
    write = writer(tmp_path)
    for k in range(1, 9):
        data = pydicom.dcmread(write(k))
        data.add_new(0x00281053, "LO", "one half")
        data.save_as(tmp_path / f"{k:03}.dcm")
    source = FileSource(tmp_path, pacs="site-a")
    accounts = list(source.accounts())
    [task] = source
    assert task.label == "001.dcm and 7 more"
    with pytest.raises(SourceError, match="RescaleSlope is not a number"):
        task.load()
    assert [len(account.origins) for account in accounts] == [8]
