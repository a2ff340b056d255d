"""The findings of an ECG as lines of plain text."""

from collections.abc import Iterator

from common.domain.ecg_findings import EcgFindings
from common.domain.ecg_measures import EcgMeasures, Measured
from common.domain.scan import Signal
from common.domain.text_lines import LINE_WIDTH, fixed, measure, one_line, wrapped

_INTERVALS = (
    ("PR", "pr_ms"),
    ("QRS", "qrs_ms"),
    ("QT", "qt_ms"),
    ("QTc Bazett", "qtc_bazett_ms"),
    ("QTc Fridericia", "qtc_fridericia_ms"),
)
_VARIABILITY = (
    ("SDNN", "sdnn_ms", "ms"),
    ("RMSSD", "rmssd_ms", "ms"),
    ("pNN50", "pnn50_percent", "%"),
    ("LF/HF", "lf_hf", ""),
)

_COUNTED = (
    ("ventricular_like", "ventricular-like beat", ""),
    ("supraventricular_like", "early beat", " of the usual shape"),
    ("pauses", "interval", " of 2 s or more"),
)


def about_signal(signal: Signal, samples: int) -> list[str]:
    """What a report says of the recording: leads, length and sampling rate."""
    leads = ", ".join(signal.leads)
    count = "1 lead" if len(signal.leads) == 1 else f"{len(signal.leads)} leads"
    shown = f"{count} ({leads})" if len(leads) < LINE_WIDTH // 2 else count
    seconds = signal.duration_s(samples)
    if seconds is None:
        return [shown, f"{samples:,} samples at an unknown rate"]
    return [shown, f"{duration(seconds)} at {signal.sampling_rate_hz:g} Hz"]


def duration(seconds: float) -> str:
    """A length of time, such as ``10 s`` or ``23 h 59 min``."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def ecg_lines(findings: EcgFindings) -> Iterator[str]:
    """The findings of an ECG, line by line."""
    if findings.measures is not None:
        yield from _measures(findings.measures)
    crossings = ", ".join(
        f"{one_line(one.lead)} {'not counted' if one.zero_crossings is None else n}"
        for one in findings.crossings
        for n in [f"{one.zero_crossings or 0:,}"]
    )
    yield wrapped("Zero crossings: ", crossings)


def _measures(measures: EcgMeasures) -> Iterator[str]:
    rhythm = measures.rhythm
    heart = [_shown("rate", measures.heart_rate_bpm, "per minute"), rhythm.name or ""]
    heart += [flag.replace("_", " ") for flag in rhythm.findings]
    heart += [
        f"{count:,} {what}{'s' if count > 1 else ''}{which}"
        for name, what, which in _COUNTED
        if (count := getattr(rhythm, name))
    ]
    if measures.peaks is not None:
        heart.append("1 beat" if measures.peaks.count == 1 else f"{measures.peaks.count:,} beats")
    if measures.rr is not None:
        rr = measures.rr
        heart.append(
            f"RR {fixed(rr.median_ms)} ms ({fixed(rr.shortest_ms)} to {fixed(rr.longest_ms)})"
        )
    heart.append(_shown("axis", measures.axis_degrees, "°"))
    yield from _line("Heart:     ", heart)
    yield from _line(
        "Intervals: ", [_shown(name, getattr(measures, field), "ms") for name, field in _INTERVALS]
    )
    yield from _line(
        "HRV:       ",
        [_shown(name, getattr(measures.hrv, field), unit) for name, field, unit in _VARIABILITY],
    )
    bad = [
        f"{one_line(lead.name)} {lead.grade} ({', '.join(lead.problems)})"
        for lead in measures.leads
        if lead.problems
    ]
    yield from _line("Leads:     ", [word.replace("_", " ") for word in bad])


def _shown(name: str, one: Measured, unit: str) -> str:
    if one.value is None or one.confidence is None:
        return ""
    return f"{name} {measure(one.value, unit)} (confidence {fixed(one.confidence, 2)})"


def _line(title: str, parts: list[str]) -> Iterator[str]:
    """A line of what is known; none if nothing is."""
    known = [part for part in parts if part]
    if known:
        yield wrapped(title, ", ".join(known))
