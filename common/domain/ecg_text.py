"""ECG measures as a few lines of plain text."""

from collections.abc import Iterator

from common.domain.ecg_measures import EcgLead, EcgMeasures, Measured

_VERDICTS = {
    "pass": "good enough to measure",
    "warn": "measured, with reservations",
    "fail": "cannot be measured; no measures are given",
}
_INTERVALS = (
    ("PR", "pr_ms"),
    ("QRS", "qrs_ms"),
    ("QT", "qt_ms"),
    ("QTc (Bazett)", "qtc_bazett_ms"),
    ("QTc (Fridericia)", "qtc_fridericia_ms"),
)
_VARIABILITY = (
    ("SDNN", "sdnn_ms", "ms"),
    ("RMSSD", "rmssd_ms", "ms"),
    ("pNN50", "pnn50_percent", "%"),
    ("LF", "lf_ms2", "ms²"),
    ("HF", "hf_ms2", "ms²"),
    ("LF/HF", "lf_hf", ""),
)
_LEADS_SHOWN = 12


def ecg_lines(measures: EcgMeasures) -> Iterator[str]:
    """The lines of a report: quality, beats, rhythm, intervals, axis, variability, leads."""
    judged = f"{measures.analysed_s:.0f} of {measures.duration_s:.0f} s judged"
    yield f"Quality:   {measures.verdict} ({_VERDICTS[measures.verdict]}), {judged}"
    for reason in measures.reasons:
        yield f"           - {_plain(reason)}"
    if measures.peaks is not None:
        yield f"Beats:     {measures.peaks.count}, {_value(measures.heart_rate_bpm, 'per min')}"
        if (rr := measures.rr) is not None:
            yield (
                f"           RR {rr.mean_ms:.0f} ms on average, {rr.shortest_ms:.0f} to "
                f"{rr.longest_ms:.0f} ms"
            )
        yield f"Rhythm:    {_rhythm(measures)}"
        for name, field in _INTERVALS:
            yield f"           {name + ':':18}{_value(getattr(measures, field), 'ms')}"
        yield f"           {'Axis:':18}{_value(measures.axis_degrees, '°')}"
        yield from _variability(measures)
    yield from _leads(measures.leads)


def _rhythm(measures: EcgMeasures) -> str:
    rhythm = measures.rhythm
    if rhythm.name is None:
        return f"not named: {_plain(rhythm.withheld or '')}"
    parts = [rhythm.name, *(finding.replace("_", " ") for finding in rhythm.findings)]
    for count, what in (
        (rhythm.ventricular_like, "like ventricular ones"),
        (rhythm.supraventricular_like, "early, of the usual shape"),
        (rhythm.pauses, "intervals of 2 s or more"),
    ):
        if count:
            parts.append(f"{count} {what}")
    return ", ".join(parts)


def _variability(measures: EcgMeasures) -> Iterator[str]:
    known = [
        f"{name} {one.value:.4g} {unit}".rstrip()
        for name, field, unit in _VARIABILITY
        if (one := getattr(measures.hrv, field)).value is not None
    ]
    yield f"HRV:       {', '.join(known) or _value(measures.hrv.sdnn_ms, 'ms')}"


def _leads(leads: tuple[EcgLead, ...]) -> Iterator[str]:
    good = [_plain(lead.name) for lead in leads if lead.grade == "good"]
    if good:
        yield f"Leads:     good: {', '.join(good[:_LEADS_SHOWN])}{_more(len(good))}"
    others = [lead for lead in leads if lead.grade != "good"]
    for lead in others[:_LEADS_SHOWN]:
        problems = ", ".join(problem.replace("_", " ") for problem in lead.problems)
        yield f"           {_plain(lead.name)}: {lead.grade}{': ' if problems else ''}{problems}"
    if len(others) > _LEADS_SHOWN:
        yield f"           {_more(len(others)).strip()}"


def _more(count: int) -> str:
    return f" and {count - _LEADS_SHOWN} more" if count > _LEADS_SHOWN else ""


def _value(measured: Measured, unit: str) -> str:
    if measured.value is None:
        return f"withheld: {_plain(measured.withheld or '')}"
    space = "" if unit == "°" else " "
    return f"{measured.value:.0f}{space}{unit} (confidence {measured.confidence:.2f})"


def _plain(text: str) -> str:
    """Printable characters alone: names of leads come from files."""
    return "".join(character if character.isprintable() else "?" for character in text)
