"""EDF, EDF+ and BDF files (edfplus.info; biosemi.com/faq/file_format.htm).

A header of text, then data records: in each, the samples of each signal for the same time. In
EDF+D, records may have gaps between them, and an annotation says when each begins.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.ecg.filters import common_codes, prefilter_codes
from common.formats.ecg.leads import is_ecg_label, lead_names, millivolts, one_rate
from common.formats.ecg.members import EcgPath
from common.formats.ecg.recording import SAMPLES_MAX, Opened, Recording, Samples
from common.formats.not_a_scan import NotAScan

_FIXED_BYTES = 256
_SIGNALS_MAX = 4096
_RECORD_BYTES_MAX = 256 << 20
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_ONSET = re.compile(rb"([+-]\d+(?:\.\d+)?)(?:\x15\d+(?:\.\d+)?)?\x14")
_STRETCH_MAX = 20
"""A recording with gaps may be so many times as long as what was recorded."""


@dataclass(frozen=True, slots=True)
class _Channel:
    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    prefilter: str
    samples: int
    """In each data record."""
    offset: int
    """Bytes before them in each record."""

    @property
    def gain(self) -> float:
        """Steps per unit; negative if the signal is inverted."""
        (low, high), (first, last) = self.physical, self.digital
        return (last - first) / (high - low)


@dataclass(frozen=True, slots=True)
class _Header:
    data_bytes: int
    """Of the header."""
    width: int
    """Bytes of a sample: 2 (EDF) or 3 (BDF)."""
    records: int
    duration_s: float
    discontinuous: bool
    channels: tuple[_Channel, ...]
    start: datetime | None
    patient: str

    @property
    def record_bytes(self) -> int:
        return self.width * sum(channel.samples for channel in self.channels)


def open_edf(path: EcgPath) -> Opened:
    """Open a file.

    Raises:
        SourceError: it is damaged, cut off, or lies about its length.
        NotAScan: it has no lead of an ECG.
    """
    with path.open("rb") as file:
        header = _read_header(file, path.stat().st_size)
        chosen = _chosen(header)
        starts = _starts(file, header, chosen[0].samples)
    count = starts[-1] + chosen[0].samples
    problems = []
    if len(chosen) < sum(one.label not in _ANNOTATIONS for one in header.channels):
        problems.append("channels_left_out")
    if count > len(starts) * chosen[0].samples:
        problems.append("gaps")
    recording = Recording(
        leads=lead_names([channel.label for channel in chosen]),
        samples=count,
        sampling_rate_hz=one_rate([channel.samples / header.duration_s for channel in chosen]),
        gains=tuple(abs(one.gain) / (millivolts(one.unit) or 1.0) for one in chosen),
        filters=common_codes([prefilter_codes(channel.prefilter) for channel in chosen]),
        start=header.start,
        patient=header.patient,
        problems=tuple(problems),
    )

    def read(samples: Samples) -> None:
        with path.open("rb") as file:
            file.seek(header.data_bytes)
            for start in starts:
                data = _read_exactly(file, header.record_bytes)
                for number, channel in enumerate(chosen):
                    place = slice(start, start + channel.samples)
                    samples[place, number] = _volts(data, channel, header.width)

    return Opened(recording, read)


def _read_header(file: BinaryIO, size: int) -> _Header:
    fixed = _read_exactly(file, _FIXED_BYTES)
    width = 3 if fixed[:1] == b"\xff" else 2
    count = _whole(fixed[252:256], "number of signals")
    declared, duration = _number(fixed[236:244], "records"), _number(fixed[244:252], "duration")
    if not 0 < count <= _SIGNALS_MAX or not 0 <= duration < 1e9:
        raise SourceError("not a valid EDF header: export the file again")
    described = _read_exactly(file, _FIXED_BYTES * count)
    fields, at = [], 0
    for length in _WIDTHS:
        fields.append([described[at + n * length :][:length] for n in range(count)])
        at += length * count
    channels, offset = [], 0
    for label, _, unit, *limits, prefilter, samples, _ in zip(*fields, strict=True):
        channel = _channel(label, unit, limits, prefilter, samples, offset)
        offset += width * channel.samples
        channels.append(channel)
    if not 0 < offset <= _RECORD_BYTES_MAX:
        raise SourceError("its data records are empty, or impossibly large: export the file again")
    data_bytes = _FIXED_BYTES * (count + 1)
    header = _Header(
        data_bytes=data_bytes,
        width=width,
        records=_records(declared, size - data_bytes, offset),
        duration_s=duration,
        discontinuous=_text(fixed[192:236]).startswith(("EDF+D", "BDF+D")),
        channels=tuple(channels),
        start=_start(_text(fixed[168:176]), _text(fixed[176:184])),
        patient=_patient(_text(fixed[8:88]), is_plus=b"+" in fixed[192:197]),
    )
    if not duration:
        raise SourceError(
            "its data records have no duration, so there is no sampling rate: export the file again"
        )
    return header


def _records(declared: float, size: int, record: int) -> int:
    there, rest = divmod(size, record)
    if declared == -1 and not rest:  # the recorder was switched off before it could say
        return there
    if declared != there or rest:
        how = "cut off" if declared > there else "longer than it says"
        raise SourceError(
            f"{how}: its header declares {declared:g} data records, the file has "
            f"{there}{' and a part' if rest else ''}; copy it again"
        )
    return there


def _channel(
    label: bytes,
    unit: bytes,
    limits: Sequence[bytes],
    prefilter: bytes,
    samples: bytes,
    offset: int,
) -> _Channel:
    names = ("physical minimum", "physical maximum", "digital minimum", "digital maximum")
    name = _text(label)
    is_signal = name not in _ANNOTATIONS
    low, high, first, last = (
        _number(text, what) if is_signal else float(place)
        for place, (text, what) in enumerate(zip(limits, names, strict=True))
    )
    if is_signal and (low == high or first == last):
        raise SourceError("a signal of its header has no range of values: export the file again")
    return _Channel(
        label=name,
        unit=_text(unit),
        physical=(low, high),
        digital=(int(first), int(last)),
        prefilter=_text(prefilter),
        samples=_whole(samples, "number of samples"),
        offset=offset,
    )


def _chosen(header: _Header) -> list[_Channel]:
    signals = [one for one in header.channels if one.label not in _ANNOTATIONS and one.samples]
    volts = [one for one in signals if millivolts(one.unit) is not None]
    named = [one for one in volts if is_ecg_label(one.label)]
    if not named or not header.records:
        if volts and not header.records:
            raise SourceError("an empty recording: it has no data records; export it again")
        raise NotAScan("biosignal")
    one_rate([one.samples / header.duration_s for one in named])
    return named


def _starts(file: BinaryIO, header: _Header, samples: int) -> list[int]:
    """The sample at which each data record begins."""
    if not header.discontinuous:
        return [n * samples for n in range(header.records)]
    noted = next((one for one in header.channels if one.label in _ANNOTATIONS), None)
    starts: list[int] = []
    first = 0.0
    for number in range(header.records):
        onset = None
        if noted is not None:
            file.seek(header.data_bytes + number * header.record_bytes + noted.offset)
            onset = _ONSET.match(_read_exactly(file, noted.samples * header.width))
        if onset is None:
            raise SourceError("a data record does not say when it begins: export the file again")
        second = float(onset.group(1))
        first = second if not starts else first
        start = round((second - first) * samples / header.duration_s)
        if starts and start < starts[-1] + samples:
            raise SourceError("its data records overlap in time: export the file again")
        starts.append(start)
    if starts[-1] > min(_STRETCH_MAX * samples * header.records, SAMPLES_MAX):
        raise SourceError("its gaps are much longer than its records: split the recording")
    return starts


def _volts(data: bytes, channel: _Channel, width: int) -> npt.NDArray[Any]:
    """The samples of a channel in a data record, mV."""
    size = channel.samples * width
    raw = np.frombuffer(data, np.uint8, size, channel.offset)
    if width == 2:
        values = raw.view("<i2").astype(np.float64)
    else:
        a, b, c = raw.reshape(-1, 3).astype(np.int64).T
        values = (((a | b << 8 | c << 16) ^ 0x800000) - 0x800000).astype(np.float64)
    volts: npt.NDArray[Any] = (values - channel.digital[0]) / channel.gain + channel.physical[0]
    return volts * (millivolts(channel.unit) or 1.0)


def _start(date: str, time: str) -> datetime | None:
    found = re.fullmatch(r"(\d\d)[.:/-](\d\d)[.:/-](\d\d)", date)
    clock = re.fullmatch(r"(\d\d)[.:](\d\d)[.:](\d\d)", time)
    # 01.01.85 00.00.00 is what removes the date.
    if (
        not found
        or not clock
        or (found.groups(), set(clock.groups())) == (("01", "01", "85"), {"00"})
    ):
        return None
    day, month, year = map(int, found.groups())
    try:
        hour, minute, second = map(int, clock.groups())
        return datetime(  # noqa: DTZ001 - the header has no zone
            year + (1900 if year >= 85 else 2000), month, day, hour, minute, second
        )
    except ValueError:
        return None


def _patient(text: str, *, is_plus: bool) -> str:
    """The patient's identifier: of EDF+, the first part of the field."""
    known = text.split(" ")[0] if is_plus else text
    return "" if known.upper() in ("", "X") else known


def _text(data: bytes) -> str:
    return data.decode("latin-1").strip("\0 ")


def _number(data: bytes, what: str) -> float:
    try:
        number = float(_text(data).replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SourceError(f"its header has no valid {what}: export the file again")
    return number


def _whole(data: bytes, what: str) -> int:
    number = _number(data, what)
    if number != int(number) or not 0 <= number <= SAMPLES_MAX:
        raise SourceError(f"its header has no valid {what}: export the file again")
    return int(number)


def _read_exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise SourceError("cut off: the file ends before its header says; copy it again")
    return data
