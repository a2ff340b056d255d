"""The ECG evaluation: matching, its seeds, and real records where they are."""

import pytest

from tests.evaluation.ecg.matching import BeatCounts, match_beats
from tests.evaluation.ecg.real import device_errors, evaluate_real, folder, read_dicom, read_wfdb
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


@pytest.mark.skipif(folder() is None, reason="ECG_RECORDS names no folder of real records")
def test_nearly_all_beats_of_a_real_half_hour_are_found() -> None:
    pytest.importorskip("wfdb", reason="wfdb is not installed (make .venv/ready-evaluate)")
    outcome = evaluate_real(read_wfdb("100"), [])
    assert not outcome.wrong
