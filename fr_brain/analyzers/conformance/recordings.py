"""The ECGs of the conformance checks: heartbeats of every dtype, and recordings that no device
should send but one day does."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan, Signal
from common.domain.types import DType, hash_voxels

Array = npt.NDArray[Any]
HZ = 250.0


def recordings(scan_type: str) -> Iterator[tuple[str, BrainScan, bytearray]]:
    """Name, header and samples (Fortran order, little-endian) of each case, the longest first."""
    for name, samples, hz, units in _cases():
        yield f"recording, {name}, {scan_type}", *_scan(scan_type, samples, hz, units)


def heartbeats(seconds: float, leads: int, hz: float = HZ) -> npt.NDArray[np.float64]:
    """Beats at 72 a minute with noise, mV: (samples, leads)."""
    time = np.arange(round(seconds * hz)) / hz
    phase = (time % (60 / 72)) - 0.4
    beat = 1.2 * np.exp(-((phase / 0.012) ** 2)) + 0.3 * np.exp(-(((phase - 0.28) / 0.05) ** 2))
    beat += 0.15 * np.exp(-(((phase + 0.16) / 0.03) ** 2))
    noise = np.random.default_rng(7).normal(0, 0.01, (len(time), leads))
    signal: npt.NDArray[np.float64] = beat[:, None] * np.linspace(1, 0.4, leads) + noise
    return signal


def _cases() -> Iterator[tuple[str, Array, float, str]]:
    beats = heartbeats(30, 3)
    yield "half an hour", heartbeats(1800, 2).astype(np.float32), HZ, "mV"
    for kind in get_args(DType):
        scaled = beats * (100 if kind in ("uint8", "int8") else 1000)
        if kind.startswith("u"):
            scaled += 50
        yield f"heartbeats, {kind}", scaled.astype(kind), HZ, "uV"
        most = np.finfo(kind).max if np.dtype(kind).kind == "f" else np.iinfo(kind).max
        yield f"all or nothing, {kind}", np.where(beats > 0.6, most, 0).astype(kind), HZ, "mV"
    ecg = beats.astype(np.float32)
    yield "twelve leads", heartbeats(10, 12, 500).astype(np.float32), 500.0, "mV"
    yield "inverted", -ecg, HZ, "mV"
    yield "no voltage", ecg, HZ, "mmHg"
    for hz in (1e-3, 1.0, 40.0, 1e9):
        yield f"{hz:g} Hz", ecg[:500], hz, "mV"
    for count in (1, 2, 3, 100):
        yield f"{count} samples", ecg[:count], HZ, "mV"
    flat = np.zeros((5000, 2), np.float32)
    for name, value in (("zero", 0), ("constant", 3.5), ("NaN", np.nan), ("infinite", np.inf)):
        yield name, flat + np.float32(value), HZ, "mV"
    noise = np.random.default_rng(3).normal(0, 1, (5000, 2))
    yield "noise", noise.astype(np.float32), HZ, "mV"
    spoilt = ecg.copy()
    spoilt[1000:2000], spoilt[50, 1], spoilt[3000] = np.nan, np.inf, -np.inf
    yield "partly NaN and infinite", spoilt, HZ, "mV"
    yield "one lead without a number", np.column_stack([ecg[:, 0], ecg[:, 0] * np.nan]), HZ, "mV"
    yield "huge values", beats * 1e300, HZ, "mV"
    yield "tiny values", beats * 1e-300, HZ, "mV"


def _scan(scan_type: str, samples: Array, hz: float, units: str) -> tuple[BrainScan, bytearray]:
    data = bytearray(samples.astype(samples.dtype.newbyteorder("<")).tobytes(order="F"))
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    scan = BrainScan(
        scan_id="conformance",
        pacs="pacs-1",
        scan_type=scan_type,
        acquired_at=datetime(2024, 1, 1, tzinfo=UTC),
        signal=Signal(sampling_rate_hz=hz, leads=names[: samples.shape[1]], units=units),
        shape=samples.shape,
        dtype=samples.dtype.name,  # type: ignore[arg-type]
        voxels_bytes=len(data),
        voxels_hash=hash_voxels(data),
    )
    return scan, data
