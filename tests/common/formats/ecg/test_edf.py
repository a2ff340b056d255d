"""EDF, EDF+ and BDF: samples in mV, and what lies about itself."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common.errors import SourceError
from common.formats.ecg.edf import open_edf
from common.formats.not_a_scan import NotAScan
from tests.common.formats.ecg.edf_files import onsets, signal, write_edf
from tests.common.formats.ecg.test_wfdb import samples_of

READERS = "pyedflib is not installed (make .venv/ready-evaluate, on Python 3.11 or 3.12)"
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


def noise(records: int, samples: int, bits: int) -> npt.NDArray[np.int64]:
    """Digital samples over the whole range, its ends among them."""
    limit = 1 << (bits - 1)
    values = np.random.default_rng(5).integers(-limit, limit, (records, samples))
    values[0, :2] = -limit, limit - 1
    return values


@pytest.mark.parametrize("bits", [16, 24])
def test_each_sample_is_the_one_that_pyedflib_reads(tmp_path: Path, bits: int) -> None:
    pyedflib = pytest.importorskip("pyedflib", reason=READERS)
    whole = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    signals = [
        signal("ECG I", noise(4, 250, bits), digital=whole),
        signal("EEG Fp1", noise(4, 40, bits), digital=whole),
        signal("ECG II", noise(4, 250, bits), digital=whole, physical=(5, -5), unit="mV"),
        signal("ECG V1", noise(4, 250, bits), digital=whole, physical=(-0.01, 0.02), unit="V"),
    ]
    to_mv = {"ECG I": 1e-3, "ECG II": 1, "ECG V1": 1e3}
    kind = "edf" if bits == 16 else "bdf"
    path = write_edf(
        tmp_path / f"x.{kind}", signals, bits // 8, reserved="" if bits == 16 else "24BIT"
    )
    with pyedflib.EdfReader(str(path)) as reader:
        labels = reader.getSignalLabels()
        assert reader.getSampleFrequency(0) == 250
        theirs = np.column_stack(
            [reader.readSignal(labels.index(name)) * scale for name, scale in to_mv.items()]
        )
    opened = open_edf(path)
    assert opened.recording.leads == ("I", "II", "V1")
    np.testing.assert_array_equal(samples_of(opened), theirs.astype(np.float32))


@pytest.mark.parametrize("bits", [16, 24])
def test_a_file_that_pyedflib_wrote_has_its_samples(tmp_path: Path, bits: int) -> None:
    pyedflib = pytest.importorskip("pyedflib", reason=READERS)
    kind, limit = (
        (pyedflib.FILETYPE_EDFPLUS, 1 << 15) if bits == 16 else (pyedflib.FILETYPE_BDFPLUS, 1 << 23)
    )
    path = tmp_path / ("x.edf" if bits == 16 else "x.bdf")
    header = {
        "dimension": "mV",
        "sample_frequency": 250,
        "physical_min": -10.0,
        "physical_max": 10.0,
        "digital_min": -limit,
        "digital_max": limit - 1,
        "transducer": "",
        "prefilter": "HP:0.05Hz LP:150Hz",
    }
    given = np.random.default_rng(6).uniform(-10, 10, (2, 750))
    with pyedflib.EdfWriter(str(path), 2, file_type=kind) as writer:
        writer.setSignalHeaders([{**header, "label": name} for name in ("ECG I", "ECG II")])
        writer.setPatientCode("P-7")
        writer.writeSamples(list(given))
        writer.writeAnnotation(1.5, -1, "a note")
    opened = open_edf(path)
    recording = opened.recording
    assert (recording.leads, recording.samples) == (("I", "II"), 750)
    assert (recording.sampling_rate_hz, recording.patient) == (250, "P-7")
    assert recording.filters == ("highpass_0_05_hz", "lowpass_150_hz")
    assert recording.problems == ()
    with pyedflib.EdfReader(str(path)) as reader:
        theirs = np.column_stack([reader.readSignal(n) for n in (0, 1)])
    np.testing.assert_array_equal(samples_of(opened), theirs.astype(np.float32))
    step = 20 / (2 * limit - 1)
    np.testing.assert_allclose(samples_of(opened), given.T, atol=1.01 * step + 1e-6)
