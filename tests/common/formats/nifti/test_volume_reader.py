"""NIfTI volumes: what nibabel reads is what is sent, and what cannot be sent says why."""

import gzip
import importlib.util
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.errors import SourceError
from common.formats.nifti import volume_reader
from common.formats.nifti.byte_stream import ByteStream
from common.formats.nifti.volume_reader import VolumeReader
from tests.common.formats.nifti.nifti_files import Save, read_volume, volumes_in

COLIN27 = Path("/usr/share/mricron/templates/ch2.nii.gz")
NIBABEL = Path(nib.__file__).parent / "tests" / "data"
NILEARN = importlib.util.find_spec("nilearn")
MNI152 = (
    Path(NILEARN.origin).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    if NILEARN and NILEARN.origin
    else Path("absent")
)
REAL = [COLIN27, MNI152, NIBABEL / "anatomical.nii", NIBABEL / "example4d.nii.gz"]
REAL += [NIBABEL / "example_nifti2.nii.gz", NIBABEL / "functional.nii"]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files_give_the_voxels_and_the_affine_that_nibabel_gives(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is absent (Debian's mricron-data, or nilearn)")
    theirs: Any = nib.load(path)
    data = np.asarray(theirs.dataobj)
    data = data.reshape(*data.shape[:3], -1)
    volumes = volumes_in(path, path.name)
    assert len(volumes) == data.shape[3]
    for number, volume in enumerate(volumes):
        voxels, affine = read_volume(volume)
        assert voxels.flags.f_contiguous
        np.testing.assert_allclose(voxels, data[..., number], rtol=1e-6)
        np.testing.assert_allclose(affine, theirs.affine[:3], atol=1e-6)
        assert volume.subject is None
        assert volume.acquired_at is None


def test_volumes_of_a_series_are_numbered_from_one(save: Save) -> None:
    data = np.arange(3, dtype=np.uint8) * np.ones((2, 2, 2, 1), np.uint8)
    found = volumes_in(save(data, "a.nii.gz"), "run/a.nii.gz")
    assert [volume.label for volume in found] == [f"run/a.nii.gz [volume {n}]" for n in (1, 2, 3)]
    assert [int(read_volume(volume)[0].max()) for volume in found] == [0, 1, 2]


def test_a_packed_file_is_read_whatever_its_name_says(save: Save, tmp_path: Path) -> None:
    path = save(np.full((2, 2, 2), 7, np.uint8), "a.nii.gz")
    named = path.rename(tmp_path / "b.nii")
    assert read_volume(volumes_in(named, "label")[0])[0].max() == 7


def test_a_file_that_changes_after_its_header_was_read_is_refused(save: Save) -> None:
    [volume] = volumes_in(save(np.zeros((2, 2, 2), np.uint8)), "label")
    save(np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(SourceError, match="changed after its header was read"):
        read_volume(volume)


def test_the_volumes_of_one_packed_file_are_read_in_any_order(save: Save) -> None:
    data = np.random.default_rng(2).integers(0, 999, (8, 8, 8, 30), np.int16)
    volumes = volumes_in(save(data, "a.nii.gz"))
    reader = VolumeReader()
    for number in [*np.random.default_rng(3).permutation(30), 3]:
        np.testing.assert_array_equal(reader.read(volumes[number]), data[..., number])
    reader.close()


def test_a_packed_series_is_read_in_one_pass(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = volumes_in(save(np.zeros((4, 4, 4, 9), np.uint8), "a.nii.gz"))
    opened: list[Path] = []

    class Counted(ByteStream):
        def __init__(self, path: Path) -> None:
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr(volume_reader, "ByteStream", Counted)
    reader = VolumeReader()
    for volume in volumes:
        reader.read(volume)
    reader.close()
    assert len(opened) == 1


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_of_more_slices_than_its_header_declares_is_refused(
    save: Save, compressed: bool
) -> None:
    path = save(np.ones((4, 4, 3), np.int16))
    plain = path.read_bytes()

    def read_with(rest: bytes) -> Any:
        data = plain + rest
        path.write_bytes(gzip.compress(data) if compressed else data)
        return read_volume(volumes_in(path, "label")[0])[0]

    assert read_with(bytes(500)).shape == read_with(b"x" * 31).shape == (4, 4, 3)
    with pytest.raises(SourceError, match="more slices"):
        read_with(b"x" * 32)
