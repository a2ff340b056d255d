"""ECG measures as text."""

from common.domain.ecg_measures import EcgLead, Measured, Rhythm, RPeaks, RrStatistics
from common.domain.ecg_text import ecg_lines
from tests.common.domain.test_ecg_measures import measures


def test_a_failed_record_says_why_and_gives_no_values() -> None:
    text = "\n".join(ecg_lines(measures()))
    assert "fail (cannot be measured" in text
    assert "- Only noise." in text
    assert "I: unusable: noisy" in text
    assert "Beats" not in text


def test_values_come_with_their_confidence_and_others_with_the_reason() -> None:
    rr = RrStatistics(intervals=2, mean_ms=800, median_ms=800, shortest_ms=790, longest_ms=810)
    found = measures(
        verdict="warn",
        peaks=RPeaks.of([1.0, 791.0, 1601.0]),
        rr=rr,
        heart_rate_bpm=Measured(value=75.0, confidence=0.98),
        axis_degrees=Measured(value=-30.2, confidence=0.5),
        rhythm=Rhythm(name="sinus", findings=("ectopic_beats",), ventricular_like=3),
        leads=(EcgLead(name="I\x1b[2J", grade="good", usable=1.0),),
    )
    text = "\n".join(ecg_lines(found))
    assert "3, 75 per min (confidence 0.98)" in text
    assert "RR 800 ms on average, 790 to 810 ms" in text
    assert "sinus, ectopic beats, 3 like ventricular ones" in text
    assert "-30° (confidence 0.50)" in text
    assert "withheld: no beats" in text
    assert "good: I?[2J" in text
