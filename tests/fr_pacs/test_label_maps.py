"""Label maps on their way: kept in a file, handed out as NIfTI, or refused."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.domain.label_maps import PackedMaps
from common.errors import ProtocolError, Refusal, VoxelsDamaged
from common.wire.messages import Chunk
from fr_pacs.label_maps import ArrivingMaps
from tests.factories import make_report, make_scan
from tests.label_maps import AFFINE, header_of, label_messages, labels_of, packed

SCAN, _ = make_scan(voxels=bytes(700 * 800), shape=(700, 800, 1), affine=AFFINE)
REPORT = make_report(SCAN, revision=3)
LESIONS, BRAIN = labels_of(SCAN, 1), labels_of(SCAN, 2)
MAPS = packed(lesions=LESIONS, brain=BRAIN)


def arrived(folder: Path, maps: PackedMaps = MAPS, **fields: Any) -> ArrivingMaps:
    header = header_of(REPORT, maps, **fields)
    arriving = ArrivingMaps(header, folder)
    for chunk in label_messages(header, maps.payload)[1:]:
        assert not arriving.complete
        assert isinstance(chunk, Chunk)
        arriving.add(chunk)
    assert arriving.complete
    return arriving


def test_each_map_is_a_nifti_file_on_the_voxels_of_the_scan(tmp_path: Path) -> None:
    arriving = arrived(tmp_path)
    files = {name: b"".join(pieces) for name, pieces in arriving.files().items()}
    arriving.close()
    assert list(tmp_path.iterdir()) == []
    assert files.keys() == {"lesions", "brain"}
    for name, labels in (("lesions", LESIONS), ("brain", BRAIN)):
        image: Any = nib.Nifti1Image.from_bytes(gzip.decompress(files[name]))
        assert image.get_data_dtype() == np.uint8
        assert np.array_equal(np.asanyarray(image.dataobj).reshape(SCAN.shape), labels)
        assert np.array_equal(image.affine[:3], AFFINE)
        assert int(image.header["intent_code"]) == 1002  # label
        [names] = image.header.extensions
        assert names.text == "index\tname\n1\tone\n2\ttwo\n3\tthree\n"


def test_without_a_position_none_is_made_up(tmp_path: Path) -> None:
    content = b"".join(arrived(tmp_path, affine=None).files()["brain"])
    header = nib.Nifti1Image.from_bytes(gzip.decompress(content)).header
    assert header["sform_code"] == header["qform_code"] == 0


def test_what_is_made_of_it_is_told_often(tmp_path: Path) -> None:
    told: list[None] = []
    b"".join(arrived(tmp_path).files(lambda: told.append(None))["brain"])
    assert told


def test_a_chunk_that_is_not_the_next_one_is_refused(tmp_path: Path) -> None:
    header = header_of(REPORT, MAPS)
    chunks = label_messages(header, MAPS.payload)[1:]
    assert len(chunks) > 1
    with pytest.raises(ProtocolError) as raised:
        ArrivingMaps(header, tmp_path).add(chunks[1])  # type: ignore[arg-type]
    assert raised.value.code is Refusal.CHUNKS


def test_a_map_that_was_not_packed_so_is_found_when_its_file_is_made(tmp_path: Path) -> None:
    other = packed(lesions=LESIONS[:, :-1])
    files = arrived(tmp_path, other).files()
    with pytest.raises(VoxelsDamaged):
        b"".join(files["lesions"])


def test_where_they_cannot_be_kept_all_are_checked_and_their_files_cannot_be_read(
    tmp_path: Path,
) -> None:
    arriving = arrived(tmp_path / "absent")
    assert isinstance(arriving.failure, FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        b"".join(arriving.files()["brain"])
    arriving.close()
    arriving.close()
