"""Writes WFDB records, for tests: the other half of the reader, after signal(5)."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def encoded(number: int, values: Ints) -> bytes:
    """Samples in a format, interleaved already."""
    match number:
        case 8:
            return np.diff(values, prepend=0).astype(np.int8).tobytes()
        case 16:
            return values.astype("<i2").tobytes()
        case 24:
            return b"".join(int(v).to_bytes(3, "little", signed=True) for v in values)
        case 32:
            return values.astype("<i4").tobytes()
        case 61:
            return values.astype(">i2").tobytes()
        case 80:
            return (values + 128).astype(np.uint8).tobytes()
        case 160:
            return (values + 32768).astype("<u2").tobytes()
        case 212:
            return b"".join(_pair(values[n : n + 2].tolist()) for n in range(0, len(values), 2))
        case 310 | 311:
            parts = (values[n : n + 3].tolist() for n in range(0, len(values), 3))
            return b"".join((_three_310 if number == 310 else _three_311)(part) for part in parts)
    raise ValueError(number)


def write_record(
    folder: Path,
    name: str,
    values: Ints,
    form: int = 16,
    *,
    rate: str = "250",
    lines: tuple[str, ...] = (),
    declared: int | None = None,
) -> Path:
    """Write a record of one file; the path of its header.

    Args:
        folder: where.
        name: of the record.
        values: digital samples (samples, signals).
        form: number of the format.
        rate: of the record line.
        lines: what follows the format in each signal's line; the default is 200 steps per mV.
        declared: number of samples in the header; None: as many as there are.
    """
    count = values.shape[1]
    lines = lines or tuple(f"200 12 0 0 0 0 V{n + 1}" for n in range(count))
    (folder / f"{name}.dat").write_bytes(encoded(form, values.reshape(-1)))
    samples = len(values) if declared is None else declared
    text = [f"{name} {count} {rate} {samples}", *(f"{name}.dat {form} {line}" for line in lines)]
    header = folder / f"{name}.hea"
    header.write_text("\n".join(text) + "\n")
    return header


def _pair(values: list[int]) -> bytes:
    first, second = values[0] & 0xFFF, (values[1] if len(values) > 1 else 0) & 0xFFF
    whole = bytes([first & 0xFF, first >> 8 | second >> 8 << 4, second & 0xFF])
    return whole[: 1 + len(values)]


def _three_310(values: list[int]) -> bytes:
    a, b, c = (*(v & 0x3FF for v in values), 0, 0)[:3]
    words = [a << 1 | (c & 0x1F) << 11, b << 1 | c >> 5 << 11]
    return np.array(words, "<u2").tobytes()


def _three_311(values: list[int]) -> bytes:
    a, b, c = (*(v & 0x3FF for v in values), 0, 0)[:3]
    return np.array([a | b << 10 | c << 20], "<u4").tobytes()
