"""ECGs in DICOM: the waveform objects (PS3.3 annex A.34, module C.10.9)."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.dicom.date_time import acquisition_time, is_zone_known
from common.formats.ecg.filters import common_codes, filter_code
from common.formats.ecg.leads import lead_names, millivolts
from common.formats.ecg.members import EcgPath
from common.formats.ecg.recording import Opened, Recording, Samples
from common.formats.not_a_scan import NotAScan

_ECG = ("9.1.1", "9.1.2", "9.1.3", "9.1.4")  # 12-lead, general, ambulatory, general 32-bit
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_DTYPES = {"SB": "i1", "UB": "u1", "SS": "<i2", "US": "<u2", "SL": "<i4", "UL": "<u4"}
"""Types of samples, by WaveformSampleInterpretation (PS3.3 C.10.9.1.5)."""
_FILTERS = (
    ("highpass", "FilterLowFrequency"),
    ("lowpass", "FilterHighFrequency"),
    ("notch", "NotchFilterFrequency"),
)
_TIMES = (
    *("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime", "SeriesDate", "SeriesTime"),
    *("ContentDate", "ContentTime", "TimezoneOffsetFromUTC"),
)


def open_dicom(path: EcgPath) -> Opened:
    """Open a waveform object. Of several multiplex groups, the longest is read: the others are
    averages of its beats.

    Raises:
        NotAScan: it is no ECG.
        SourceError: it is damaged, or lies about its length.
    """
    from common.formats.dicom.parsing import parse_file

    with path.open("rb") as file:
        values = parse_file(file)
    if str(values.get("SOPClassUID", "")) not in {_STORAGE + below for below in _ECG}:
        raise NotAScan("waveform")
    groups = list(values.get("WaveformSequence") or ())
    if not groups:
        raise NotAScan("waveform")
    group = max(groups, key=_length)
    data = _samples_of(group)
    channels = list(group.get("ChannelDefinitionSequence") or ())
    if len(channels) != data.shape[1]:
        raise SourceError("it does not have as many channels as it declares: export it again")
    scales = [_scale(channel) for channel in channels]
    padding = _padding(group, data.dtype)
    header = {name: str(values.get(name) or "") for name in _TIMES}
    at = acquisition_time(header)
    zone_known = is_zone_known(header)
    recording = Recording(
        leads=lead_names([_name(channel) for channel in channels]),
        samples=len(data),
        sampling_rate_hz=_float(group, "SamplingFrequency", 0.0),
        gains=tuple(1 / scale for scale, _ in scales),
        filters=common_codes([_filters(channel) for channel in channels]),
        start=at if at is None or zone_known else at.replace(tzinfo=None),
        zone="utc" if at is not None and zone_known else "unknown",
        patient=str(values.get("PatientID") or "").strip(),
    )

    def read(samples: Samples) -> None:
        for number, (scale, offset) in enumerate(scales):
            column = data[:, number].astype(np.float64)
            samples[:, number] = column * scale + offset
            if padding is not None:
                samples[data[:, number] == padding, number] = np.nan

    return Opened(recording, read)


def _length(group: Any) -> float:
    original = str(group.get("WaveformOriginality") or "ORIGINAL") == "ORIGINAL"
    samples = _float(group, "NumberOfWaveformSamples", 0.0)
    return samples / max(_float(group, "SamplingFrequency", 1.0), 1e-9) * (1 if original else 1e-3)


def _samples_of(group: Any) -> npt.NDArray[Any]:
    kind = str(group.get("WaveformSampleInterpretation") or "")
    if kind not in _DTYPES:
        raise SourceError(
            f"samples of the kind {kind[:4]!r}, which Fr does not read: export it as SS"
        )
    dtype = np.dtype(_DTYPES[kind])
    if _float(group, "WaveformBitsAllocated", 0.0) != 8 * dtype.itemsize:
        raise SourceError("its samples do not have the size that it declares: export it again")
    channels = int(_float(group, "NumberOfWaveformChannels", 0.0))
    samples = int(_float(group, "NumberOfWaveformSamples", 0.0))
    data = bytes(group.get("WaveformData") or b"")
    size = channels * samples * dtype.itemsize
    if channels < 1 or samples < 1 or not size <= len(data) <= size + 1:  # padded to an even length
        raise SourceError(
            f"cut off: its header declares {max(0, size)} bytes of samples, it has {len(data)}; "
            "copy it again"
        )
    return np.frombuffer(data, dtype, channels * samples).reshape(samples, channels)


def _scale(channel: Any) -> tuple[float, float]:
    """A step of a channel in mV, and what is added."""
    sensitivity = _float(channel, "ChannelSensitivity", 0.0)
    sensitivity *= _float(channel, "ChannelSensitivityCorrectionFactor", 1.0)
    units = list(channel.get("ChannelSensitivityUnitsSequence") or ())
    unit = str(units[0].get("CodeValue") or "") if units else "mV"
    if (volts := millivolts(unit)) is None or not sensitivity > 0:
        raise SourceError(
            "a channel does not say how its samples become millivolts: export it again"
        )
    return sensitivity * volts, _float(channel, "ChannelBaseline", 0.0) * volts


def _padding(group: Any, dtype: np.dtype[Any]) -> int | None:
    """The value that stands for no sample."""
    value = group.get("WaveformPaddingValue")
    if isinstance(value, bytes) and len(value) >= dtype.itemsize:
        return int(np.frombuffer(value[: dtype.itemsize], dtype)[0])
    return int(value) if isinstance(value, int) else None


def _name(channel: Any) -> str:
    sources = list(channel.get("ChannelSourceSequence") or ())
    meaning = str(sources[0].get("CodeMeaning") or "") if sources else ""
    text = re.split(r"[(,]", meaning or str(channel.get("ChannelLabel") or ""))[0]
    return re.sub(r"(?i)\blead\b", "", text).strip()


def _filters(channel: Any) -> list[str]:
    codes = [filter_code(kind, _float(channel, name, 0.0)) for kind, name in _FILTERS]
    return [code for code in codes if code]


def _float(values: Any, name: str, default: float) -> float:
    value = values.get(name)
    if value is None or value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise SourceError(f"{name} is not a number: export it again") from None
    if not np.isfinite(number):
        raise SourceError(f"{name} is not a number: export it again")
    return number
