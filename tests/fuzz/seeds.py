"""Generate the corpus: ``python -m tests.fuzz.seeds``. It is synthetic and reproducible.

Inputs that ``make fuzz`` discovers go to ``.fuzz/``, which is not committed: the corpus
stays small.
"""

import gzip
import io
import struct
from collections.abc import Iterator
from typing import Any

import bson
import numpy as np
import numpy.typing as npt
from nibabel.nifti1 import Nifti1Image
from nibabel.nifti2 import Nifti2Image
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from common.wire.frame_checks import Mac
from common.wire.frames import encode
from common.wire.messages import Scan
from common.wire.protocol import Side
from tests.common.wire.frames import EXAMPLES
from tests.fuzz.ecg_seeds import ecg_seeds
from tests.fuzz.headers import ATTRIBUTES, file, usual
from tests.fuzz.targets import CORPUS
from tests.fuzz.wire import KEY

_SIDES = tuple(Side)
_TAG_AT = {tag: index for index, (tag, _) in enumerate(ATTRIBUTES)}


def wire_seeds() -> Iterator[tuple[str, bytes]]:
    """Each message, as a stream and as elements to frame."""
    for number, (side, message) in enumerate(EXAMPLES):
        frame = encode(message)
        if len(frame) > 4096:
            continue
        place = _SIDES.index(side) | (
            0 if message.t in ("hello", "challenge", "proof", "welcome") else 4
        )
        yield f"{number:02}-{message.t}", bytes([place, 255]) + frame
        yield f"{number:02}-{message.t}-elements", bytes([place | 8, 255]) + frame[4:-12]
        if message.t in ("scan", "report", "ack"):
            mac = encode(message, Mac(KEY))
            yield f"{number:02}-{message.t}-mac", bytes([place | 16, 255]) + mac
            yield f"{number:02}-{message.t}-mac-elements", bytes([place | 24, 255]) + frame[4:-12]
    early = scan_with_time("0001-01-01T00:00:00+14:00")
    yield "time-before-all-years", bytes([_SIDES.index(Side.SCAN_RECEIVER) | 12, 255]) + early


def scan_with_time(at: str) -> bytes:
    """The elements of a scan message with this acquisition time."""
    message = next(m for _, m in EXAMPLES if isinstance(m, Scan))
    body = message.body()
    return bson.encode({"t": "scan", **body, "scan": {**body["scan"], "acquired_at": at}})[4:-1]


def nifti_seeds() -> Iterator[tuple[str, bytes]]:
    """NIfTI-1 and -2: scaled, gzipped, with a time axis, and a decompression bomb."""
    voxels = np.arange(24, dtype="<i2").reshape(2, 3, 4)
    series = np.arange(48, dtype="<f4").reshape(2, 3, 4, 2)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    for name, kind, array in (
        ("nifti1", Nifti1Image, voxels),
        ("nifti2", Nifti2Image, voxels),
        ("nifti1-time", Nifti1Image, series),
        ("nifti1-int64", Nifti1Image, voxels.astype("<i8")),
        ("nifti1-big", Nifti1Image, voxels.astype(">i2")),
    ):
        yield name, _nifti(kind, array, affine)
    scaled = bytearray(_nifti(Nifti1Image, voxels, affine))
    struct.pack_into("<ff", scaled, 112, 2.0, -1.0)  # scl_slope, scl_inter
    yield "nifti1-scaled", bytes(scaled)
    yield "packed", gzip.compress(bytes(scaled), mtime=0)
    bomb = bytearray(scaled)
    struct.pack_into("<8h", bomb, 40, 3, 1000, 1000, 2, 1, 1, 1, 1)  # dim
    yield "bomb", gzip.compress(bytes(bomb) + bytes(4_000_000), mtime=0)
    struct.pack_into("<8h", bomb, 40, 4, 1, 1, 1, 32767, 1, 1, 1)
    yield "volumes-32767", gzip.compress(bytes(bomb) + bytes(70_000), mtime=0)
    many = bytearray(_nifti(Nifti2Image, voxels, affine))
    struct.pack_into("<8q", many, 16, 4, 1, 1, 1, 4_000_000, 1, 1, 1)
    yield "volumes-4000000", gzip.compress(bytes(many) + bytes(8_000_000), mtime=0)


def _nifti(kind: Any, array: npt.NDArray[Any], affine: npt.NDArray[Any]) -> bytes:
    image = kind(array, affine, dtype=array.dtype)
    if array.dtype.byteorder == ">":
        image = kind(array, affine, kind.header_class(endianness=">"))
    return bytes(image.to_bytes())


def dicom_seeds() -> Iterator[tuple[str, bytes]]:
    """A classic slice, uncompressed and with each compression; an enhanced file; an RGB image."""
    plain = file(usual(1))
    yield "plain", plain
    data = dcmread(io.BytesIO(plain))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    yield "deflated", _saved(data)
    yield "no-preamble", plain[132:]
    square = {(0x0028, 0x0010): b"\x40\0", (0x0028, 0x0011): b"\x40\0"}
    pixels = {(0x7FE0, 0x0010): np.arange(4096, dtype="<i2").tobytes()}
    larger = file({**usual(1), **square, **pixels})
    for name, syntax in (
        ("rle", RLELossless),
        ("jpegls", JPEGLSLossless),
        ("j2k", JPEG2000Lossless),
    ):
        data = dcmread(io.BytesIO(larger))
        data.compress(syntax, generate_instance_uid=False)
        yield name, _saved(data)
    for name, number in (
        ("jpeg", "1.2.840.10008.1.2.4.50"),
        ("jpeg-lossless", "1.2.840.10008.1.2.4.70"),
    ):
        data = dcmread(io.BytesIO(plain))
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit = 7
        data.PixelData = encapsulate([_jpeg()])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = UID(number)
        yield name, _saved(data)
    yield "enhanced", _enhanced(plain)


def _jpeg() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(buffer, "JPEG")
    return buffer.getvalue()


def _enhanced(plain: bytes) -> bytes:
    data = dcmread(io.BytesIO(plain))
    del data.ImagePositionPatient
    frames = []
    for n in range(3):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, 2 * n]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    data.NumberOfFrames = 3
    data.PixelData = bytes(72)
    return _saved(data)


def _saved(data: Dataset) -> bytes:
    buffer = io.BytesIO()
    data.save_as(buffer)
    return buffer.getvalue()


def stack_seeds() -> Iterator[tuple[str, bytes]]:
    """Complete series and series with one flaw."""
    yield "one", b"\x00"
    yield "five", b"\x04"
    position = (0x0020, 0x0032)
    yield "gap", _changed(4, {3: {position: b"10\\20\\40"}})
    yield "doubled", _changed(2, {2: {position: b"10\\20\\5"}})
    echo = (0x0018, 0x0081)
    yield "echoes", _changed(
        4, {n: {echo: b"%d" % (n % 2), position: b"0\\0\\%d" % (n // 2)} for n in range(4)}
    )
    yield "rescaled", _changed(2, {0: {(0x0028, 0x1053): b"2", (0x0028, 0x1052): b"-1024"}})
    yield "huge", _changed(2, {0: {(0x0028, 0x1053): b"1e308", (0x0028, 0x1052): b"1e308"}})
    yield "zones", _changed(
        1, {0: {(0x0008, 0x0201): b"-1400", (0x0008, 0x002A): b"99991231235959"}}
    )


def _changed(count: int, changes: dict[int, dict[tuple[int, int], bytes]]) -> bytes:
    data = bytes([count - 1])
    for number in range(count):
        slice_ = changes.get(number, {})
        data += bytes([len(slice_)])
        for tag, value in slice_.items():
            data += bytes([_TAG_AT[tag], len(value)]) + value
    return data


SEEDS = {
    "wire": wire_seeds,
    "nifti": nifti_seeds,
    "dicom": dicom_seeds,
    "stack": stack_seeds,
    "ecg": ecg_seeds,
}


def main() -> None:
    """Write the corpus."""
    for target, seeds in SEEDS.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, content in seeds():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
