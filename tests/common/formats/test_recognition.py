"""What a file is, by its first bytes and its name."""

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import SourceError
from common.formats.not_a_scan import NotAScan, UnreadKind
from common.formats.recognition import (
    HEAD_BYTES,
    NOT_AN_IMAGE,
    Format,
    may_be_image,
    recognise,
    unreadable,
)
from tests.common.formats.dicom.dicom_files import DATA
from tests.common.formats.nifti.nifti_files import saver

TAR = bytes(257) + b"ustar" + bytes(250)
NOISE = b"\0\1" + random.Random(1).randbytes(998)  # noqa: S311 - no secret


def head(name: str) -> bytes:
    return (DATA / name).read_bytes()[:HEAD_BYTES]


@pytest.mark.parametrize(
    ("name", "skip", "found"),
    [
        ("MR_small.dcm", 0, Format.DICOM),
        ("MR_small.dcm", 132, Format.BARE_DICOM),  # begins with its meta information
        ("ExplVR_BigEndNoMeta.dcm", 0, Format.BARE_DICOM),
        ("ExplVR_LitEndNoMeta.dcm", 0, Format.BARE_DICOM),
    ],
)
def test_dicom_is_recognised_by_its_content(name: str, skip: int, found: Format) -> None:
    start = (DATA / name).read_bytes()[skip:][:HEAD_BYTES]
    assert recognise(start, "a.xyz") is found


def test_a_data_set_without_meta_information_is_recognised() -> None:
    data = (DATA / "MR_small_implicit.dcm").read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")  # FileMetaInformationGroupLength
    assert recognise(data[start:][:HEAD_BYTES], "a.xyz") is Format.BARE_DICOM


def test_nifti_is_recognised_by_its_content_or_its_name(tmp_path: Path) -> None:
    start = saver(tmp_path)(np.zeros((2, 2, 2), np.uint8)).read_bytes()[:HEAD_BYTES]
    assert recognise(start, "a.img") is Format.NIFTI
    assert recognise(NOISE, "a.gz", start) is Format.NIFTI
    assert recognise(NOISE, "a.nii") is Format.NIFTI
    assert recognise(NOISE, "A.NII.GZ") is Format.NIFTI


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"text\n", "notes", "text"),
        ("Prüfung\n".encode("latin-1"), "notes", "text"),
        (b"%PDF-1.4\n", "a", "document"),
        (b"\xff\xd8\xff\xe0" + NOISE, "IM0001", "picture"),
        (b"MZ\x90\0" + NOISE, "a", "program"),
        (NOISE, "a.pak", "other"),
        (b"", "a.flag", "empty"),
    ],
)
def test_what_is_no_scan_is_told_by_its_kind(content: bytes, name: str, kind: str) -> None:
    with pytest.raises(NotAScan) as caught:
        recognise(content, name)
    assert caught.value.kind == kind


@pytest.mark.parametrize("name", ["IM0001", "a.dcm", "I.001", "1.2.840.5"])
def test_what_may_have_been_a_scan_is_never_skipped(name: str) -> None:
    assert recognise(NOISE, name) is Format.BARE_DICOM
    with pytest.raises(SourceError, match="the file is empty: copy it again"):
        recognise(b"", name)
    assert not isinstance(unreadable(name), NotAScan)
    assert isinstance(unreadable("a.pak"), NotAScan)


def test_text_in_the_guise_of_an_image_fails() -> None:
    with pytest.raises(SourceError, match=NOT_AN_IMAGE[:12]) as caught:
        recognise(b"<html>404</html>", "a.dcm")
    assert not isinstance(caught.value, NotAScan)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.dcm"])
@pytest.mark.parametrize(
    "pointer",
    [b"version https://git-lfs.github.com/spec/v1\n", b"/annex/objects/MD5E-s100--abc.nii.gz\n"],
)
def test_a_pointer_to_an_image_says_how_to_fetch_it(name: str, pointer: bytes) -> None:
    with pytest.raises(SourceError, match="datalad get"):
        recognise(pointer, name)


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b"NRRD0004\n", "a", "an NRRD image, which Fr does not read: convert it to NIfTI"),
        (b"ObjectType = Image\n", "a.mha", "a MetaImage"),
        (NOISE, "a.mif", "an MRtrix image"),
        (b"Rar!\x1a\7\0", "study.rar", "a RAR archive, which Fr does not read: unpack it"),
        (b"\x28\xb5\x2f\xfd" + NOISE, "a.dcm.zst", "compressed with Zstandard"),
        (b"\x04\x22\x4d\x18" + NOISE, "a.nii.lz4", "compressed with LZ4"),
        (b"\x1f\x9d\x90" + NOISE, "study.tar.Z", "compressed with compress (.Z)"),
        (b"LZIP\1" + NOISE, "a.mgh.lz", "compressed with lzip"),
        (b"\x5d\0\0\x80\0" + NOISE, "a.dcm.lzma", "compressed with LZMA"),
    ],
)
def test_images_that_are_not_read_are_named_by_their_format(
    content: bytes, name: str, told: str
) -> None:
    with pytest.raises(UnreadKind) as caught:
        recognise(content, name)
    assert told in str(caught.value)


def test_what_is_in_a_compressed_file_decides() -> None:
    assert recognise(NOISE, "a.gz", head("MR_small.dcm")) is Format.DICOM
    assert recognise(NOISE, "a.gz", head("ExplVR_LitEndNoMeta.dcm")) is Format.BARE_DICOM
    assert recognise(NOISE, "a.tgz", TAR) is Format.ARCHIVE
    assert recognise(NOISE, "IM0001.gz", NOISE) is Format.BARE_DICOM
    with pytest.raises(NotAScan) as caught:
        recognise(NOISE, "a.gz", b"a\tb\n")
    assert caught.value.kind == "text"
    with pytest.raises(UnreadKind, match="an NRRD image"):
        recognise(NOISE, "a.nrrd.gz", NOISE)


def test_the_other_images_of_nibabel_are_recognised() -> None:
    assert recognise(b"\0\0\0\1" + NOISE, "a.mgh") is Format.NIFTI
    assert recognise(NOISE, "a.mgz", b"\0\0\0\1" + NOISE) is Format.NIFTI
    assert recognise(b"\x5c\1\0\0" + NOISE, "a.hdr") is Format.NIFTI
    assert recognise(NOISE, "a.img") is Format.PAIR_VOXELS
    assert recognise(NOISE, "a.img.gz", NOISE) is Format.PAIR_VOXELS
    with pytest.raises(SourceError, match="not an image of FreeSurfer") as caught:
        recognise(NOISE, "a.mgz")
    assert not isinstance(caught.value, NotAScan)


def test_archives_are_recognised_by_their_content() -> None:
    assert recognise(TAR, "study") is Format.ARCHIVE
    assert recognise(b"PK\3\4" + NOISE, "study.bin") is Format.ARCHIVE


@pytest.mark.parametrize(("name", "may"), [("a.mr", True), ("a.77", True), ("a.bin", False),
                                           ("a.txt", False), ("a", True), ("", True)])  # fmt: skip
def test_names_that_may_be_an_images(name: str, may: bool) -> None:
    assert may_be_image(name) is may


@given(st.binary(max_size=HEAD_BYTES), st.sampled_from(["a", "a.nii", "a.dcm", "a.gz", "a.bin"]))
def test_whatever_a_file_holds_gives_a_format_or_a_source_error(content: bytes, name: str) -> None:
    with suppress(SourceError):
        assert isinstance(recognise(content, name), Format)


def test_a_file_of_zeros_is_told_before_it_is_read() -> None:
    """A download that reserved the whole size and broke off; it may have gigabytes of them."""
    for name in ("IM0001", "a.dcm", "1.2.840.1"):
        with pytest.raises(SourceError, match="begins with zeros only"):
            recognise(bytes(HEAD_BYTES), name)
    assert recognise(bytes(HEAD_BYTES), "a.img") is Format.PAIR_VOXELS
