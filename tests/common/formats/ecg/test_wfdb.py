"""WFDB records: samples in mV, of all the leads and of no other signal."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import SourceError
from common.formats.ecg.recording import Opened
from common.formats.ecg.wfdb import is_segment, open_wfdb
from common.formats.ecg.wfdb_samples import FORMATS
from common.formats.not_a_scan import NotAScan
from tests.common.formats.ecg.wfdb_files import write_record

RECORDS = os.environ.get("ECG_RECORDS", "")
READERS = "wfdb is not installed (make .venv/ready-evaluate)"
VALUES = np.arange(-12, 12).reshape(12, 2)
RANGES = {8: 7, 80: 7, 212: 11, 310: 9, 311: 9, 24: 23, 32: 31}
"""Bits of a sample without its sign, by format; of differences in format 8. Others have 15."""


def samples_of(opened: Opened) -> Any:
    shape = opened.recording.samples, len(opened.recording.leads)
    samples = np.full(shape, 7, np.float32, order="F")
    opened.read(samples)
    return samples


def test_samples_are_in_millivolts(tmp_path: Path) -> None:
    lines = ("100(-20)/uV 12 0 0 0 0 I", "0.5/V 12 4 0 0 0 ECG lead aVR")
    opened = open_wfdb(write_record(tmp_path, "r", VALUES, 212, lines=lines))
    assert opened.recording.leads == ("I", "aVR")
    assert opened.recording.gains == (100_000, 0.0005)
    np.testing.assert_allclose(
        samples_of(opened),
        np.column_stack([(VALUES[:, 0] + 20) / 100e3, (VALUES[:, 1] - 4) / 0.5e-3]),
        rtol=1e-6,
    )


def test_other_signals_are_left_out_and_a_missing_calibration_is_said(tmp_path: Path) -> None:
    lines = ("200/mV 12 0 0 0 0 II", "1000 12 0 0 0 0 Resp")
    recording = open_wfdb(write_record(tmp_path, "r", VALUES, lines=lines)).recording
    assert recording.leads == ("II",)
    assert recording.problems == ("channels_left_out",)
    bare = open_wfdb(write_record(tmp_path, "b", VALUES, lines=("0", "0"))).recording
    assert (bare.leads, bare.problems) == (("lead-1", "lead-2"), ("gain_assumed",))
    assert bare.gains is None


def test_a_record_without_an_ecg_is_none(tmp_path: Path) -> None:
    lines = ("20/mmHg 12 0 0 0 0 ABP", "1/NU 12 0 0 0 0 PLETH")
    with pytest.raises(NotAScan, match="recording of other signals"):
        open_wfdb(write_record(tmp_path, "r", VALUES, lines=lines))


def test_the_least_value_is_a_missing_sample(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[3, 1] = -2048
    found = samples_of(open_wfdb(write_record(tmp_path, "r", values, 212)))
    assert np.argwhere(np.isnan(found)).tolist() == [[3, 1]]


def test_several_samples_a_frame_are_of_one_rate(tmp_path: Path) -> None:
    values = np.arange(30).reshape(6, 5)  # 4 samples of the lead, 1 of another signal
    path = write_record(tmp_path, "r", values)
    path.write_text(
        "r 2 125 6\nr.dat 16x4 200/mV 12 0 0 0 0 MCL1\nr.dat 16 9/mmHg 12 0 0 0 0 ABP\n"
    )
    opened = open_wfdb(path)
    assert opened.recording.sampling_rate_hz == 500
    assert samples_of(opened)[:, 0] == pytest.approx(values[:, :4].reshape(-1) / 200)
    path.write_text("r 2 125 6\nr.dat 16x4 200/mV 12 0 0 0 0 I\nr.dat 16 200/mV 12 0 0 0 0 II\n")
    with pytest.raises(SourceError, match="different sampling rates"):
        open_wfdb(path)


def test_a_skewed_signal_is_moved_back(tmp_path: Path) -> None:
    path = write_record(tmp_path, "r", VALUES)
    path.write_text("r 2 250 12\nr.dat 16:2 200 12 0 0 0 0 I\nr.dat 16 200 12 0 0 0 0 II\n")
    found = samples_of(open_wfdb(path))
    assert found[:10, 0] == pytest.approx(VALUES[2:, 0] / 200)
    assert np.isnan(found[10:, 0]).all()
    assert found[:, 1] == pytest.approx(VALUES[:, 1] / 200)


def test_what_no_segment_has_is_missing(tmp_path: Path) -> None:
    write_record(tmp_path, "m_1", VALUES)
    text = "m_1 2 250 12\nm_1.dat 16:-2 200 12 0 0 0 0 I\nm_1.dat 16:-2 200 12 0 0 0 0 II\n"
    (tmp_path / "m_1.hea").write_text(text)
    whole = tmp_path / "m.hea"
    whole.write_text("m/1 2 250 12\nm_1 12\n")
    found = samples_of(open_wfdb(whole))
    assert np.isnan(found[:2]).all()
    assert found[2:] == pytest.approx(VALUES[:10] / 200)


def test_differences_begin_with_the_initial_value(tmp_path: Path) -> None:
    values = np.array([[5], [6], [4]])
    path = write_record(tmp_path, "r", values, 8, lines=("1/mV 12 0 100 0 0 I",))
    assert samples_of(open_wfdb(path))[:, 0].tolist() == [105, 106, 104]


@pytest.mark.parametrize("layout", [True, False])
def test_segments_follow_each_other_and_gaps_are_missing_samples(
    tmp_path: Path, layout: bool
) -> None:
    one, two = ("200 12 0 0 0 0 I", "200 12 0 0 0 0 II"), ("200 12 0 0 0 0 II",)
    write_record(tmp_path, "m_1", VALUES, lines=one)
    write_record(tmp_path, "m_2", VALUES[:, 1:], lines=two)
    segments = ["m_1 12", "~ 3", "m_2 10"]
    if layout:
        text = "m_layout 2 250 0\n~ 0 200 12 0 0 0 0 I\n~ 0 200 12 0 0 0 0 II\n"
        (tmp_path / "m_layout.hea").write_text(text)
        segments.insert(0, "m_layout 0")
    whole = tmp_path / "m.hea"
    whole.write_text(f"m/{len(segments)} 2 250 25\n" + "\n".join(segments) + "\n")
    found = samples_of(open_wfdb(whole))
    assert found.shape == (25, 2)
    assert found[:12] == pytest.approx(VALUES / 200)
    assert np.isnan(found[12:15]).all()
    assert np.isnan(found[15:, 0]).all()
    assert found[15:, 1] == pytest.approx(VALUES[:10, 1] / 200)
    assert is_segment(tmp_path / "m_1.hea")
    assert not is_segment(whole)
    (tmp_path / "m_2.hea").unlink()
    with pytest.raises(SourceError, match="segment"):
        open_wfdb(whole)


def test_a_record_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = write_record(tmp_path, "r", VALUES, declared=13)
    with pytest.raises(SourceError, match="cut off: its header declares 13 samples"):
        open_wfdb(path)


def test_a_file_that_is_longer_is_read_as_far_as_the_header_says(tmp_path: Path) -> None:
    opened = open_wfdb(write_record(tmp_path, "r", VALUES, declared=5))
    np.testing.assert_allclose(samples_of(opened), VALUES[:5] / 200, rtol=1e-6)


def test_a_header_without_its_samples_is_refused(tmp_path: Path) -> None:
    path = write_record(tmp_path, "r", VALUES)
    (tmp_path / "r.dat").unlink()
    with pytest.raises(SourceError, match="half of a WFDB record"):
        open_wfdb(path)


@pytest.mark.parametrize("name", ["../r.dat", "/etc/passwd", ".dat", "a/b"])
def test_no_header_names_a_file_elsewhere(tmp_path: Path, name: str) -> None:
    path = write_record(tmp_path, "r", VALUES)
    path.write_text(f"r 1 250 12\n{name} 16 200 12 0 0 0 0 I\n")
    with pytest.raises(SourceError, match="names a file of samples wrongly"):
        open_wfdb(path)


def test_a_record_that_names_its_old_folder_is_read(tmp_path: Path) -> None:
    path = write_record(tmp_path, "r", VALUES)
    path.write_text(path.read_text().replace("r ", "old/r ", 1).replace("r.dat", "old/r.dat"))
    np.testing.assert_allclose(samples_of(open_wfdb(path)), VALUES / 200, rtol=1e-6)
    path.write_text("../r 1 250 12\n../r.dat 16 200 12 0 0 0 0 I\n")
    with pytest.raises(SourceError, match="although its name says so"):
        open_wfdb(path)


@pytest.mark.skipif(not RECORDS, reason="ECG_RECORDS names no folder of real records")
def test_records_of_physionet_have_their_samples() -> None:
    opened = open_wfdb(Path(RECORDS, "100.hea"))
    samples = samples_of(opened)
    assert opened.recording.leads == ("MLII", "V5")
    assert samples.shape == (650_000, 2)
    # As rdsamp of the WFDB software prints them.
    assert samples[0] == pytest.approx([-0.145, -0.065])
    assert samples[-1] == pytest.approx([-1.28, 0.0])
    digital = np.rint(samples * 200 + 1024).astype(np.int64)
    sums = [(int(lead.sum()) + 32768) % 65536 - 32768 for lead in digital.T]
    assert sums == [-22131, 20052]  # the checksums in its header
    alarm = open_wfdb(Path(RECORDS, "a103l.hea"))
    assert alarm.recording.leads == ("II", "V")
    samples = samples_of(alarm)
    assert samples[0] == pytest.approx([-171 / 7247, 9127 / 10520])


@pytest.mark.parametrize("form", FORMATS)
def test_each_sample_is_the_one_that_wfdb_reads(tmp_path: Path, form: int) -> None:
    wfdb = pytest.importorskip("wfdb", reason=READERS)
    limit = 1 << RANGES.get(form, 15)
    values = np.random.default_rng(form).integers(1 - limit, limit, (501, 2))
    lines = ("200(-20)/mV 12 0 0 0 0 I", "1024.5/uV 12 7 0 0 0 II")
    if form == 8:
        values = np.cumsum(values // 2, axis=0)  # the first is the difference to the initial value
    path = write_record(tmp_path, "r", values, form, lines=lines)
    theirs = wfdb.rdrecord(str(path.with_suffix(""))).p_signal * [1, 1e-3]
    assert not np.isnan(theirs).any()
    np.testing.assert_allclose(samples_of(open_wfdb(path)), theirs, rtol=1e-6)


@pytest.mark.skipif(not RECORDS, reason="ECG_RECORDS names no folder of real records")
@pytest.mark.parametrize("name", ["100", "a103l"])
def test_a_real_record_is_read_as_wfdb_reads_it(name: str) -> None:
    wfdb = pytest.importorskip("wfdb", reason=READERS)
    record = wfdb.rdrecord(str(Path(RECORDS, name)))
    opened = open_wfdb(Path(RECORDS, f"{name}.hea"))
    assert opened.recording.sampling_rate_hz == record.fs
    chosen = [place for place, label in enumerate(record.sig_name) if label != "PLETH"]
    np.testing.assert_array_equal(samples_of(opened), record.p_signal[:, chosen].astype(np.float32))
