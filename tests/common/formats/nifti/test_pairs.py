"""Images of two files: a header and voxels."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.errors import SourceError
from common.formats.nifti.pairs import header_of, is_header, is_voxels, voxels_of
from common.scan_files.files import FileSource
from tests.common.formats.nifti.nifti_files import patched, read_volume, reason, volumes_in

DATA = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
AFFINE = np.array([[-2.0, 0, 0, 9], [0, 3, 0, 8], [0, 0, 4, 7], [0, 0, 0, 1]])


def saved(folder: Path, kind: Any, data: Any = DATA, affine: Any = AFFINE) -> Path:
    """The header of a pair of this class of nibabel."""
    nib.save(kind(data, affine), folder / "a.img")
    return folder / "a.hdr"


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair, nib.Spm99AnalyzeImage])
def test_both_files_of_a_pair_may_be_compressed(tmp_path: Path, kind: Any) -> None:
    plain = saved(tmp_path, kind)
    [expected] = volumes_in(plain)
    for path in (plain, plain.with_suffix(".img")):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = tmp_path / "a.hdr.gz"
    [volume] = volumes_in(packed)
    np.testing.assert_array_equal(read_volume(volume)[0], DATA)
    assert volume.layout == expected.layout
    assert volume.problems == expected.problems
    assert header_of(tmp_path / "a.img.gz") == packed
    assert voxels_of(packed) == tmp_path / "a.img.gz"
    found = FileSource(tmp_path, pacs="pacs-1")
    assert [task.label for task in found] == ["a.hdr.gz"]
    assert found.skipped.counts.get("pair") == 1


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
def test_a_nifti_pair_has_the_voxels_and_the_affine_of_nibabel(tmp_path: Path, kind: Any) -> None:
    [volume] = volumes_in(saved(tmp_path, kind))
    voxels, affine = read_volume(volume)
    np.testing.assert_array_equal(voxels, DATA)
    np.testing.assert_allclose(affine, AFFINE[:3])
    assert volume.problems == ()


def test_analyze_has_sizes_and_an_unknown_orientation(tmp_path: Path) -> None:
    path = saved(tmp_path, nib.AnalyzeImage)
    [volume] = volumes_in(path)
    voxels, affine = read_volume(volume)
    np.testing.assert_array_equal(voxels, DATA)
    assert np.abs(np.diag(np.array(affine)[:, :3])).tolist() == [2, 3, 4]
    assert volume.problems == ("geometry_unknown",)


def test_analyze_without_sizes_has_no_affine(tmp_path: Path) -> None:
    path = saved(tmp_path, nib.AnalyzeImage)
    [volume] = volumes_in(patched(path, 80, "<f", 0.0))  # pixdim[1]
    assert read_volume(volume)[1] is None


def test_the_scale_and_the_origin_of_spm_are_applied(tmp_path: Path) -> None:
    path = saved(tmp_path, nib.Spm99AnalyzeImage, DATA * 0.5)
    path.with_suffix(".mat").unlink(missing_ok=True)  # what SPM writes beside it
    [volume] = volumes_in(path)
    voxels, affine = read_volume(volume)
    expected: Any = nib.load(path)
    np.testing.assert_allclose(voxels, DATA * 0.5, atol=1e-3)
    np.testing.assert_allclose(np.abs(affine), np.abs(expected.affine[:3]), atol=1e-4)


def test_voxels_may_be_compressed_and_names_in_capitals(tmp_path: Path) -> None:
    path = saved(tmp_path, nib.Nifti1Pair)
    (tmp_path / "a.img.gz").write_bytes(gzip.compress((tmp_path / "a.img").read_bytes()))
    (tmp_path / "a.img").unlink()
    np.testing.assert_array_equal(read_volume(volumes_in(path)[0])[0], DATA)
    (tmp_path / "a.img.gz").rename(tmp_path / "B.IMG.GZ")
    path = path.rename(tmp_path / "B.HDR")
    np.testing.assert_array_equal(read_volume(volumes_in(path)[0])[0], DATA)


def test_a_half_without_its_other_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path, nib.Nifti1Pair)
    assert header_of(tmp_path / "a.img") == path
    assert voxels_of(path) == tmp_path / "a.img"
    (tmp_path / "a.img").unlink()
    assert reason(path).startswith("half of a .hdr/.img pair: its .img is not in the same folder")
    path.unlink()
    with pytest.raises(SourceError, match=r"its \.hdr is not"):
        header_of(tmp_path / "a.img")


def test_voxels_that_are_too_few_are_truncated(tmp_path: Path) -> None:
    path = saved(tmp_path, nib.Nifti1Pair)
    (tmp_path / "a.img").write_bytes(bytes(10))
    assert "truncated" in reason(path)


def test_names_tell_the_halves() -> None:
    assert is_header("a.HDR")
    assert not is_header("a.img")
    assert is_voxels("a.img.gz")
    assert voxels_of(Path("a.nii")) == Path("a.nii")
