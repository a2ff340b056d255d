"""Writes EDF and BDF files, for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def signal(label: str, values: Any, **fields: Any) -> dict[str, Any]:
    """A signal: digital samples of (records, samples in a record)."""
    known = {
        "unit": "uV",
        "physical": (-3276.8, 3276.7),
        "digital": (-32768, 32767),
        "prefilter": "",
    }
    return {"label": label, "values": np.array(values), **known, **fields}


def write_edf(path: Path, signals: Sequence[dict[str, Any]], width: int = 2, **fixed: Any) -> Path:
    """Write a file; ``fixed`` changes fields of its header."""
    records = len(signals[0]["values"]) if signals else 0
    known = {
        "version": "0" if width == 2 else b"\xffBIOSEMI",
        "patient": "X X X X",
        "recording": "",
        "date": "17.05.24",
        "time": "12.30.15",
        "header_bytes": 256 * (len(signals) + 1),
        "reserved": "EDF+C" if width == 2 else "24BIT",
        "records": records,
        "duration": 1,
    } | fixed
    sizes = (8, 80, 80, 8, 8, 8, 44, 8, 8)
    head = b"".join(_field(value, size) for value, size in zip(known.values(), sizes, strict=True))
    head += _field(len(signals), 4)
    columns: list[tuple[int, list[Any]]] = [
        (16, [one["label"] for one in signals]),
        (80, ["" for _ in signals]),
        (8, [one["unit"] for one in signals]),
        (8, [one["physical"][0] for one in signals]),
        (8, [one["physical"][1] for one in signals]),
        (8, [one["digital"][0] for one in signals]),
        (8, [one["digital"][1] for one in signals]),
        (80, [one["prefilter"] for one in signals]),
        (8, [one["values"].shape[1] for one in signals]),
        (32, ["" for _ in signals]),
    ]
    head += b"".join(_field(value, size) for size, values in columns for value in values)
    data = b"".join(
        int(value).to_bytes(width, "little", signed=True)
        for record in range(records)
        for one in signals
        for value in one["values"][record]
    )
    path.write_bytes(head + data)
    return path


def onsets(times: Sequence[float], samples: int = 8) -> dict[str, Any]:
    """The annotations of EDF+D that say when each data record begins."""
    texts = [f"+{time:.1f}\x14\x14\0".encode().ljust(2 * samples, b"\0") for time in times]
    values = [np.frombuffer(text, "<i2") for text in texts]
    return signal("EDF Annotations", values, unit="", physical=(-1, 1))


def _field(value: Any, size: int) -> bytes:
    data = value if isinstance(value, bytes) else str(value).encode("latin-1")
    assert len(data) <= size
    return data.ljust(size)
