"""WFDB records: a header (.hea), the signal files that it names, and segments."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from common.errors import SourceError
from common.formats.ecg.leads import is_ecg_label, lead_names, millivolts, one_rate
from common.formats.ecg.members import EcgPath
from common.formats.ecg.recording import Opened, Recording, Samples
from common.formats.ecg.wfdb_header import (
    HEADER_BYTES_MAX,
    RecordLine,
    Segment,
    SignalLine,
    parse_header,
)
from common.formats.ecg.wfdb_samples import format_of, frames_in, read_frames
from common.formats.not_a_scan import NotAScan

_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
SIGNAL_SUFFIXES = (".dat", ".mat")
"""Of the files that hold the signals of most records."""

_SEGMENT = re.compile(r"(.+)_(?:\d{1,6}|layout)\.hea", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _File:
    """The signals of one file, in their order."""

    path: EcgPath
    signals: tuple[SignalLine, ...]

    @property
    def frame(self) -> int:
        return sum(signal.per_frame for signal in self.signals)

    @property
    def frames(self) -> int:
        """Whole frames in the file as it is."""
        first = self.signals[0]
        try:
            size = self.path.stat().st_size - first.offset
        except OSError:
            raise SourceError(
                f"half of a WFDB record: its file {self.path.suffix or 'of samples'} is not in "
                "the same folder; send both"
            ) from None
        return frames_in(max(0, size), format_of(first.format), self.frame)


def has_header(path: EcgPath) -> bool:
    """Whether the header of a record is beside a file: then it holds the record's signals.

    Args:
        path: a file whose name ends in one of ``SIGNAL_SUFFIXES``.
    """
    stem = path.name.removesuffix(path.suffix)
    try:
        return path.with_name(f"{stem}.hea").stat().st_size > 0
    except (OSError, SourceError):
        return False


def is_segment(path: EcgPath) -> bool:
    """Whether a header is that of a segment, by its name and the header of its whole record."""
    match = _SEGMENT.fullmatch(path.name)
    if match is None:
        return False
    try:
        return _header(path.with_name(f"{match.group(1)}.hea")).segments is not None
    except SourceError:
        return False


def open_wfdb(path: EcgPath) -> Opened:
    """Open a record by its header.

    Raises:
        SourceError: it is damaged or cut off.
        NotAScan: it has no lead of an ECG.
    """
    record = _header(path)
    if record.segments is not None:
        return _open_segments(path, record, record.segments)
    chosen = _chosen(record.signals)
    files = _files(path, record.signals)
    frames = _frames(record, files)
    per_frame = chosen[0].per_frame
    recording = _recording(record, record.signals, chosen, frames * per_frame)

    def read(samples: Samples) -> None:
        _read(files, chosen, frames, samples)

    return Opened(recording, read)


def _open_segments(path: EcgPath, record: RecordLine, segments: Sequence[Segment]) -> Opened:
    parts: list[tuple[int, list[_File], RecordLine | None]] = []
    known: dict[str, SignalLine] = {}
    rates = [record.rate_hz]
    for segment in segments:
        if segment.name == "~":
            parts.append((segment.samples, [], None))
            continue
        one = _header(path.with_name(f"{segment.name}.hea"))
        if one.segments is not None:
            raise SourceError("a segment is itself divided into segments: copy the record again")
        for signal in one.signals:
            known.setdefault(signal.name, signal)
        if segment.samples == 0:  # the layout, which has no samples
            continue
        rates.append(one.rate_hz)
        files = _files(path, one.signals)
        if min((file.frames for file in files), default=0) < segment.samples:
            raise SourceError("a segment of the record is cut off: copy it again")
        parts.append((segment.samples, files, one))
    one_rate(rates)
    signals = tuple(known.values())
    chosen = _chosen(signals)
    per_frame = chosen[0].per_frame
    total = sum(length for length, _, _ in parts)
    recording = _recording(record, signals, chosen, total * per_frame)

    def read(samples: Samples) -> None:
        samples.fill(np.nan)
        start = 0
        for length, files, one in parts:
            end = start + length * per_frame
            here = {} if one is None else {signal.name: signal for signal in one.signals}
            columns = [n for n, signal in enumerate(chosen) if signal.name in here]
            mine = [here[chosen[n].name] for n in columns]
            if any(signal.per_frame != per_frame for signal in mine):
                raise SourceError("its segments have different sampling rates: resample them")
            if mine:
                part = np.full((end - start, len(mine)), np.nan, np.float32, order="F")
                _read(files, mine, length, part)
                samples[start:end, columns] = part
            start = end

    return Opened(recording, read)


def _header(path: EcgPath) -> RecordLine:
    try:
        with path.open("rb") as file:
            text = file.read(HEADER_BYTES_MAX + 1)
    except OSError as error:
        raise SourceError(
            "a segment of the record is not in the same folder: send all of them"
            if isinstance(error, FileNotFoundError)
            else f"cannot be read: {error.strerror}"
        ) from None
    if len(text) > HEADER_BYTES_MAX:
        raise SourceError("its header is impossibly large: copy the file again")
    return parse_header(text.decode("utf-8", "replace"))


def _chosen(signals: Sequence[SignalLine]) -> list[SignalLine]:
    """The leads of an ECG among the signals of a record; all voltages if no name says so."""
    voltages = [one for one in signals if millivolts(one.units) is not None]
    named = [one for one in voltages if is_ecg_label(one.name)] or voltages
    if not named:
        raise NotAScan("biosignal")
    one_rate([float(one.per_frame) for one in named])
    return named


def _files(path: EcgPath, signals: Sequence[SignalLine]) -> list[_File]:
    files: list[_File] = []
    for name, some in groupby(signals, lambda one: one.file):
        group = tuple(some)
        if not _FILE.fullmatch(name) or any(name == file.path.name for file in files):
            raise SourceError("its header names a file of samples wrongly: correct the header")
        if len({one.format for one in group}) > 1:
            raise SourceError("a file of its samples has several formats: correct the header")
        if not all(0 < one.per_frame <= 10_000 for one in group):
            raise SourceError("its header declares an impossible sampling rate: correct the header")
        files.append(_File(path.with_name(name), group))
    return files


def _frames(record: RecordLine, files: Sequence[_File]) -> int:
    there = min((file.frames for file in files), default=0)
    if record.samples is not None and record.samples > there:
        raise SourceError(
            f"cut off: its header declares {record.samples} samples, its files have {there}; copy "
            "it again"
        )
    return record.samples or there


def _recording(
    record: RecordLine,
    signals: Sequence[SignalLine],
    chosen: Sequence[SignalLine],
    samples: int,
) -> Recording:
    problems = []
    if len(chosen) < len(signals):
        problems.append("channels_left_out")
    if not all(one.calibrated for one in chosen):
        problems.append("gain_assumed")
    gains = tuple(abs(one.gain / (millivolts(one.units) or 1.0)) for one in chosen)
    return Recording(
        leads=lead_names([one.name for one in chosen]),
        samples=samples,
        sampling_rate_hz=record.rate_hz * chosen[0].per_frame,
        gains=gains if all(one.calibrated for one in chosen) else None,
        start=record.start,
        problems=tuple(problems),
    )


def _read(
    files: Sequence[_File], chosen: Sequence[SignalLine], frames: int, samples: Samples
) -> None:
    """Decode the chosen signals to mV."""
    for file in files:
        wanted, at = [], 0
        for signal in file.signals:
            column = next((n for n, one in enumerate(chosen) if one is signal), None)
            if column is not None:
                wanted.append((column, at, signal))
            at += signal.per_frame
        if wanted:
            _read_file(file, wanted, frames, samples)


def _read_file(
    file: _File, wanted: Sequence[tuple[int, int, SignalLine]], frames: int, samples: Samples
) -> None:
    first = file.signals[0]
    form = format_of(first.format)
    last = {column: signal.initial for column, _, signal in wanted}
    # The samples of a skewed signal come later in the file; after them is nothing.
    more = min(max(signal.skew for _, _, signal in wanted), max(0, file.frames - frames))
    for start, block in read_frames(file.path, first.offset, form, file.frame, frames + more):
        for column, at, signal in wanted:
            values = block[:, at : at + signal.per_frame].reshape(-1)
            if form.missing is None:  # differences
                values = np.cumsum(values) + last[column]
                last[column] = int(values[-1])
            scale = (millivolts(signal.units) or 1.0) / signal.gain
            volts = (values - signal.baseline) * scale
            if form.missing is not None:
                volts[values == form.missing] = np.nan
            place = (start - signal.skew) * signal.per_frame
            cut = max(0, -place)
            volts = volts[cut : max(cut, len(samples) - place)]
            samples[place + cut : place + cut + len(volts), column] = volts
    for column, _, signal in wanted:
        gap = (signal.skew - more) * signal.per_frame
        if gap > 0:
            samples[-gap:, column] = np.nan
