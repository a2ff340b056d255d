"""The verdict on a record that has beats, with its reasons."""

from collections.abc import Sequence

from common.domain.ecg_measures import EcgLead, EcgVerdict

_JUDGED_MIN = 0.95
_SENTENCES = {
    "flat": "Flat: {}.",
    "lead_off": "Without QRS complexes, as if the electrode were off: {}.",
    "too_high": "Higher than a heart's signal, as if the unit were wrong: {}.",
    "clipped": "Clipped at the limit of the recorder: {}.",
    "noisy": "Noisy: {}.",
    "mains_hum": "With mains hum: {}.",
    "baseline_wander": "With a wandering baseline: {}.",
    "gaps": "With gaps: {}.",
    "inverted": "Apparently inverted: {}.",
    "swapped": "The electrodes of the arms look swapped; this affects {}.",
}
_LISTED_MAX = 12


def reasons_of(
    leads: Sequence[EcgLead], duration_s: float, analysed_s: float
) -> tuple[EcgVerdict, tuple[str, ...], tuple[str, ...]]:
    """The verdict, its reasons as sentences, and as flags."""
    reasons, flags = [], []
    if analysed_s < _JUDGED_MIN * duration_s:
        reasons.append(
            f"Beats can be judged in {analysed_s:.0f} of {duration_s:.0f} s; the rest is noise or "
            "missing."
        )
        flags.append("partly_judged")
    for problem, sentence in _SENTENCES.items():
        names = [lead.name for lead in leads if problem in lead.problems]
        if names:
            more = f" and {len(names) - _LISTED_MAX} more" if len(names) > _LISTED_MAX else ""
            reasons.append(sentence.format(", ".join(names[:_LISTED_MAX]) + more))
            flags.append(problem)
    return ("warn" if reasons else "pass"), tuple(reasons), tuple(flags)
