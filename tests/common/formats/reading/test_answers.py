"""What the reader process does for a request, in this process."""

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from common.errors import SourceError
from common.formats.archives import member_path
from common.formats.buffers import in_memory
from common.formats.not_a_scan import NotAScan, UnreadKind
from common.formats.reading import messages
from common.formats.reading.answers import Answerer
from common.formats.reading.messages import layout_message, layout_of
from tests.common.formats.archive_files import pack
from tests.common.formats.dicom.dicom_files import DATA
from tests.common.formats.nifti.nifti_files import saver


def test_the_volumes_of_a_series_are_read_by_number(tmp_path: Path) -> None:
    limits: list[float] = []
    answerer = Answerer(limits.append)
    data = np.arange(3, dtype=np.uint8) * np.ones((2, 2, 2, 1), np.uint8)
    path = saver(tmp_path)(data, "a.nii.gz")
    answer = answerer.header({"path": str(path), "alone": False})
    layout = layout_of(answer["layout"])
    for number in range(3):
        request = {"path": str(path), "label": "a", "layout": layout_message(layout),
                   "stamp": answer["stamp"], "number": number, "frames": 1800}  # fmt: skip
        assert answerer.voxels(request, in_memory).max() == number
    assert limits[-1] == 190


@pytest.mark.parametrize(
    "name", ["a.dcm", "IM0001", "E6977S4I1.MR", "1.3.12.2.1107", "I.001", "i.img"]
)
def test_dicom_without_preamble_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes((DATA / "MR_small_implicit.dcm").read_bytes()[132:])
    assert Answerer(lambda _: None).header({"path": str(path), "alone": False})["slices"]


def test_an_archive_tells_its_members_and_each_is_read_as_a_file(tmp_path: Path) -> None:
    answerer = Answerer(lambda _: None)
    dicom = (DATA / "MR_small.dcm").read_bytes()
    files = {"x/1": dicom, "2.gz": gzip.compress(dicom), "in.zip": b"PK\3\4" + bytes(99)}
    path = pack(tmp_path / "study.tgz", files)

    def header(path: Path) -> messages.Message:
        return answerer.header({"path": str(path), "alone": False})

    assert [name for name, _ in header(path)["members"]] == list(files)
    first, second = (header(member_path(path, number))["slices"][0] for number in (0, 1))
    assert first["uid"] == second["uid"]
    with pytest.raises(UnreadKind, match="an archive in an archive"):
        header(member_path(path, 2))
    request = {"files": [(str(member_path(path, 1)), "2.gz")], "slices": [(0, second)], "frames": 1}
    assert answerer.voxels(request, in_memory).shape == (64, 64, 1)
    with pytest.raises(NotAScan):
        header(pack(tmp_path / "empty.zip", {}))


def test_a_pair_is_read_by_its_header_and_its_voxels_are_skipped(tmp_path: Path) -> None:
    answerer = Answerer(lambda _: None)
    image = nib.Nifti1Pair(np.ones((2, 3, 4), np.uint8), np.eye(4))  # type: ignore[no-untyped-call]
    nib.save(image, tmp_path / "a.img")
    assert answerer.header({"path": str(tmp_path / "a.hdr")})["layout"]["shape"] == (2, 3, 4)
    with pytest.raises(NotAScan) as caught:
        answerer.header({"path": str(tmp_path / "a.img")})
    assert caught.value.kind == "pair"
    with pytest.raises(SourceError, match=r"send its \.hdr"):
        answerer.header({"path": str(tmp_path / "a.img"), "alone": True})
    path = pack(tmp_path / "a.zip", {"a.hdr": (tmp_path / "a.hdr").read_bytes()})
    with pytest.raises(UnreadKind, match="pair in an archive"):
        answerer.header({"path": str(member_path(path, 0))})


def test_a_damaged_compressed_slice_is_a_source_error(tmp_path: Path) -> None:
    data = gzip.compress((DATA / "MR_small.dcm").read_bytes())
    (tmp_path / "a.dcm.gz").write_bytes(data[:-3000])
    with pytest.raises(SourceError, match="truncated or damaged"):
        Answerer(lambda _: None).header({"path": str(tmp_path / "a.dcm.gz"), "alone": False})


def test_what_looks_like_dicom_and_is_none_fails_only_if_its_name_says_so(tmp_path: Path) -> None:
    answerer = Answerer(lambda _: None)
    for name in ("a.dcm", "a.bin"):
        (tmp_path / name).write_bytes(b"\x08\0\x05\0\x04\0\0\0" + b"\xff" * 99)
    with pytest.raises(SourceError, match="not a file that Fr reads") as caught:
        answerer.header({"path": str(tmp_path / "a.dcm"), "alone": False})
    assert not isinstance(caught.value, NotAScan)
    with pytest.raises(NotAScan):
        answerer.header({"path": str(tmp_path / "a.bin"), "alone": False})
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        answerer.header({"path": str(tmp_path / "absent"), "alone": False})


def test_second_voxels_of_a_pair_are_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Pair(np.ones((2, 3, 4), np.int16), np.eye(4))  # type: ignore[no-untyped-call]
    nib.save(image, tmp_path / "a.img")
    (tmp_path / "a.img.gz").write_bytes(gzip.compress((tmp_path / "a.img").read_bytes() + b"x"))
    answerer = Answerer(lambda _: None)
    with pytest.raises(NotAScan):
        answerer.header({"path": str(tmp_path / "a.img")})
    with pytest.raises(SourceError, match=r"two files of voxels") as caught:
        answerer.header({"path": str(tmp_path / "a.img.gz")})
    assert not isinstance(caught.value, NotAScan)


def _ecg(path: Path, values: list[float]) -> None:
    lead = {"name": "II", "signal": values}
    path.write_text(json.dumps({"leads": [lead], "sampling_rate_hz": 250}))


def test_the_text_of_an_ecg_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    loads = json.loads

    def counted(text: str, **options: Any) -> Any:
        parsed.append(text)
        return loads(text, **options)

    monkeypatch.setattr(json, "loads", counted)
    path, answerer = tmp_path / "a.json", Answerer(lambda _: None)
    _ecg(path, [0.5, -0.5, 0.25])
    request = {"path": str(path), "alone": True, "frames": 0}
    request |= answerer.header(request)
    for count in (1, 2):  # the samples are kept until they are read, not longer
        samples = answerer.voxels(request, in_memory)
        assert samples[:, 0].tolist() == [0.5, -0.5, 0.25]
        assert len(parsed) == count


def test_an_ecg_that_has_changed_since_its_header_was_read_is_read_anew(tmp_path: Path) -> None:
    path, answerer = tmp_path / "a.json", Answerer(lambda _: None)
    _ecg(path, [0.5, -0.5, 0.25])
    request = {"path": str(path), "alone": True, "frames": 0}
    request |= answerer.header(request)
    _ecg(path, [0.5, -0.5, 0.125])
    assert answerer.voxels(request, in_memory)[2, 0] == 0.125
    request |= answerer.header(request)
    _ecg(path, [0.5, -0.5])
    with pytest.raises(SourceError, match="the file changed"):
        answerer.voxels(request, in_memory)
