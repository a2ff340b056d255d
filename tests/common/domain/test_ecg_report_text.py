"""The text of an ECG says what was measured, and is silent on what was withheld."""

import pytest

from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.ecg_measures import EcgLead, Measured, Rhythm, RPeaks, RrStatistics
from common.domain.ecg_report_text import about_signal, duration, ecg_lines
from common.domain.findings import AnyQuality, Verdict
from common.domain.scan import Signal
from tests.common.domain.test_ecg_measures import measures


def test_it_says_what_was_measured() -> None:
    measured = measures(
        verdict="pass",
        reasons=(),
        flags=(),
        peaks=RPeaks.of([100, 1000, 1900]),
        heart_rate_bpm=Measured(value=66.7, confidence=0.98),
        rr=RrStatistics(intervals=2, mean_ms=900, median_ms=900, shortest_ms=890, longest_ms=910),
        qrs_ms=Measured(value=92, confidence=0.8),
        rhythm=Rhythm(name="sinus", findings=("ectopic_beats",), ventricular_like=3, pauses=0),
        leads=(EcgLead(name="I", grade="usable", problems=("mains_hum",), usable=1.0),),
    )
    crossings = (LeadCrossings(lead="I", zero_crossings=1234),)
    lines = list(
        ecg_lines(
            EcgFindings(
                quality=AnyQuality(verdict=Verdict.PASS), crossings=crossings, measures=measured
            )
        )
    )
    assert lines == [
        "Heart:     rate 67 per minute (confidence 0.98), sinus, ectopic beats, 3 ventricular-like"
        " beats, 3\n           beats, RR 900 ms (890 to 910)",
        "Intervals: QRS 92 ms (confidence 0.80)",
        "Leads:     I usable (mains hum)",
        "Zero crossings: I 1,234",
    ]


def test_what_is_withheld_has_no_line() -> None:
    failed = AnyQuality(verdict=Verdict.FAIL, reasons=("Only noise.",))
    none = (LeadCrossings(lead="I", zero_crossings=None),)
    lines = list(ecg_lines(EcgFindings(quality=failed, crossings=none, measures=measures())))
    assert lines == ["Leads:     I unusable (noisy)", "Zero crossings: I not counted"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.016, "0.016 s"), (10, "10 s"), (1800, "30 min"), (86_340, "23 h 59 min")],
)
def test_a_length_of_time_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_many_leads_are_counted() -> None:
    signal = Signal(sampling_rate_hz=250, leads=tuple(f"V{n}" for n in range(99)), units="mV")
    assert about_signal(signal, 2500) == ["99 leads", "10 s at 250 Hz"]


def test_a_length_needs_a_sampling_rate() -> None:
    signal = Signal(leads=("I",), units="mV")
    assert about_signal(signal, 1000) == ["1 lead (I)", "1,000 samples at an unknown rate"]
