"""What a file is, by its first bytes and, where they leave it open, by its name.

A folder of scans has much that is none: sidecars, viewers of patient CDs, pictures, reports. Those
are ``NotAScan``, to be skipped and counted. What may have been meant as a scan never is: an image
of another format, a file with an image's name, or one whose name says nothing and whose content
nothing explains, as a slice that lost its beginning.
"""

import re
from enum import Enum
from pathlib import PurePath

from common.errors import SourceError
from common.formats.archives import is_tar, is_zip
from common.formats.compression import is_zstd
from common.formats.dicom.header_walk import VRS
from common.formats.known_names import kind_by_name
from common.formats.not_a_scan import NotAScan, UnreadKind

HEAD_BYTES = 1024
"""How much of a file is looked at."""

FORMATS = "NIfTI, DICOM, Analyze, MGH and ECG files"
"""What Fr reads, in words."""

NOT_AN_IMAGE = f"not a file that Fr reads: it reads {FORMATS}"

_NIFTI_SUFFIXES = (".nii", ".nii.gz", ".nii.bz2", ".nii.xz")
_IMAGE_SUFFIXES = (*_NIFTI_SUFFIXES, ".dcm", ".ima", ".dicom", ".dic", ".dcm.gz")
_MGH_SUFFIXES, _MGH_VERSION = (".mgh", ".mgz", ".mgh.gz"), b"\0\0\0\1"
_ANALYZE_SIZES = (b"\x5c\1\0\0", b"\0\0\1\x5c")  # sizeof_hdr is 348, in either byte order
_PREAMBLE_BYTES = 128
_NIFTI_1, _NIFTI_2 = (b"n+1\0", b"ni1\0"), (b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n")

_POINTERS = (b"version https://git-lfs", b"/annex/objects/", b"../.git/annex/", b".git/annex/")

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"NRRD000", "an NRRD image"),
    (b"ObjectType = Image", "a MetaImage"),
    (b"NDims = ", "a MetaImage"),
    (b"mrtrix image", "an MRtrix image"),
    (b"CDF\x01", "a MINC or NetCDF image"),
    (b"# === DATA DESCRIPTION FILE", "a Philips PAR/REC image"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
)
_FOREIGN_CODECS = (
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\x1f\x9d", "compress (.Z)"),
    (b"LZIP", "lzip"),
    (b"\x5d\0\0", "LZMA"),
)
"""Short, so that they only mean something in a file that is named after an image or archive."""
_FOREIGN_SUFFIXES = {
    **dict.fromkeys((".nrrd", ".nhdr"), "an NRRD image"),
    **dict.fromkeys((".mha", ".mhd"), "a MetaImage"),
    **dict.fromkeys((".mif", ".mif.gz"), "an MRtrix image"),
    **dict.fromkeys((".mnc", ".mnc.gz"), "a MINC image"),
    **dict.fromkeys((".par", ".rec"), "a Philips PAR/REC image"),
    **dict.fromkeys((".brik", ".brik.gz", ".head"), "an AFNI image"),
}

_MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "picture"),
    (0, b"\xff\xd8\xff", "picture"),
    (0, b"GIF8", "picture"),
    (0, b"II*\0", "picture"),
    (0, b"MM\0*", "picture"),
    (8, b"WEBP", "picture"),
    (0, b"%PDF", "document"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "document"),
    (0, b"MZ", "program"),
    (0, b"\x7fELF", "program"),
    (0, b"\xcf\xfa\xed\xfe", "program"),
    (0, b"\xca\xfe\xba\xbe", "program"),
    (0, b"MSCF", "program"),
    (0, b"\x00\x05\x16\x07", "system"),  # AppleDouble
    (0, b"\xff\xff\xfe", "surface"),  # FreeSurfer
    (8, b"AVI ", "video"),
    (4, b"ftyp", "video"),
    (0, b"SQLite format 3", "sidecar"),
)

_TEXT = re.compile(rb"[\t\n\f\r\x1b\x20-\x7e\x80-\xff]*")
_FIRST_GROUPS = (0x0002, 0x0008)
_FIRST_LENGTH_MAX = 1 << 16


class Format(Enum):
    """How a file is to be read."""

    NIFTI = "nifti"
    """Or Analyze 7.5 or MGH, which are read alike."""
    PAIR_VOXELS = "voxels"
    """The .img of a .hdr/.img pair, perhaps: its .hdr tells."""
    DICOM = "dicom"
    ARCHIVE = "archive"
    """A zip or tar file of others."""
    BARE_DICOM = "bare"
    """DICOM without the preamble of PS3.10 7.1, perhaps: only reading it can tell."""


def recognise(head: bytes, name: str, inside: bytes | None = None) -> Format:
    """What a file is.

    Args:
        head: its first HEAD_BYTES bytes, or all if there are fewer.
        name: of the file.
        inside: if the file is compressed, the first bytes of what it inflates to.

    Raises:
        NotAScan: it is none, and was not meant as one.
        UnreadKind: it is an image or archive of a format that Fr does not read.
        SourceError: it should be an image, but has no content.
    """
    if not head:
        if may_be_image(name):
            raise SourceError("the file is empty: copy it again")
        raise NotAScan("empty")
    if is_dicom(head):
        return Format.DICOM
    if is_nifti(head) or name.lower().endswith(_NIFTI_SUFFIXES):
        _check_pointer(head)
        return Format.NIFTI
    start = head if inside is None else inside
    if _is_mgh(start, name) or _is_analyze(start, name):
        return Format.NIFTI
    if inside is not None:
        return _compressed(inside, PurePath(name).stem)
    if is_zip(head) or is_tar(head):
        return Format.ARCHIVE
    _check_foreign(head, name)
    if looks_like_data_set(head):
        return Format.BARE_DICOM
    _check_known(head, name)
    return _unknown(head, name)


def unreadable(name: str) -> SourceError:
    """Why a file that was read as DICOM, and is not, fails or is skipped."""
    return SourceError(NOT_AN_IMAGE) if may_be_image(name) else NotAScan("other")


def is_dicom(head: bytes) -> bool:
    """Whether a file begins with the preamble of DICOM (PS3.10 7.1)."""
    return head[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM"


def is_nifti(head: bytes) -> bool:
    """Whether a file begins with the header of NIfTI-1 or NIfTI-2."""
    return head[344:348] in _NIFTI_1 or head[4:12] in _NIFTI_2


def looks_like_data_set(head: bytes) -> bool:
    """Whether a file begins with an element of DICOM's first groups, in any of its encodings."""
    for order in ("little", "big"):
        group = int.from_bytes(head[:2], order)
        if group in _FIRST_GROUPS and len(head) >= 8:
            length = int.from_bytes(head[4:8], order)
            if head[4:6] in VRS or length <= _FIRST_LENGTH_MAX:
                return True
    return False


def may_be_image(name: str) -> bool:
    """Whether a name may be an image's: it says so, or it says nothing (none, a number, a UID)."""
    low = name.lower()
    if low.endswith(_IMAGE_SUFFIXES):
        return True
    suffix = PurePath(low).suffix[1:]
    return kind_by_name(name) is None and (not suffix or suffix in ("mr", "ct") or suffix.isdigit())


def _compressed(inside: bytes, name: str) -> Format:
    """What a compressed file is, by the first bytes in it and its name without the last suffix."""
    if is_nifti(inside):
        return Format.NIFTI
    if is_dicom(inside):
        return Format.DICOM
    if is_tar(inside):
        return Format.ARCHIVE
    _check_foreign(inside, name)
    if looks_like_data_set(inside):
        return Format.BARE_DICOM
    _check_known(inside, name)
    return _unknown(inside, name)


def _is_mgh(start: bytes, name: str) -> bool:
    named = name.lower().endswith(_MGH_SUFFIXES)
    if named and not start.startswith(_MGH_VERSION):
        raise SourceError("not an image of FreeSurfer, although its name says so: copy it again")
    return named


def _is_analyze(head: bytes, name: str) -> bool:
    return name.lower().endswith((".hdr", ".hdr.gz")) and head[:4] in _ANALYZE_SIZES


def _unknown(head: bytes, name: str) -> Format:
    if name.lower().endswith((".img", ".img.gz")):
        return Format.PAIR_VOXELS
    if may_be_image(name):
        if len(head) == HEAD_BYTES and not any(head):
            raise SourceError(
                "it begins with zeros only, like a file whose copy was interrupted: copy it again"
            )
        return Format.BARE_DICOM
    raise NotAScan("other")


def _check_pointer(head: bytes) -> None:
    if head.startswith(_POINTERS):
        raise SourceError(
            "only a pointer to the image (of git-annex or Git LFS): fetch its content, as with "
            "`datalad get` or `git lfs pull`"
        )


def _check_foreign(head: bytes, name: str) -> None:
    if is_zstd(head):
        raise UnreadKind("compressed with Zstandard, which Fr does not read: unpack it (unzstd)")
    low = name.lower()
    codec = next((what for magic, what in _FOREIGN_CODECS if head.startswith(magic)), None)
    packed = PurePath(low).stem
    if codec and packed.endswith((*_IMAGE_SUFFIXES, *_MGH_SUFFIXES, ".hdr", ".img", ".tar")):
        raise UnreadKind(f"compressed with {codec}, which Fr does not read: unpack it")
    found = next((what for magic, what in _FOREIGN if head.startswith(magic)), None)
    found = found or next((w for s, w in _FOREIGN_SUFFIXES.items() if low.endswith(s)), None)
    if found:
        what = "unpack it" if "archive" in found else "convert it to NIfTI"
        raise UnreadKind(f"{found}, which Fr does not read: {what}")


def _check_known(head: bytes, name: str) -> None:
    for start, magic, kind in _MAGICS:
        if head[start : start + len(magic)] == magic:
            raise NotAScan(kind)
    if _TEXT.fullmatch(head):
        if name.lower().endswith(_IMAGE_SUFFIXES):
            _check_pointer(head)
            raise SourceError(NOT_AN_IMAGE)
        raise NotAScan("text")
