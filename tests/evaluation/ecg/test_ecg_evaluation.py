"""The ECG evaluation: matching, its seeds, and real records where they are."""

from pathlib import Path

import pytest

from tests.evaluation.ecg.annotations import beats_of
from tests.evaluation.ecg.matching import BeatCounts, match_beats
from tests.evaluation.ecg.real import (
    SCIPY,
    device_errors,
    evaluate_real,
    folder,
    read_dicom,
    read_scipy,
    read_wfdb,
)
from tests.evaluation.ecg.rows import ECG_ROWS, EVALUATION_SEEDS, TUNING_SEEDS, records_of


def test_beats_are_matched_once_within_the_tolerance() -> None:
    assert match_beats([1, 2, 3], [1.1, 1.14, 2.2, 3.0]) == BeatCounts(3, 4, 2)
    assert match_beats([], [1.0]) == BeatCounts(0, 1, 0)
    assert BeatCounts(10, 8, 8).f1 == pytest.approx(16 / 18)


def test_tuning_and_evaluation_have_no_seed_in_common() -> None:
    assert not set(TUNING_SEEDS) & set(EVALUATION_SEEDS)
    assert len({row.name for row in ECG_ROWS}) == len(ECG_ROWS)
    (record,) = records_of(ECG_ROWS[0], 1)
    assert len(record.truth.times_s) > 20


def test_the_device_of_a_real_record_measured_about_the_same() -> None:
    found = evaluate_real(read_dicom(), []).found
    assert found.rhythm.name == "sinus"
    errors = device_errors(found)
    assert errors["rr_ms"] == pytest.approx(0, abs=2)
    for name in ("pr_ms", "qrs_ms", "qt_ms", "qtc_bazett_ms"):
        assert errors[name] == pytest.approx(0, abs=20), name


def test_annotations_are_beats_at_their_samples(tmp_path: Path) -> None:
    words = [
        (28 << 10) | 18, (63 << 10) | 3, 0x4E28, 0x0000,  # a rhythm, with a note of three bytes
        (1 << 10) | 52, (62 << 10) | 1, (5 << 10) | 300,  # N, a channel, V
        (59 << 10), 0x0001, 0x0002, (8 << 10) | 1,  # 65,538 samples later: A
        (14 << 10) | 5,  # a change of noise
        0, (1 << 10) | 9,
    ]  # fmt: skip
    path = tmp_path / "r.atr"
    path.write_bytes(b"".join(word.to_bytes(2, "little") for word in words))
    assert list(beats_of(path)) == [70, 370, 65_909]


@pytest.mark.skipif(not SCIPY.exists(), reason="scipy's ECG is not here (make ecg-record)")
def test_the_beats_of_a_real_record_with_ectopic_ones_are_found() -> None:
    found = evaluate_real(read_scipy(), []).found
    assert (found.verdict, found.analysed_s) == ("pass", 300)
    # Record 208 has 2,955 beats in its 30 minutes, a third of them ventricular.
    assert found.heart_rate_bpm.value == pytest.approx(100, abs=3)
    assert (found.rhythm.ventricular_like or 0) > 20
    assert "ectopic_beats" in found.rhythm.findings


@pytest.mark.skipif(folder() is None, reason="ECG_RECORDS names no folder of real records")
def test_nearly_all_beats_of_a_real_half_hour_are_found() -> None:
    record = read_wfdb("100")
    assert record.beats_s is not None
    assert len(record.beats_s) == 2273
    assert not evaluate_real(record, []).wrong
