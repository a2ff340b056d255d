"""Headers of WFDB records (.hea), as real databases have them.

The format is header(5) of the WFDB Applications Guide (physionet.org/physiotools/wag). A header is
text; comments begin with '#'. The record line comes first, then a line for each signal, or for each
segment of a record with several.
"""

import contextlib
import math
import re
from dataclasses import dataclass
from datetime import datetime

from common.errors import SourceError

HEADER_BYTES_MAX = 1 << 20
DEFAULT_RATE_HZ = 250.0
DEFAULT_GAIN = 200.0
SEGMENTS_MAX = 100_000

_DATES = ("%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d", "%d-%b-%Y")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_FORMAT = re.compile(r"^(\d+)(?:x(\d+))?(?::(-?\d+))?(?:\+(\d+))?$")
_GAIN = re.compile(r"^([-+0-9.eE]+)(?:\(([-+0-9]+)\))?(?:/(\S+))?$")


@dataclass(frozen=True, slots=True)
class SignalLine:
    """One signal of a record."""

    file: str
    format: int
    per_frame: int
    skew: int
    offset: int
    """Bytes of the file before the first sample."""
    gain: float
    """Steps per unit; 0 in the file means that nobody has calibrated it, and is the default."""
    baseline: int
    units: str
    adc_zero: int
    initial: int
    checksum: int | None
    name: str
    calibrated: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a record; ``~`` is a gap."""

    name: str
    samples: int


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record: its signals, or its segments."""

    rate_hz: float
    samples: int | None
    start: datetime | None
    signal_count: int
    signals: tuple[SignalLine, ...]
    segments: tuple[Segment, ...] | None


def parse_header(text: str) -> RecordLine:
    """Parse a header.

    Raises:
        SourceError: it is none, or contradicts itself.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise SourceError("a WFDB header without a record line: copy the file again")
    record, *rest = lines
    name, *fields = record.split()
    folder, name, segments = _named(name)
    if not _NAME.fullmatch(name) or not fields:
        raise SourceError("not a WFDB header, although its name says so: copy it again")
    signal_count = _whole(fields[0], "number of signals")
    rate = _rate(fields[1]) if len(fields) > 1 else DEFAULT_RATE_HZ
    samples = _whole(fields[2], "number of samples") if len(fields) > 2 else 0
    start = _start(fields[3:5])
    found: tuple[Segment, ...] | None = None
    signals: tuple[SignalLine, ...] = ()
    if segments:
        count = _whole(segments, "number of segments")
        if not 0 < count <= SEGMENTS_MAX or len(rest) < count:
            raise SourceError("its header lists fewer segments than it declares: copy it again")
        found = tuple(map(_segment, rest[:count]))
    else:
        if len(rest) < signal_count:
            raise SourceError("its header lists fewer signals than it declares: copy it again")
        signals = tuple(_signal(line, folder) for line in rest[:signal_count])
    return RecordLine(rate, samples or None, start, signal_count, signals, found)


def _named(text: str) -> tuple[str, str, str]:
    """The folder, with its slash, and the name of a record, and how many segments it has.

    PTB-XL+ has folders in its headers: those that its records were written from.
    """
    whole, _, last = text.rpartition("/")
    if not whole or not last.isdecimal():
        whole, last = text, ""
    folder, slash, name = whole.rpartition("/")
    if slash and not all(map(_NAME.fullmatch, folder.split("/"))):
        return "", whole, last
    return folder + slash, name, last


def _signal(line: str, folder: str) -> SignalLine:
    file, *rest = line.split(None, 8)
    match = _FORMAT.match(rest[0]) if rest else None
    if match is None:
        raise SourceError("a signal of its header has no format: copy the file again")
    number, per_frame, skew, offset = match.groups()
    fields = rest[1:]
    gain, baseline, units = _gain(fields[0]) if fields else (0.0, None, "mV")
    adc_zero = _int(fields, 2, 0)
    name = fields[6] if len(fields) > 6 else ""
    return SignalLine(
        file=file.removeprefix(folder),
        format=int(number),
        per_frame=int(per_frame or 1),
        skew=int(skew or 0),
        offset=int(offset or 0),
        gain=gain or DEFAULT_GAIN,
        baseline=adc_zero if baseline is None else baseline,
        units=units,
        adc_zero=adc_zero,
        initial=_int(fields, 3, adc_zero),
        checksum=_int(fields, 4, 0) if len(fields) > 4 else None,
        name=name,
        calibrated=bool(gain),
    )


def _gain(text: str) -> tuple[float, int | None, str]:
    match = _GAIN.match(text)
    try:
        gain = float(match.group(1)) if match else math.nan
        baseline = int(match.group(2)) if match and match.group(2) else None
    except ValueError:
        gain, baseline = math.nan, None
    if match is None or not math.isfinite(gain):
        raise SourceError("a signal of its header has no valid gain: correct the header")
    return gain, baseline, match.group(3) or "mV"


def _segment(line: str) -> Segment:
    name, *fields = line.split()
    if name != "~" and not _NAME.fullmatch(name):
        raise SourceError("a segment of its header has no valid name: copy the file again")
    return Segment(name, _whole(fields[0] if fields else "", "length of a segment"))


def _rate(text: str) -> float:
    try:
        rate = float(text.partition("/")[0])
    except ValueError:
        rate = math.nan
    if not math.isfinite(rate) or rate <= 0:
        raise SourceError("its header declares an impossible sampling rate: correct the header")
    return rate


def _start(fields: list[str]) -> datetime | None:
    """The start; None if the header has no date, or none that is one.

    The time comes before the date (15/08/1994). The Challenges of 2017 to 2021 have the date first,
    as 2014-05-08 or 05-May-2020.
    """
    time, date = (*fields, "", "")[:2]
    if ":" not in time:
        time, date = date, time
    clock = re.fullmatch(r"(?:(\d{1,2}):)?(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?", time)
    if clock is None:
        return None
    hour, minute, second = (int(part or 0) for part in clock.groups()[:3])
    fraction = int((clock.group(4) or "0").ljust(6, "0"))
    for form in _DATES:
        with contextlib.suppress(ValueError):
            day = datetime.strptime(date, form)  # noqa: DTZ007 - the header has no zone
            return day.replace(hour=hour, minute=minute, second=second, microsecond=fraction)
    return None


def _whole(text: str, what: str) -> int:
    if not re.fullmatch(r"\d{1,12}", text):
        raise SourceError(f"its header has no valid {what}: copy the file again")
    return int(text)


def _int(fields: list[str], place: int, default: int) -> int:
    text = fields[place] if len(fields) > place else ""
    return int(text) if re.fullmatch(r"[-+]?\d{1,12}", text) else default
