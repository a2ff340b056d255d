"""The readers that are compared, each on a file that it reads and on one that it does not."""

from pathlib import Path

import numpy as np
import pytest

from tests.common.formats.dicom.dicom_files import DATA
from tests.common.formats.nifti.nifti_files import saver
from tests.readers.__main__ import compare, table
from tests.readers.inputs import Input, generated, of_nibabel, of_pydicom
from tests.readers.readers import read_with_dcm2niix, read_with_fr, read_with_nibabel
from tests.readers.verdicts import Verdict
from tests.readers.volumes import same


def test_one_slice_is_the_same_to_both() -> None:
    ours, told = read_with_fr(DATA / "MR_small.dcm")
    assert not told
    assert same(ours, read_with_dcm2niix(DATA / "MR_small.dcm"))


def test_what_is_no_image_gives_no_volume() -> None:
    path = DATA / "rtplan.dcm"
    assert read_with_fr(path) == ([], ["not a scan, but a radiotherapy object"])
    assert read_with_dcm2niix(path) == []
    assert read_with_nibabel(path) == []


def test_a_series_is_compared_volume_by_volume(tmp_path: Path) -> None:
    path = saver(tmp_path)(np.arange(72, dtype=np.int16).reshape(2, 3, 4, 3))
    row = compare(Input("a", path, None, dicom=False))
    assert (row.ours, row.theirs, row.verdict) == (3, 3, Verdict.EQUAL)
    assert len(table([row]).rows) == 1


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["classic", "enhanced", "two echoes", "oblique mosaic"])
def test_generated_inputs_have_their_truth(tmp_path: Path, name: str) -> None:
    [one] = [one for one in generated(tmp_path) if one.name == name]
    assert one.truth
    assert same(read_with_fr(one.path)[0], one.truth)


def test_the_test_files_of_others_are_found(tmp_path: Path) -> None:
    assert len(list(of_pydicom())) > 80
    assert any(not one.dicom for one in of_nibabel(tmp_path))
