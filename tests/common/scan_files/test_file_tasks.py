"""Tasks of files: the scan that each becomes, or why there is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.domain.types import hash_voxels
from common.errors import SourceError
from common.scan_files.file_tasks import FailedTask
from common.scan_files.files import FileSource
from fr_pacs.sources.base import Source
from tests.common.formats.dicom.dicom_files import writer
from tests.fr_pacs.sources.image_folders import CT, Save, outcomes


def test_a_scan_carries_its_voxels_in_fortran_order_under_one_id(save: Save) -> None:
    path = save()
    source: Source = FileSource(path, pacs="site-a")
    assert (source.total, source.waits) == (1, True)
    [task] = source
    assert task is not None
    loaded = task.load()
    scan = loaded.scan
    assert isinstance(loaded.voxels, memoryview)
    assert (loaded.voxels.format, loaded.voxels.ndim, loaded.voxels.readonly) == ("B", 1, True)
    assert scan.voxels_hash == hash_voxels(loaded.voxels)
    np.testing.assert_array_equal(
        scan.array(loaded.voxels), np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    )
    assert (scan.pacs, scan.scan_type, scan.subject) == ("site-a", "volume", None)
    assert scan.voxel_size_mm == (1, 2, 3)
    assert scan.acquired_at is None  # NIfTI does not say, and the date of the file means nothing
    assert task.load().scan == scan


def test_a_failed_task_keeps_its_cause(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"x" * 999)
    [task] = FileSource(tmp_path, pacs="site-a")
    for _ in range(2):
        with pytest.raises(SourceError, match="not a NIfTI file") as caught:
            task.load()
        assert isinstance(caught.value.__cause__, SourceError)


def test_a_volume_over_the_limit_is_refused_before_it_is_read(save: Save) -> None:
    path = save("a.nii.gz", np.zeros((512, 512, 8), np.uint8))
    [told] = outcomes(path, max_bytes=1 << 20).values()
    assert (
        told == "too large: its header declares 2.0 MiB, the limit is 1.0 MiB; send a smaller image"
    )
    assert list(outcomes(path, max_bytes=2 << 20).values()) == ["sent"]


def test_a_dicom_series_over_the_limit_is_refused_before_it_is_read() -> None:
    [told] = outcomes(CT, max_bytes=100).values()
    assert "its header declares" in told


def test_a_volume_without_a_finite_value_is_refused_and_others_are_sent(save: Save) -> None:
    data = np.full((2, 2, 2), np.nan, np.float32)
    assert list(outcomes(save("a.nii", data)).values()) == [
        "an empty volume: no voxel has a finite value; export it again"
    ]
    data[1, 1, 1] = 3
    assert list(outcomes(save("a.nii", data)).values()) == ["sent"]
    assert list(outcomes(save("a.nii", np.ones((2, 2, 2), np.uint8))).values()) == ["sent"]


def test_pixels_of_no_size_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = writer(tmp_path)(1, PixelSpacing=[1e-9, 1e-9])
    assert list(outcomes(path).values()) == [
        "the affine is singular: it places all voxels in one plane; correct its header, or convert "
        "the image again"
    ]


def test_a_file_that_vanishes_fails_with_the_reason(save: Save) -> None:
    path = save()
    [task] = FileSource(path, pacs="site-a")
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        task.load()


def test_memory_that_is_not_there_is_a_reason_and_not_a_crash(
    save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("common.scan_files.file_tasks.hash_voxels", exhausted)
    assert list(outcomes(save()).values()) == ["not enough memory: it takes 0.0 MiB"]


def test_a_failed_task_always_fails_with_its_own_reason() -> None:
    task = FailedTask("a.nii", SourceError("the file is empty"))
    for _ in range(2):
        with pytest.raises(SourceError, match="the file is empty"):
            task.load()
