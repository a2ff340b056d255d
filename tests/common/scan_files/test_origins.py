"""Where images come from: the file as people find it, and the volume in it."""

from pathlib import Path

import nibabel as nib
import numpy as np

from common.scan_files.file_names import FileNames
from common.scan_files.file_tasks import FileTask
from common.scan_files.files import FileSource
from fr_pacs.sources.base import Origin
from tests.common.formats.dicom.dicom_files import writer

LONG = "/".join(["subject-with-a-long-name"] * 12)


def origins_in(path: Path, names: FileNames | None = None) -> list[Origin | None]:
    source = FileSource(path, pacs="pacs-1", names=names)
    return [task.load().origin for task in source]


def write_nifti(path: Path, shape: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)  # type: ignore[no-untyped-call]


def test_a_file_is_named_by_its_path_in_the_folder_whether_labels_are_hashes_or_not(
    tmp_path: Path,
) -> None:
    write_nifti(tmp_path / "sub-01" / "a.nii", (4, 4, 4))
    write_nifti(tmp_path / LONG / "b [volume 1].nii.gz", (4, 4, 4, 2))
    expected = [
        Origin("sub-01/a.nii", "", str(tmp_path)),
        Origin(f"{LONG}/b [volume 1].nii.gz", "volume 1", str(tmp_path)),
        Origin(f"{LONG}/b [volume 1].nii.gz", "volume 2", str(tmp_path)),
    ]
    assert origins_in(tmp_path) == expected
    assert origins_in(tmp_path, FileNames(hashed=True)) == expected


def test_a_single_file_is_in_its_own_folder(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii", (4, 4, 4))
    assert origins_in(tmp_path / "a.nii") == [Origin("a.nii", "", str(tmp_path))]


def test_a_series_is_named_by_its_first_file(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        writer(tmp_path)(number, f"series/{number}.dcm")
    expected = Origin("series/1.dcm", "series of 3 slices", str(tmp_path), files=3)
    assert origins_in(tmp_path) == [expected]


def test_a_series_that_begins_at_its_end_is_named_by_its_first_file_too(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        writer(tmp_path)(number, f"{number}.dcm", ImagePositionPatient=[0, 0, -5.0 * number])
    expected = Origin("1.dcm", "series of 3 slices", str(tmp_path), files=3)
    assert origins_in(tmp_path) == [expected]


def test_all_files_of_a_series_that_is_not_sent_are_named(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        writer(tmp_path)(number, f"{number}.dcm")
    [task] = FileSource(tmp_path, pacs="pacs-1")
    assert isinstance(task, FileTask)
    folder = str(tmp_path)
    assert task.origins == (
        Origin("1.dcm", "series of 3 slices", folder, files=3),
        *(Origin(f"{number}.dcm", "", folder) for number in (2, 3)),
    )
