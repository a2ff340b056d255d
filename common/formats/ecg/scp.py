"""SCP-ECG (EN 1064, ISO 11073-91064): rhythm data, plain or Huffman-packed, also as differences.

Rhythm data from which a mean beat was subtracted, or which were thinned out between the beats, are
refused: without a recorder's own reference there is nothing here to check such a reader against.
"""

import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.ecg.filters import filter_code
from common.formats.ecg.leads import lead_names
from common.formats.ecg.members import EcgPath
from common.formats.ecg.recording import LEADS_MAX, Opened, Recording, Samples
from common.formats.ecg.scp_codes import DEFAULT, DEFAULT_TABLE, Code, decode

SCP_BYTES_MAX = 64 << 20

_CUT = "a record of SCP-ECG that is cut off: copy it again"
_DAMAGED = "a damaged record of SCP-ECG: export it again"
_HEADER = 16
_POINTERS, _PATIENT, _TABLES, _LEADS, _RHYTHM = 0, 1, 2, 3, 6
_ID, _DATE, _TIME, _HIGHPASS, _LOWPASS, _FILTERS, _ZONE, _END = 2, 25, 26, 27, 28, 29, 34, 255
_NOTCHES = ((1, 60.0), (2, 50.0))
_ZONE_UNKNOWN = 0x7FFF
_NAMES = {
    1: "I",
    2: "II",
    9: "V7",
    16: "X",
    17: "Y",
    18: "Z",
    19: "CC5",
    20: "CM5",
    **{n + 2: f"V{n}" for n in range(1, 7)},
    **{n + 8: f"V{n}R" for n in range(2, 8)},
    61: "III",
    62: "aVR",
    63: "aVL",
    64: "aVF",
    65: "-aVR",
    66: "V8",
    67: "V9",
}
"""Names of leads by their numbers."""


@dataclass(frozen=True, slots=True)
class _Lead:
    name: str
    first: int  # from 0
    samples: int


def is_scp(head: bytes) -> bool:
    """Whether a file begins as one of SCP-ECG does: with section 0."""
    return head[16:22] == b"SCPECG" and head[8:10] == b"\0\0"


def open_scp(path: EcgPath) -> Opened:
    """Open a record.

    Raises:
        SourceError: it is damaged, cut off, or packed in a way that Fr does not read.
    """
    with path.open("rb") as file:
        data = file.read(SCP_BYTES_MAX + 1)
    try:
        return _opened(_sections(data))
    except (struct.error, IndexError, ValueError):
        raise SourceError(_DAMAGED) from None


def _sections(data: bytes) -> dict[int, bytes]:
    """The sections by their numbers, without their headers."""
    if len(data) > SCP_BYTES_MAX:
        raise SourceError("larger than any valid record of SCP-ECG: convert it to DICOM or EDF")
    if len(data) < 6 + _HEADER:
        raise SourceError(_CUT)
    checksum, length = struct.unpack_from("<HI", data)
    if length != len(data):
        more = "longer than its header says" if length < len(data) else "cut off"
        raise SourceError(f"a record of SCP-ECG that is {more}: copy it again")
    if binascii.crc_hqx(data[2:], 0xFFFF) != checksum:
        raise SourceError(_DAMAGED)
    pointers = _section(data, 6)[1]
    found = {}
    for number, size, index in struct.iter_unpack("<HII", pointers[: len(pointers) // 10 * 10]):
        if size > _HEADER:
            known, content = _section(data, index - 1)
            if known != number or len(content) != size - _HEADER:
                raise SourceError(_DAMAGED)
            found[number] = content
    return found


def _section(data: bytes, at: int) -> tuple[int, bytes]:
    """The number and content of the section at a place."""
    _, number, size = struct.unpack_from("<HHI", data, at)
    content = data[at + _HEADER : at + size]
    if at < 0 or len(content) != size - _HEADER:
        raise SourceError(_CUT)
    return number, content


def _opened(sections: dict[int, bytes]) -> Opened:
    if _LEADS not in sections or _RHYTHM not in sections:
        raise SourceError("a record of SCP-ECG without rhythm data: export the whole recording")
    leads, subtracted = _leads(sections[_LEADS])
    rhythm = sections[_RHYTHM]
    nanovolts, step_us, differences, thinned = struct.unpack_from("<HHBB", rhythm)
    if subtracted or thinned:
        raise SourceError(
            "a record of SCP-ECG that holds differences from a mean beat, or fewer samples between "
            "beats, which Fr does not read: export it without compression, or as DICOM"
        )
    if not nanovolts or not step_us or differences > 2:
        raise SourceError(_DAMAGED)
    sizes = struct.unpack_from(f"<{len(leads)}H", rhythm, 6)
    if 6 + 2 * len(leads) + sum(sizes) > len(rhythm):
        raise SourceError(_CUT)
    tables = _tables(sections[_TABLES]) if _TABLES in sections else None
    tags = _tags(sections.get(_PATIENT, b""))
    at, zone = _start(tags)
    recording = Recording(
        leads=lead_names([lead.name for lead in leads]),
        samples=max(lead.first + lead.samples for lead in leads),
        sampling_rate_hz=1e6 / step_us,
        gains=(1e6 / nanovolts,) * len(leads),
        filters=_filters(tags),
        start=at,
        zone=zone,
        patient=tags.get(_ID, b"").rstrip(b"\0 ").decode("latin-1"),
    )

    def read(samples: Samples) -> None:
        start = 6 + 2 * len(leads)
        for number, (lead, size) in enumerate(zip(leads, sizes, strict=True)):
            values = _numbers(rhythm[start : start + size], lead.samples, tables)
            start += size
            whole = _summed(values, differences) * (nanovolts / 1e6)
            samples[lead.first : lead.first + lead.samples, number] = whole

    return Opened(recording, read)


def _leads(section: bytes) -> tuple[list[_Lead], bool]:
    """The leads, and whether a mean beat was subtracted from their samples."""
    count, flags = section[0], section[1]
    if not 1 <= count <= LEADS_MAX:
        raise SourceError("a record of SCP-ECG without leads: export it again")
    leads = []
    for number in range(count):
        first, last, lead = struct.unpack_from("<IIB", section, 2 + 9 * number)
        if not 1 <= first <= last <= 8 * SCP_BYTES_MAX:
            raise SourceError(_DAMAGED)
        leads.append(_Lead(_NAMES.get(lead, ""), first - 1, last - first + 1))
    return leads, bool(flags & 1)


def _tables(section: bytes) -> list[Sequence[Code]]:
    [count] = struct.unpack_from("<H", section)
    if count == DEFAULT_TABLE:
        return [DEFAULT]
    tables: list[Sequence[Code]] = []
    at = 2
    for _ in range(count):
        [codes] = struct.unpack_from("<H", section, at)
        at += 2
        table = []
        for _ in range(codes):
            bits, total, mode, value, prefix = struct.unpack_from("<BBBhI", section, at)
            at += 9
            if not 1 <= bits <= 32 or not bits <= total <= bits + 32:
                raise SourceError(_DAMAGED)
            table.append(Code(bits, total, value, prefix, switches=mode == 0))
        tables.append(table)
    if not tables:
        raise SourceError(_DAMAGED)
    return tables


def _numbers(
    data: bytes, count: int, tables: Sequence[Sequence[Code]] | None
) -> npt.NDArray[np.int64]:
    if tables is not None:
        return np.array(decode(data, count, tables), np.int64)
    if len(data) < 2 * count:
        raise SourceError(_CUT)
    return np.frombuffer(data[: 2 * count], "<i2").astype(np.int64)


def _summed(values: npt.NDArray[np.int64], differences: int) -> npt.NDArray[np.int64]:
    """Samples from their first or second differences; the first ones are whole."""
    if differences == 1:
        return np.cumsum(values)
    if differences == 2 and len(values) > 2:
        slopes = np.cumsum(np.concatenate([[values[1] - values[0]], values[2:]]))
        return np.concatenate([values[:1], values[0] + np.cumsum(slopes)])
    return values


def _tags(section: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(section) and section[at] != _END:
        size = int.from_bytes(section[at + 1 : at + 3], "little")
        found.setdefault(section[at], section[at + 3 : at + 3 + size])
        at += 3 + size
    return found


def _start(tags: dict[int, bytes]) -> tuple[datetime | None, Literal["utc", "unknown"]]:
    try:
        year, month, day = struct.unpack("<HBB", tags[_DATE][:4])
        hour, minute, second = struct.unpack("<BBB", tags[_TIME][:3])
        at = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - see the zone below
    except (KeyError, struct.error, ValueError):
        return None, "unknown"
    zone: Any = tags.get(_ZONE, b"")[:2]
    minutes = int.from_bytes(zone, "little", signed=True) if len(zone) == 2 else _ZONE_UNKNOWN
    if abs(minutes) > 24 * 60:
        return at, "unknown"
    try:
        return (at - timedelta(minutes=minutes)).replace(tzinfo=UTC), "utc"
    except OverflowError:  # outside the years 1 to 9999 in UTC
        return None, "unknown"


def _filters(tags: dict[int, bytes]) -> tuple[str, ...]:
    highpass = int.from_bytes(tags.get(_HIGHPASS, b"")[:2], "little") / 100
    lowpass = float(int.from_bytes(tags.get(_LOWPASS, b"")[:2], "little"))
    bits = int.from_bytes(tags.get(_FILTERS, b"")[:1], "little")
    notches = [("notch", hz) for bit, hz in _NOTCHES if bits & bit]
    asked = [("highpass", highpass), ("lowpass", lowpass), *notches]
    return tuple(code for kind, hz in asked if (code := filter_code(kind, hz)))
