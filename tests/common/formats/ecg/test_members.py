"""ECGs in archives are read as those in folders."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from common.formats.archives import member_path
from common.formats.ecg.members import MemberFile, ecg_path
from common.formats.ecg.recording import EcgFile
from common.formats.not_a_scan import NotAScan
from common.formats.reader import Reader
from tests.common.formats.archive_files import pack
from tests.common.formats.ecg.edf_files import signal, write_edf
from tests.common.formats.ecg.scp_files import write_scp
from tests.common.formats.ecg.wfdb_files import write_record

VALUES = np.array([[0, 100], [200, -100], [-50, 7]])


def files(folder: Path) -> dict[str, bytes]:
    write_record(folder, "100", VALUES)
    write_edf(folder / "a.edf", [signal("EKG I", [[0, 1000, -1000]])])
    write_scp(folder / "b.scp", VALUES)
    found = {f"day 1/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}
    waveform = get_testdata_file("waveform_ecg.dcm")
    assert isinstance(waveform, str)
    return {**found, "day 1/c.dcm": Path(waveform).read_bytes()}


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_each_format_is_read_as_from_a_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    packed = files(folder)
    archive = pack(tmp_path / name, packed)
    (folder / "c.dcm").write_bytes(packed["day 1/c.dcm"])
    reader = Reader(1 << 30, 1)
    inside = [member_path(archive, number) for number in range(len(packed))]
    outside = [folder / member.rpartition("/")[2] for member in packed]
    try:
        for one, other in zip(found(reader, inside), found(reader, outside), strict=True):
            if isinstance(one, NotAScan):
                assert isinstance(other, NotAScan)
                continue
            assert one.recording == other.recording
            np.testing.assert_array_equal(reader.read(one)[0], reader.read(other)[0])
    finally:
        reader.close()


def found(reader: Reader, paths: list[Path]) -> Iterator[Any]:
    for one in reader.discover([(path, "a") for path in paths], bytes(32)):
        if isinstance(one, NotAScan):
            yield one
            continue
        assert isinstance(one, list), one
        [ecg] = one
        assert isinstance(ecg, EcgFile)
        yield ecg


def test_a_member_has_the_files_of_its_own_folder_beside_it(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", {"a/x.hea": b"1", "b/x.hea": b"22", "b/x.dat": b"333"})
    place = ecg_path(member_path(archive, 1))
    assert isinstance(place, MemberFile)
    assert (place.name, place.suffix, place.stat().st_size) == ("x.hea", ".hea", 2)
    with place.with_name("x.dat").open("rb") as file:
        assert file.read() == b"333"
        assert isinstance(file, io.IOBase)
    with pytest.raises(FileNotFoundError):
        ecg_path(member_path(archive, 0)).with_name("x.dat").stat()
    assert ecg_path(archive) == archive
