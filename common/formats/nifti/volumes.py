"""NIfTI-1 and NIfTI-2 single files (``.nii``, ``.nii.gz``), a volume at a time.

The header is parsed and checked by nibabel. The voxels are read here instead of through its array
proxies: straight into the buffer that is sent, never more bytes than the header declares, never
memory-mapped (a mapped file that shrinks kills the process), and a compressed series in one pass
per reader instead of once from the start for each volume.

Formats: https://nifti.nimh.nih.gov/nifti-1 and https://nifti.nimh.nih.gov/nifti-2; gzip: RFC 1952.
"""

import gzip
import logging
import math
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from common.domain.types import Affine
from common.errors import SourceError

_HEADER_BYTES = 540  # of a NIfTI-2 header, the longer one
_AXIS_MAX = 65535  # voxels along an axis that a scan may have
_VOLUMES_MAX = 65535  # in one file
_MM = {"meter": 1000.0, "micron": 0.001}
_DEFLATE_RATIO = 1032
"""Deflate cannot inflate by more: a file that declares more than this is cut short or lies."""

_NARROW = ("uint8", "int8", "uint16", "int16", "uint32", "int32")

# nibabel reports each oddity of a header that it repairs, on a handler of its own, to stderr.
_unheard = logging.Logger("common.formats.nifti.volumes", logging.CRITICAL + 1)


class _Stream:
    """An open file, inflated where it begins as gzip does, whatever its name."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self.packed = self._raw.peek(2)[:2] == b"\x1f\x8b"
        self._reader = gzip.GzipFile(fileobj=self._raw) if self.packed else self._raw
        stat = os.fstat(self._raw.fileno())
        self.size, self.mtime_ns = stat.st_size, stat.st_mtime_ns
        self.place = 0

    def read(self, count: int) -> bytes:
        data = self._reader.read(count)
        self.place += len(data)
        return data

    def fill(self, buffer: memoryview) -> None:
        """Fill ``buffer`` to its end.

        Raises:
            EOFError: the file ends before.
        """
        done = 0
        while done < len(buffer):
            count = self._reader.readinto(buffer[done:])
            if not count:
                raise EOFError
            done += count
        self.place += done

    def move(self, place: int) -> None:
        """Go on to ``place``, a byte offset behind what was read so far if the file is packed."""
        if not self.packed:
            self._raw.seek(place)
            self.place = place
            return
        scratch = memoryview(bytearray(min(1 << 20, max(place - self.place, 0))))
        while self.place < place:
            self.fill(scratch[: place - self.place])

    def close(self) -> None:
        self._reader.close()
        self._raw.close()


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the header says: ``shape`` is of one volume (x, y, z), ``affine`` is in mm."""

    shape: tuple[int, int, int]
    volumes: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    affine: Affine

    @property
    def scaled(self) -> bool:
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def volume_bytes(self) -> int:
        """Of a volume as it is stored."""
        return math.prod(self.shape) * self.dtype.itemsize


class _File:
    """A file and its open streams, shared by its volumes and by the threads that load them.

    A packed file can only be read forwards. Idle streams are kept where they stopped and the one
    closest before the wanted volume goes on, so that a series costs each reader one pass.
    """

    def __init__(self, path: Path, layout: _Layout, stamp: tuple[int, int]) -> None:
        self.layout = layout
        self._path = path
        self._stamp = stamp
        self._idle: list[_Stream] = []
        self._finished = False
        self._lock = threading.Lock()

    def __del__(self) -> None:
        for stream in self._idle:
            stream.close()

    def read(self, volume: int) -> npt.NDArray[Any]:
        """Volume ``volume`` (from 0), scaled, in Fortran order, little-endian."""
        layout = self.layout
        start = layout.offset + volume * layout.volume_bytes
        last = volume == layout.volumes - 1
        with _reasons():
            stream = self._take(start)
            try:
                stream.move(start)
                array = _scaled(stream, layout) if layout.scaled else _plain(stream, layout)
                if last and stream.packed:
                    stream.read(1)  # gzip compares its checksum only when asked for the end
            except BaseException:
                stream.close()
                raise
        self._give(stream, last)
        return array

    def _take(self, start: int) -> _Stream:
        with self._lock:
            before = [stream for stream in self._idle if stream.place <= start]
            if before:
                stream = max(before, key=lambda idle: idle.place)
                self._idle.remove(stream)
                return stream
        stream = _Stream(self._path)
        if (stream.size, stream.mtime_ns) != self._stamp:
            stream.close()
            raise SourceError("the file was changed after its header was read: send it again")
        return stream

    def _give(self, stream: _Stream, last: bool) -> None:
        with self._lock:
            self._finished |= last
            self._idle.append(stream)
            # A plain file is opened anew for little; a finished one is not needed any more.
            keep = [] if self._finished or not stream.packed else self._idle[-8:]
            done = [idle for idle in self._idle if idle not in keep]
            self._idle = keep
        for idle in done:
            idle.close()


@dataclass(frozen=True, slots=True)
class NiftiVolume:
    """One volume of a file."""

    label: str
    path: Path
    _file: _File
    _volume: int

    @property
    def acquired_at(self) -> None:
        """NIfTI does not say."""

    @property
    def subject(self) -> None:
        """NIfTI does not say."""

    @property
    def declared_bytes(self) -> int:
        """Memory that the volume takes, as its header declares it."""
        layout = self._file.layout
        return math.prod(layout.shape) * max(layout.dtype.itemsize, 4 * layout.scaled)

    def read(self) -> tuple[npt.NDArray[Any], Affine]:
        """The voxels (x, y, z) in Fortran order and the affine in mm, RAS+.

        Stored values are kept in their type where the header scales them by 1 and 0, or not at
        all (slope 0, as NIfTI has it), else they become ``slope * value + inter`` as float32.
        64-bit integers take the smallest type that a scan may have and that holds them.

        Raises:
            SourceError: cut short, damaged, changed meanwhile, or its values fit no type.
        """
        return self._file.read(self._volume), self._file.layout.affine


def nifti_volumes(path: Path, label: str) -> list[NiftiVolume]:
    """The volumes of a file, from its header alone.

    Axes of length 1 behind the third are dropped and a plane (x, y) is taken as (x, y, 1). The
    volumes of a 4-D file are labelled ``[volume 1]``, ``[volume 2]`` … in their order.

    Args:
        path: the file, packed with gzip or not.
        label: names the file to its user.

    Raises:
        SourceError: not a NIfTI file, cut short, or of a kind that cannot become scans.
    """
    with _reasons():
        stream = _Stream(path)
        try:
            block = stream.read(_HEADER_BYTES)
        finally:
            stream.close()
        if not stream.size:
            raise SourceError("the file is empty")
        layout = _layout(block)
    _check_length(layout, stream)
    file = _File(path, layout, (stream.size, stream.mtime_ns))
    if layout.volumes == 1:
        return [NiftiVolume(label, path, file, 0)]
    return [
        NiftiVolume(f"{label} [volume {volume + 1}]", path, file, volume)
        for volume in range(layout.volumes)
    ]


def _layout(block: bytes) -> _Layout:
    kinds: tuple[Any, ...] = (Nifti1Header, Nifti2Header)
    kind = next((kind for kind in kinds if kind.may_contain_header(block)), None)
    if kind is None:
        raise SourceError("not a NIfTI file: its header does not begin as NIfTI-1 or NIfTI-2 do")
    # Never through ``from_fileobj``: that reads header extensions of any declared length.
    header = kind(block[: kind.sizeof_hdr], check=False)
    if header["magic"].item() != kind.single_magic:
        raise SourceError("the header of a .hdr/.img pair: make it one .nii file")
    header.check_fix(logger=_unheard, error_level=40)
    shape, volumes = _shape(tuple(int(length) for length in header.get_data_shape()))
    slope, inter = header.get_slope_inter()
    return _Layout(
        shape=shape,
        volumes=volumes,
        dtype=_dtype(header),
        offset=int(header.get_data_offset()) or int(kind.single_vox_offset),
        slope=1.0 if slope is None else float(slope),
        inter=0.0 if inter is None else float(inter),
        affine=_affine(header),
    )


def _shape(dims: tuple[int, ...]) -> tuple[tuple[int, int, int], int]:
    """The shape of a volume, and how many there are."""
    said = "x".join(map(str, dims))
    if not dims or min(dims) < 0:
        raise SourceError(f"a header that makes no sense: axes of {said or 'no'} voxels")
    if 0 in dims:
        raise SourceError(f"an empty volume: axes of {said} voxels")
    while len(dims) > 3 and dims[-1] == 1:
        dims = dims[:-1]
    if len(dims) == 1:
        raise SourceError(f"a row of {said} values is not an image")
    if len(dims) > 4:
        raise SourceError(f"{len(dims)}-D data ({said}, vectors or a matrix), not volumes in time")
    if max(dims[:3]) > _AXIS_MAX:
        raise SourceError(f"axes of {said} voxels: more than {_AXIS_MAX} along one")
    i, j, k, volumes = (*dims, 1, 1)[:4]
    # Each becomes a scan, and packed, a few kilobytes declare millions of them.
    if volumes > _VOLUMES_MAX:
        raise SourceError(f"{volumes} volumes in a file: more than {_VOLUMES_MAX}")
    return (i, j, k), volumes


def _dtype(header: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = header.get_data_dtype()
    if dtype.kind == "V":
        raise SourceError("voxels are RGB colours, not brightness")
    if dtype.kind == "c":
        raise SourceError("voxels are complex numbers: make magnitudes of them")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise SourceError(f"voxels of type {dtype.name}: make them float32 or float64")
    return dtype


def _affine(header: Any) -> Affine:
    """The affine that the header prefers (sform, then qform, then voxel sizes alone), in mm."""
    matrix = np.array(header.get_best_affine(), dtype=np.float64)[:3]
    matrix *= _MM.get(header.get_xyzt_units()[0], 1.0)
    matrix += 0.0  # no -0.0
    if not np.isfinite(matrix).all():
        raise SourceError("the affine in the header is not finite")
    lengths = np.linalg.norm(matrix[:, :3], axis=0)
    if abs(np.linalg.det(matrix[:, :3])) <= 1e-9 * np.prod(lengths):
        raise SourceError("the affine in the header is singular: it places all in one plane")
    x, y, z = ((float(a), float(b), float(c), float(d)) for a, b, c, d in matrix)
    return x, y, z


def _check_length(layout: _Layout, stream: _Stream) -> None:
    end = layout.offset + layout.volumes * layout.volume_bytes
    if end > stream.size * (_DEFLATE_RATIO if stream.packed else 1):
        raise SourceError(
            f"the file is cut short: its header declares {end} bytes, "
            f"a file of {stream.size} cannot hold them"
        )


def _plain(stream: _Stream, layout: _Layout) -> npt.NDArray[Any]:
    data = np.empty(layout.volume_bytes, np.uint8)
    stream.fill(data.data)
    array = data.view(layout.dtype)
    if layout.dtype != layout.dtype.newbyteorder("<"):
        array = array.byteswap(inplace=True).view(layout.dtype.newbyteorder("<"))
    shaped = array.reshape(layout.shape, order="F")
    return _narrowed(shaped) if shaped.dtype.kind in "iu" and shaped.itemsize == 8 else shaped


def _scaled(stream: _Stream, layout: _Layout) -> npt.NDArray[Any]:
    """Slice by slice: the stored values are never in memory as a whole."""
    i, j, slices = layout.shape
    scaled = np.empty(layout.shape, "<f4", order="F")
    data = np.empty(i * j * layout.dtype.itemsize, np.uint8)
    stored = data.view(layout.dtype).reshape((i, j), order="F")
    try:
        with np.errstate(over="raise", invalid="ignore"):
            for k in range(slices):
                stream.fill(data.data)
                scaled[:, :, k] = stored.astype(np.float64) * layout.slope + layout.inter
    except FloatingPointError as error:
        raise SourceError("scaled values are too large for float32") from error
    return scaled


def _narrowed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """64-bit integers in the smallest type of a scan that holds them all."""
    low, high = int(array.min()), int(array.max())
    for name in _NARROW:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return array.astype(np.dtype(name).newbyteorder("<"))
    if max(-low, high) <= 2**53:  # float64 has each integer up to here
        return array.astype("<f8")
    raise SourceError(f"64-bit integers from {low} to {high}: no smaller type holds them exactly")


@contextmanager
def _reasons() -> Iterator[None]:
    """Turns what reading a file can raise into a ``SourceError`` that a person can act on."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the file is cut short: it ends before the voxels that its header declares"
    if isinstance(error, zlib.error | gzip.BadGzipFile):
        return f"the compressed data is damaged: {error}"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or type(error).__name__}"
    if isinstance(error, MemoryError):
        return "not enough memory to hold the volume"
    # What remains is nibabel's: its HeaderDataError, and ValueErrors out of numpy.
    return f"not a valid NIfTI header: {error}"
