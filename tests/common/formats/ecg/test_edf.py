"""EDF, EDF+ and BDF: samples in mV, and what lies about itself."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import SourceError
from common.formats.ecg.edf import open_edf
from common.formats.not_a_scan import NotAScan
from tests.common.formats.ecg.edf_files import onsets, signal, write_edf
from tests.common.formats.ecg.test_wfdb import samples_of

VALUES = np.arange(-20, 20).reshape(4, 10) * 100


def test_samples_are_in_millivolts(tmp_path: Path) -> None:
    leads = [
        signal("ECG I", VALUES, prefilter="HP:0.05Hz LP:150Hz N:50Hz"),
        signal("ECG II", -VALUES, unit="mV", physical=(5, -5), prefilter="LP:150Hz N:50Hz"),
    ]
    opened = open_edf(write_edf(tmp_path / "x.edf", leads, patient="P-1 F X Doe"))
    recording = opened.recording
    assert (recording.leads, recording.samples) == (("I", "II"), 40)
    assert recording.sampling_rate_hz == 10
    assert recording.start == datetime.fromisoformat("2024-05-17T12:30:15")
    assert recording.patient == "P-1"
    assert recording.filters == ("lowpass_150_hz", "notch_50_hz")
    assert recording.problems == ()
    found = samples_of(opened)
    assert found[:, 0] == pytest.approx(VALUES.reshape(-1) * 0.1e-3)
    assert found[:, 1] == pytest.approx(5 + (-VALUES.reshape(-1) + 32768) / 65535 * -10, rel=1e-5)


def test_bdf_has_samples_of_24_bits(tmp_path: Path) -> None:
    values = np.array([[-8388608, 8388607, -1, 0]])
    lead = signal("V1", values, physical=(-8388608, 8388607), digital=(-8388608, 8388607))
    opened = open_edf(write_edf(tmp_path / "x.bdf", [lead], 3))
    assert samples_of(opened)[:, 0] == pytest.approx(values[0] * 1e-3)


def test_other_signals_are_left_out_whatever_their_rate(tmp_path: Path) -> None:
    signals = [signal("EEG Fp1", VALUES[:, :2]), signal("ECG", VALUES), onsets([0, 1, 2, 3])]
    recording = open_edf(write_edf(tmp_path / "x.edf", signals)).recording
    assert recording.problems == ("channels_left_out",)
    assert recording.samples == 40
    with pytest.raises(NotAScan):
        open_edf(write_edf(tmp_path / "x.edf", [signal("EEG Fp1", VALUES)]))
    mixed = [signal("ECG I", VALUES), signal("ECG II", VALUES[:, :5])]
    with pytest.raises(SourceError, match=r"different sampling rates \(5, 10 Hz\)"):
        open_edf(write_edf(tmp_path / "x.edf", mixed))


def test_gaps_are_missing_samples(tmp_path: Path) -> None:
    signals = [signal("ECG", VALUES), onsets([5, 6, 8.5, 9.5])]
    opened = open_edf(write_edf(tmp_path / "x.edf", signals, reserved="EDF+D"))
    assert opened.recording.samples == 55
    assert opened.recording.problems == ("gaps",)
    found = np.full((55, 1), np.nan, np.float32)
    opened.read(found)
    assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == list(range(20, 35))
    for times, reason in (([0, 0.5, 2, 3], "overlap"), ([0, 1, 2, 1e6], "much longer")):
        signals = [signal("ECG", VALUES), onsets(times)]
        with pytest.raises(SourceError, match=reason):
            open_edf(write_edf(tmp_path / "x.edf", signals, reserved="EDF+D"))
    with pytest.raises(SourceError, match="when it begins"):
        open_edf(write_edf(tmp_path / "x.edf", [signal("ECG", VALUES)], reserved="EDF+D"))


@pytest.mark.parametrize(
    ("fixed", "reason"),
    [
        ({"records": 5}, "cut off: its header declares 5 data records, the file has 4"),
        ({"records": 3}, "longer than it says"),
        ({"records": "four"}, "no valid records"),
        ({"duration": 0}, "no duration"),
        ({"duration": "nan"}, "no valid duration"),
    ],
    ids=str,
)
def test_what_lies_about_its_length_is_refused(
    tmp_path: Path, fixed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SourceError, match=reason):
        open_edf(write_edf(tmp_path / "x.edf", [signal("ECG", VALUES)], **fixed))


def test_a_recorder_that_was_switched_off_has_all_its_records(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "x.edf", [signal("ECG", VALUES)], records=-1)
    assert open_edf(path).recording.samples == 40
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(SourceError, match="and a part"):
        open_edf(path)


def test_a_signal_without_a_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no range"):
        open_edf(write_edf(tmp_path / "x.edf", [signal("ECG", VALUES, physical=(0, 0))]))


def test_a_date_that_was_removed_is_none(tmp_path: Path) -> None:
    leads = [signal("ECG", VALUES)]
    path = write_edf(tmp_path / "x.edf", leads, date="01.01.85", time="00.00.00")
    assert open_edf(path).recording.start is None
    assert open_edf(path).recording.patient == ""


@pytest.mark.parametrize("size", [0, 100, 256, 300, 511])
def test_a_header_that_is_cut_is_refused(tmp_path: Path, size: int) -> None:
    path = write_edf(tmp_path / "x.edf", [signal("ECG", VALUES)])
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SourceError):
        open_edf(path)


def test_it_is_read_as_pyedflib_reads_it(tmp_path: Path) -> None:
    pyedflib = pytest.importorskip("pyedflib")
    path = write_edf(tmp_path / "x.edf", [signal("ECG I", VALUES), signal("ECG II", -VALUES)])
    with pyedflib.EdfReader(str(path)) as reader:
        theirs = np.column_stack([reader.readSignal(n) for n in (0, 1)]) * 1e-3
    np.testing.assert_allclose(samples_of(open_edf(path)), theirs, atol=1e-6)
