"""Writes records of SCP-ECG, for tests."""

import binascii
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.formats.ecg.scp_codes import DEFAULT, Code

Ints = npt.NDArray[np.int64]
TAGS = {
    2: b"PAT-1\0",
    25: struct.pack("<HBB", 2026, 1, 2),
    26: bytes([3, 4, 5]),
    27: struct.pack("<H", 5),
    28: struct.pack("<H", 150),
    29: bytes([2]),
}


def packed(values: Sequence[int], table: Sequence[Code] = DEFAULT) -> bytes:
    """Numbers as the default table packs them."""
    small = {one.value: one for one in table if one.total == one.bits}
    text = ""
    for value in values:
        if (code := small.get(value)) is not None:
            text += _prefix(code)
        else:
            code = table[-2] if -128 <= value < 128 else table[-1]
            size = code.total - code.bits
            text += _prefix(code) + format(value & (1 << size) - 1, f"0{size}b")
    return int(text.ljust(-(-len(text) // 8) * 8, "0") or "0", 2).to_bytes(-(-len(text) // 8))


def _prefix(code: Code) -> str:
    return format(code.prefix, f"0{code.bits}b")[::-1]


def differences(values: Ints, order: int) -> Ints:
    """First or second differences; the first values whole."""
    if order == 0:
        return values
    return np.concatenate([values[:order], np.diff(values, order)])


def write_scp(
    path: Path,
    values: Ints,
    leads: Sequence[int] = (1, 2),
    *,
    order: int = 0,
    tables: bytes | None = None,
    nanovolts: int = 5000,
    firsts: Sequence[int] = (),
    **given: Any,
) -> Path:
    """Write a record.

    Args:
        path: where.
        values: digital samples (samples, leads).
        leads: numbers of the leads.
        order: of the differences: 0, 1 or 2.
        tables: section 2; None: the samples are not packed.
        nanovolts: of a step.
        firsts: number of the first sample of each lead, from 1.
        given: ``tags``; ``flags`` of the leads; ``thinned``; ``step_us``.
    """
    columns = [differences(column, order) for column in values.T]
    pack = (lambda one: packed(one.tolist())) if tables is not None else _plain
    data = [pack(column) for column in columns]
    starts = firsts or [1] * len(leads)
    described = b"".join(
        struct.pack("<IIB", first, first + len(values) - 1, lead)
        for first, lead in zip(starts, leads, strict=True)
    )
    rhythm = struct.pack(
        "<HHBB", nanovolts, given.get("step_us", 2000), order, given.get("thinned", 0)
    )
    rhythm += b"".join(struct.pack("<H", len(one)) for one in data) + b"".join(data)
    tags = given.get("tags", TAGS)
    patient = b"".join(bytes([tag]) + struct.pack("<H", len(v)) + v for tag, v in tags.items())
    sections = {
        1: patient + b"\xff\0\0",
        3: bytes([len(leads), given.get("flags", 4)]) + described,
        6: rhythm,
    }
    if tables is not None:
        sections[2] = tables
    path.write_bytes(whole(sections))
    return path


def whole(sections: dict[int, bytes]) -> bytes:
    """A record of these sections."""
    numbers = [0, *sorted(sections)]
    sections = {0: bytes(10 * len(numbers)), **sections}
    at, pointers = 7, b""
    for number in numbers:
        size = 16 + len(sections[number])
        pointers += struct.pack("<HII", number, size, at)
        at += size
    sections[0] = pointers
    body = b"".join(_section(number, sections[number]) for number in numbers)
    rest = struct.pack("<I", len(body) + 6) + body
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest


def _section(number: int, content: bytes) -> bytes:
    reserved = b"SCPECG" if number == 0 else bytes(6)
    rest = struct.pack("<HIBB", number, len(content) + 16, 20, 20) + reserved + content
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest


def _plain(values: Ints) -> bytes:
    return values.astype("<i2").tobytes()
