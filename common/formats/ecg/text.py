"""ECGs as text: JSON and CSV.

JSON is an object with ``leads``, a list of objects with ``name``, ``signal`` (a list of numbers;
null is a missing sample) and optionally ``number_of_samples``, which must be right. Optional beside
it: ``sampling_rate_hz``, ``units`` (mV if it is not there) and ``start`` (ISO 8601).

CSV has one column for each lead, with the names in its first line, and perhaps a first column
``time_s``, ``time_ms`` or ``time``, in seconds. Lines before the names that begin with ``#`` may
say ``sampling_rate_hz=500``, ``units=uV`` or ``start=…``. An empty cell is a missing sample.
"""

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from common.errors import SourceError
from common.formats.ecg.leads import lead_names, millivolts
from common.formats.ecg.members import EcgPath
from common.formats.ecg.recording import LEADS_MAX, Opened, Recording, Samples

TEXT_BYTES_MAX = 512 << 20
_TIMES = {"time": 1.0, "time_s": 1.0, "t": 1.0, "seconds": 1.0, "time_ms": 1e-3}
_STEP_TOLERANCE = 0.02
"""How far a step of the time column may be from the mean one."""

_FLOAT32_MAX = float(np.finfo(np.float32).max)

_START = re.compile(rb"\s*\{")


def is_json_ecg(head: bytes) -> bool:
    """Whether text begins as an ECG in JSON does: its first fields tell."""
    return bool(_START.match(head)) and b'"leads"' in head


def open_json(path: EcgPath) -> Opened:
    """Open an ECG in JSON.

    Raises:
        SourceError: it is none, or lies about its length.
    """
    try:
        content = json.loads(_text(path), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise SourceError("not valid JSON: export it again") from None
    return of_document(content)


def of_document(content: Any) -> Opened:
    """An ECG from a document of JSON.

    Raises:
        SourceError: it is none, or lies about its length; the text quotes no value.
    """
    leads = content.get("leads") if isinstance(content, dict) else None
    if not isinstance(leads, list) or not leads:
        raise SourceError("not an ECG: 'leads' must be a list of leads with 'name' and 'signal'")
    if len(leads) > LEADS_MAX:
        raise SourceError(f"{len(leads)} leads; Fr reads up to {LEADS_MAX}: export fewer")
    names, columns = [], []
    for number, lead in enumerate(leads, 1):
        name = lead.get("name") if isinstance(lead, dict) else None
        signal = lead.get("signal") if isinstance(lead, dict) else None
        if not isinstance(name, str) or not isinstance(signal, list):
            raise SourceError(f"lead {number} must have a 'name' and a 'signal', a list of numbers")
        declared = lead.get("number_of_samples")
        if declared is not None and (isinstance(declared, bool) or declared != len(signal)):
            raise SourceError(
                f"lead {number} has {len(signal)} samples, but its 'number_of_samples' differs: "
                "export it again"
            )
        names.append(name)
        columns.append(_numbers(signal, number))
    rate = content.get("sampling_rate_hz")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float)):
        raise SourceError("'sampling_rate_hz' must be a number")
    units, start = content.get("units", "mV"), content.get("start")
    if not isinstance(units, str) or not isinstance(start, str | None):
        raise SourceError("'units' and 'start' must be text")
    return _opened(names, columns, None if rate is None else float(rate), units, start)


def open_csv(path: EcgPath) -> Opened:
    """Open an ECG in CSV.

    Raises:
        SourceError: it is none, or its lines differ in length.
    """
    lines = _text(path).lstrip("\ufeff").splitlines()
    settings: dict[str, str] = {}
    while lines and (lines[0].startswith("#") or not lines[0].strip()):
        name, _, value = lines.pop(0).lstrip("# ").partition("=")
        settings[name.strip().lower()] = value.strip()
    separator = max(",;\t", key=lines[0].count) if lines else ","
    rows = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
    header = [cell.strip() for cell in next(rows, [])]
    if not header or all(_is_number(cell) for cell in header):
        raise SourceError("not an ECG: the first line of a CSV must have the names of the leads")
    if len(header) > LEADS_MAX + 1:
        raise SourceError(f"{len(header)} columns; Fr reads up to {LEADS_MAX} leads: export fewer")
    values: list[list[float]] = [[] for _ in header]
    for number, row in enumerate((row for row in rows if row), 1):
        if len(row) != len(header):
            raise SourceError(
                f"line {number} has {len(row)} cells, the first has {len(header)}: export it again"
            )
        for column, cell in zip(values, row, strict=True):
            column.append(_cell(cell, number, decimal_comma=separator != ","))
    columns = [np.array(column, np.float64) for column in values]
    rate: float | None = None
    if (scale := _TIMES.get(header[0].lower())) is not None:
        rate = _rate_of(columns.pop(0) * scale)
        header = header[1:]
    if "sampling_rate_hz" in settings:
        text = settings["sampling_rate_hz"]
        if not _is_number(text):
            raise SourceError("'sampling_rate_hz' must be a number")
        rate = float(text)
    return _opened(header, columns, rate, settings.get("units", "mV"), settings.get("start"))


def _opened(
    names: Sequence[str],
    columns: Sequence[Any],
    rate: float | None,
    units: str,
    start: str | None,
) -> Opened:
    if len({len(column) for column in columns}) > 1:
        raise SourceError("its leads have different numbers of samples: export it again")
    if (scale := millivolts(units)) is None:
        raise SourceError("its units are not a voltage: give mV, uV or V")
    at, zone = _start(start)
    recording = Recording(
        leads=lead_names(list(names)),
        samples=len(columns[0]) if columns else 0,
        sampling_rate_hz=rate,
        start=at,
        zone=zone,
    )

    def read(samples: Samples) -> None:
        for number, column in enumerate(columns):
            samples[:, number] = column * scale

    return Opened(recording, read)


def _text(path: EcgPath) -> str:
    with path.open("rb") as file:
        data = file.read(TEXT_BYTES_MAX + 1)
    if len(data) > TEXT_BYTES_MAX:
        raise SourceError("more text than Fr accepts: convert it to WFDB or EDF")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SourceError("text that is not UTF-8: export it again") from None


def _numbers(signal: list[Any], number: int) -> Any:
    kinds = set(map(type, signal))
    if not kinds <= {int, float, type(None)}:  # so true and false are refused
        raise SourceError(f"the 'signal' of lead {number} must have numbers only")
    if type(None) in kinds:
        signal = [math.nan if one is None else one for one in signal]
    try:
        values = np.array(signal, np.float64)
    except OverflowError:
        values = np.array([math.inf])
    if (np.abs(values[np.isfinite(values)]) > _FLOAT32_MAX).any() or np.isinf(values).any():
        raise SourceError(f"lead {number} has a number that is out of range: export it again")
    return values


def _no_constant(name: str) -> float:
    if name == "NaN":
        return math.nan
    raise ValueError


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _cell(text: str, number: int, *, decimal_comma: bool) -> float:
    text = text.strip()
    if not text or text.lower() in ("nan", "null", "na"):
        return math.nan
    text = text.replace(",", ".") if decimal_comma else text
    if not _is_number(text):
        raise SourceError(f"line {number} has a cell that is not a number: export it again")
    return float(text)


def _rate_of(times_s: Any) -> float:
    """The sampling rate of evenly spaced times."""
    steps = np.diff(times_s)
    if not len(steps) or not np.isfinite(steps).all() or steps.min() <= 0:
        raise SourceError("the times of its samples do not increase: export it again")
    mean = float(times_s[-1] - times_s[0]) / len(steps)
    # Times are written with few digits: a step may be off by a unit of the last one.
    digits = max(_STEP_TOLERANCE * mean, 1.1e-3 if mean > 1e-3 else 0.0)
    if np.abs(steps - mean).max() > digits:
        raise SourceError("its samples are not evenly spaced in time: resample them")
    return float(f"{1 / mean:.6g}")


def _start(text: str | None) -> tuple[datetime | None, Literal["utc", "unknown"]]:
    if not text:
        return None, "unknown"
    try:
        at = datetime.fromisoformat(text)
        return (at, "unknown") if at.tzinfo is None else (at.astimezone(UTC), "utc")
    except (ValueError, OverflowError):
        raise SourceError("'start' must be a time as in ISO 8601") from None
