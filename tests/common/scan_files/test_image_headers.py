"""The header of a scan from a file: an id of what the image is, and attributes of what it says."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import generate_uid

from common.domain.scan import BrainScan
from common.formats.dicom.stack import Stack
from common.scan_files.file_tasks import FileTask
from common.scan_files.files import FileSource
from common.settings.identity_keys import IdentityKeys
from tests.common.formats.dicom.dicom_files import writer
from tests.fr_pacs.sources.image_folders import Save

KEYS = IdentityKeys(scan_ids=bytes(32), pseudonyms=b"p" * 32)


def header(path: Path, keys: IdentityKeys = KEYS, pacs: str = "site-a") -> BrainScan:
    [task] = FileSource(path, pacs=pacs, keys=keys)
    return task.load().scan


@pytest.fixture
def series(tmp_path: Path) -> Callable[..., Path]:
    """Writes a series of three slices into a folder of its own."""

    def make(name: str, **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for instance in (1, 2, 3):
            writer(folder)(instance, **changes)
        return folder

    return make


def test_a_copied_renamed_or_touched_file_has_the_same_id(save: Save, tmp_path: Path) -> None:
    path = save("a.nii")
    copy = tmp_path / "elsewhere" / "sub-01_ses-01_T1w.nii"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    os.utime(copy, (0, 0))
    one, other = header(path), header(copy)
    assert one.scan_id == other.scan_id
    assert one.same_content(other)


def test_the_same_voxels_in_another_file_format_have_the_same_id(save: Save) -> None:
    assert header(save("a.nii")).scan_id == header(save("a.nii.gz")).scan_id


def test_another_image_pacs_or_key_gives_another_id(save: Save) -> None:
    path = save("a.nii")
    other = save("b.nii", np.zeros((2, 3, 4), np.int16))
    key = IdentityKeys(scan_ids=b"x" * 32, pseudonyms=KEYS.pseudonyms)
    ids = {
        header(path).scan_id,
        header(other).scan_id,
        header(path, pacs="site-b").scan_id,
        header(path, keys=key).scan_id,
    }
    assert len(ids) == 4


def test_new_uids_dates_and_descriptions_of_a_series_change_no_id(
    series: Callable[..., Path],
) -> None:
    one = header(series("one"))
    rewritten = {
        "SeriesInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "SeriesDescription": "rewritten",
        "AcquisitionDateTime": "20240229121314",
    }
    other = header(series("other", **rewritten))
    assert one.scan_id == other.scan_id
    assert one.same_content(other)
    assert one.series != other.series


def test_another_patient_with_the_same_image_has_another_id(series: Callable[..., Path]) -> None:
    ids = {header(series(name, PatientID=name)).scan_id for name in ("one", "two")}
    assert len(ids) == 2


def test_a_new_key_of_pseudonyms_changes_them_and_no_id(series: Callable[..., Path]) -> None:
    folder = series("one", StudyInstanceUID="1.2.3")
    rotated = IdentityKeys(scan_ids=KEYS.scan_ids, pseudonyms=b"q" * 32)
    one, other = header(folder), header(folder, rotated)
    assert one.scan_id == other.scan_id
    for name in ("subject", "study", "series"):
        assert getattr(one, name) != getattr(other, name)


def test_identifiers_of_dicom_travel_as_pseudonyms(series: Callable[..., Path]) -> None:
    scan = header(series("one", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3"))
    assert len({scan.subject, scan.study, scan.series}) == 3
    assert None not in (scan.subject, scan.study, scan.series)
    assert "1.2.3" not in scan.model_dump_json()
    assert "patient-1" not in scan.model_dump_json()


@pytest.mark.parametrize(
    ("at", "zone"),
    [("20240229121314+0100", "utc"), ("20240229121314", "unknown"), (None, "utc")],
)
def test_the_time_is_what_the_file_says(
    series: Callable[..., Path], at: str | None, zone: str
) -> None:
    scan = header(series("one", **({} if at is None else {"AcquisitionDateTime": at})))
    assert (scan.acquired_at is None) == (at is None)
    assert scan.acquired_zone == zone


def test_the_name_of_a_nifti_file_gives_subject_session_and_contrast(save: Save) -> None:
    scan = header(save("sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz"))
    assert scan.subject is not None
    assert len(scan.subject) == 16
    assert (scan.session, scan.contrast, scan.modality) == ("ses-02", "t1", "MR")
    other = header(save("sub-02/anat/sub-02_T1w.nii.gz"))
    assert other.subject != scan.subject
    assert (other.session, other.scan_id) == (None, scan.scan_id)


def test_a_session_that_may_be_a_date_is_a_pseudonym(save: Save) -> None:
    scan = header(save("sub-01_ses-20190131_T1w.nii"))
    assert scan.session is not None
    assert "2019" not in scan.session


def test_the_role_and_the_problems_of_a_series_are_in_the_header(
    series: Callable[..., Path],
) -> None:
    source = FileSource(series("one"), pacs="site-a", keys=KEYS)
    [task] = source
    assert isinstance(task, FileTask)
    assert isinstance(task.image, Stack)
    found = replace(task.image, role="anatomical, echo 2", problems=("slices_missing",))
    scan = replace(task, image=found).load().scan
    assert (scan.role, scan.problems) == ("anatomical, echo 2", ("slices_missing",))
    assert scan.same_content(task.load().scan)
