"""Files and folders as a source: what is sent, what is skipped, what fails and why."""

import itertools
import logging
import threading
from pathlib import Path

import numpy as np
import pydicom
import pytest

from common.errors import SourceError
from common.settings.identity_keys import IdentityKeys
from fr_pacs.sources.file_discovery import (
    NOT_AN_IMAGE,
)
from fr_pacs.sources.files import FileSource
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
    assert list(told) == ["Makefile", "a.nii.gz", "b.png", "c.nii", "e.nii", "empty.dcm", "z/z.nii"]
    assert told["a.nii.gz"] == told["z/z.nii"] == "sent"
    assert told["Makefile"] == told["b.png"] == NOT_AN_IMAGE
    assert "not a NIfTI file" in told["c.nii"]
    assert "5-D data" in told["e.nii"]
    assert told["empty.dcm"] == "the file is empty"


def test_nothing_to_send_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"absent cannot be read: No such file"):
        FileSource(tmp_path / "absent", pacs="site-a")
    with pytest.raises(SourceError, match="no image in"):
        FileSource(tmp_path, pacs="site-a")
    (tmp_path / "README").write_text("text")
    with pytest.raises(SourceError, match="no image in"):
        FileSource(tmp_path, pacs="site-a")


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
    assert scan.acquired_zone == "unknown"
    assert scan.subject is not None
    assert tasks[-1].load().scan == scan


def test_dicomdir_files_are_passed_over_in_a_folder_and_fail_by_name(tmp_path: Path) -> None:
    index = DICOM / "dicomdirtests" / "DICOMDIR"
    told = outcomes(DICOM / "dicomdirtests" / "98892003")
    assert told
    (tmp_path / "DICOMDIR").write_bytes(index.read_bytes())
    with pytest.raises(SourceError, match="no image in"):
        FileSource(tmp_path, pacs="site-a")
    assert "is an index" in outcomes(tmp_path / "DICOMDIR")["DICOMDIR"]


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_all_the_test_files_of_pydicom_are_sent_or_say_why_not() -> None:
    told = outcomes(DICOM)
    assert len(told) > 80
    assert told["CT_small.dcm"] == "sent"
    assert told["dicomdirtests/98892001/CT5N/2062 (series of 5 slices)"] == "sent"
    assert told["zipMR.gz"] == NOT_AN_IMAGE
    assert told["waveform_ecg.dcm"] == "contains no image (ECG)"
    assert not any("DICOMDIR" in label for label in told)


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
