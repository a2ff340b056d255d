"""Samples of WFDB signal files (.dat, .mat) in their formats.

The formats are those of signal(5) of the WFDB Applications Guide. In each but 8, the least value
says that there is no sample.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.ecg.members import EcgPath

Ints = npt.NDArray[np.int64]

_BLOCK_SAMPLES = 6 << 17
"""Decoded together: a multiple of all group sizes, so that a block begins with a whole group."""


def _differences(data: npt.NDArray[np.uint8]) -> Ints:
    return data.view(np.int8).astype(np.int64)


def _int16(data: npt.NDArray[np.uint8]) -> Ints:
    return data.view("<i2").astype(np.int64)


def _int16_big(data: npt.NDArray[np.uint8]) -> Ints:
    return data.view(">i2").astype(np.int64)


def _offset_16(data: npt.NDArray[np.uint8]) -> Ints:
    return data.view("<u2").astype(np.int64) - (1 << 15)


def _offset_8(data: npt.NDArray[np.uint8]) -> Ints:
    return data.astype(np.int64) - (1 << 7)


def _int24(data: npt.NDArray[np.uint8]) -> Ints:
    a, b, c = data.reshape(-1, 3).astype(np.int64).T
    return _signed(a | b << 8 | c << 16, 24)


def _int32(data: npt.NDArray[np.uint8]) -> Ints:
    return data.view("<i4").astype(np.int64)


def _packed_212(data: npt.NDArray[np.uint8]) -> Ints:
    a, b, c = data.reshape(-1, 3).astype(np.int64).T
    pairs = np.stack([a | (b & 0x0F) << 8, c | (b & 0xF0) << 4], axis=1)
    return _signed(pairs.reshape(-1), 12)


def _packed_310(data: npt.NDArray[np.uint8]) -> Ints:
    low, high = data.view("<u2").reshape(-1, 2).astype(np.int64).T
    third = low >> 11 | (high >> 11) << 5
    triples = np.stack([low >> 1 & 0x3FF, high >> 1 & 0x3FF, third], axis=1)
    return _signed(triples.reshape(-1), 10)


def _packed_311(data: npt.NDArray[np.uint8]) -> Ints:
    word = data.view("<u4").astype(np.int64)
    triples = np.stack([word & 0x3FF, word >> 10 & 0x3FF, word >> 20 & 0x3FF], axis=1)
    return _signed(triples.reshape(-1), 10)


def _signed(values: Ints, bits: int) -> Ints:
    half = 1 << (bits - 1)
    return (values ^ half) - half


@dataclass(frozen=True, slots=True)
class SampleFormat:
    """How samples lie in a file: ``samples`` of them in ``bytes`` bytes."""

    samples: int
    bytes: int
    decode: Callable[[npt.NDArray[np.uint8]], Ints]
    missing: int | None
    """The value that stands for no sample."""

    def size_of(self, samples: int) -> int:
        """Bytes that so many samples take at least: the last group may be cut after them."""
        groups, rest = divmod(samples, self.samples)
        # Of 212: the first sample of a group needs two bytes; of 310 and 311, two of the four.
        needed = {1: 2, 2: 4}.get(rest, 0) if self.samples > 1 else 0
        return groups * self.bytes + min(needed, self.bytes)


FORMATS = {
    8: SampleFormat(1, 1, _differences, None),
    16: SampleFormat(1, 2, _int16, -(1 << 15)),
    24: SampleFormat(1, 3, _int24, -(1 << 23)),
    32: SampleFormat(1, 4, _int32, -(1 << 31)),
    61: SampleFormat(1, 2, _int16_big, -(1 << 15)),
    80: SampleFormat(1, 1, _offset_8, -(1 << 7)),
    160: SampleFormat(1, 2, _offset_16, -(1 << 15)),
    212: SampleFormat(2, 3, _packed_212, -(1 << 11)),
    310: SampleFormat(3, 4, _packed_310, -(1 << 9)),
    311: SampleFormat(3, 4, _packed_311, -(1 << 9)),
}
"""By the number of the format."""


def format_of(number: int) -> SampleFormat:
    """A format.

    Raises:
        SourceError: Fr does not read it.
    """
    try:
        return FORMATS[number]
    except KeyError:
        raise SourceError(
            f"WFDB format {number}, which Fr does not read: convert it to format 16 (xform)"
        ) from None


def frames_in(size: int, form: SampleFormat, frame: int) -> int:
    """Whole frames in a file.

    Args:
        size: bytes from the first sample to the end.
        form: of the samples.
        frame: samples in a frame.
    """
    groups, rest = divmod(size, form.bytes)
    more = max(n for n in range(form.samples) if form.size_of(n) <= rest)
    return (groups * form.samples + more) // frame


def read_frames(
    path: EcgPath, offset: int, form: SampleFormat, frame: int, frames: int
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Read samples block by block.

    Args:
        path: of the file.
        offset: bytes before the first sample.
        form: of the samples.
        frame: samples in a frame.
        frames: to read.

    Yields:
        The number of the first frame of a block, and digital samples (frames, samples in a frame).

    Raises:
        SourceError: the file ends before.
    """
    total, at = frame * frames, 0
    rest: Ints = np.empty(0, np.int64)
    with path.open("rb") as file:
        file.seek(offset)
        done = 0
        while done < total:
            wanted = min(_BLOCK_SAMPLES, -(-(total - done) // form.samples) * form.samples)
            data = file.read(wanted // form.samples * form.bytes)
            if len(data) < form.size_of(min(wanted, total - done)):
                raise SourceError("the file of its samples is cut off: copy it again")
            whole = data.ljust(wanted // form.samples * form.bytes, b"\0")
            found = form.decode(np.frombuffer(whole, np.uint8))[: total - done]
            done += len(found)
            rest = np.concatenate([rest, found])
            count = len(rest) // frame
            if count:
                yield at, rest[: count * frame].reshape(count, frame)
                rest, at = rest[count * frame :], at + count
