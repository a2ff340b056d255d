"""SCP-ECG: records that our own writer makes, in each way to store samples; damaged ones."""

import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common.errors import SourceError
from common.formats.ecg.scp import open_scp
from common.formats.ecg.scp_codes import DEFAULT_TABLE
from tests.common.formats.ecg.scp_files import TAGS, whole, write_scp

VALUES = np.cumsum(np.random.default_rng(1).integers(-40, 40, (500, 2)), axis=0)
DEFAULT = struct.pack("<H", DEFAULT_TABLE)
OWN = struct.pack("<HH", 2, 1) + struct.pack("<BBBhI", 1, 1, 0, 2, 1)
OWN += struct.pack("<H", 1) + struct.pack("<BBBhI", 1, 17, 1, 0, 0)
"""A table that only switches to the next one, whose only code has 16 bits behind it."""


def samples_of(path: Path) -> npt.NDArray[np.float32]:
    opened = open_scp(path)
    shape = opened.recording.samples, len(opened.recording.leads)
    samples = np.full(shape, np.nan, np.float32)
    opened.read(samples)
    return samples


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("tables", [None, DEFAULT])
def test_samples_are_read_as_they_were_written(
    tmp_path: Path, order: int, tables: bytes | None
) -> None:
    path = write_scp(tmp_path / "a.scp", VALUES, order=order, tables=tables)
    np.testing.assert_allclose(samples_of(path), VALUES * 0.005, atol=1e-5)
    recording = open_scp(path).recording
    assert (recording.leads, recording.sampling_rate_hz) == (("I", "II"), 500)
    assert recording.gains == (200, 200)
    assert recording.filters == ("highpass_0_05_hz", "lowpass_150_hz", "notch_50_hz")
    assert recording.patient == "PAT-1"
    assert recording.start is not None
    assert (recording.start.isoformat(), recording.zone) == ("2026-01-02T03:04:05", "unknown")


def test_a_zone_makes_the_start_utc(tmp_path: Path) -> None:
    tags = {**TAGS, 34: struct.pack("<hH", 60, 0) + b"\0"}
    recording = open_scp(write_scp(tmp_path / "a.scp", VALUES, tags=tags)).recording
    assert (recording.start, recording.zone) == (datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC), "utc")
    none = open_scp(write_scp(tmp_path / "b.scp", VALUES, tags={})).recording
    assert (none.start, none.filters, none.patient) == (None, (), "")


def test_leads_that_begin_later_have_no_samples_before(tmp_path: Path) -> None:
    samples = samples_of(write_scp(tmp_path / "a.scp", VALUES, (61, 200), firsts=(1, 101)))
    assert samples.shape == (600, 2)
    assert np.isnan(samples[:100, 1]).all()
    assert np.isnan(samples[500:, 0]).all()
    assert open_scp(tmp_path / "a.scp").recording.leads == ("III", "lead-2")


def test_a_record_may_have_tables_of_its_own(tmp_path: Path) -> None:
    path = write_scp(tmp_path / "a.scp", VALUES)
    bits = "1" + "".join("0" + format(value & 0xFFFF, "016b") for value in VALUES[:, 0].tolist())
    data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))
    leads = bytes([1, 4]) + struct.pack("<IIB", 1, 500, 1)
    rhythm = struct.pack("<HHBBH", 5000, 2000, 0, 0, len(data)) + data
    path.write_bytes(whole({2: OWN, 3: leads, 6: rhythm}))
    np.testing.assert_allclose(samples_of(path)[:, 0], VALUES[:, 0] * 0.005, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"flags": 5}, "mean beat"),
        ({"thinned": 1}, "between beats"),
        ({"nanovolts": 0}, "damaged"),
        ({"step_us": 0}, "damaged"),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    tmp_path: Path, given: dict[str, Any], says: str
) -> None:
    path = write_scp(tmp_path / "a.scp", VALUES, **given)
    with pytest.raises(SourceError, match=says):
        open_scp(path)


def test_no_cut_or_changed_byte_passes(tmp_path: Path) -> None:
    path = write_scp(tmp_path / "a.scp", VALUES[:20], order=2, tables=DEFAULT)
    data = path.read_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(SourceError):
            open_scp(path)
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(SourceError):
            open_scp(path)
    path.write_bytes(data + b"x")
    with pytest.raises(SourceError, match="longer"):
        open_scp(path)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {3: b"\0\0", 6: bytes(20)},
        {3: b"\1\4" + struct.pack("<IIB", 5, 4, 1), 6: bytes(20)},
        {3: b"\1", 6: b"\1"},
        {3: b"\1\4" + struct.pack("<IIB", 1, 9, 1), 6: struct.pack("<HHBBH", 1, 1, 0, 0, 99)},
        {2: b"\0\0", 3: b"\1\4" + struct.pack("<IIB", 1, 1, 1), 6: bytes(20)},
    ],
)
def test_sections_that_make_no_sense_are_refused(
    tmp_path: Path, sections: dict[int, bytes]
) -> None:
    path = tmp_path / "a.scp"
    path.write_bytes(whole(sections))
    with pytest.raises(SourceError):
        open_scp(path)


def test_packed_samples_that_end_early_are_refused(tmp_path: Path) -> None:
    leads = bytes([1, 4]) + struct.pack("<IIB", 1, 100, 1)
    rhythm = struct.pack("<HHBBH", 5000, 2000, 0, 0, 1) + b"\0"
    path = tmp_path / "a.scp"
    path.write_bytes(whole({2: DEFAULT, 3: leads, 6: rhythm}))
    with pytest.raises(SourceError, match="cut off"):
        samples_of(path)


@pytest.mark.parametrize(("date", "minutes"), [((1, 1, 1), 60), ((9999, 12, 31), -60)])
def test_a_start_that_no_time_in_utc_can_be_is_unknown(
    tmp_path: Path, date: tuple[int, int, int], minutes: int
) -> None:
    hour = 0 if minutes > 0 else 23
    tags = {
        25: struct.pack("<HBB", *date),
        26: bytes([hour, 0, 0]),
        34: struct.pack("<hH", minutes, 0) + b"\0",
    }
    recording = open_scp(write_scp(tmp_path / "a.scp", VALUES, tags=tags)).recording
    assert (recording.start, recording.zone) == (None, "unknown")
