"""Names of leads and units of voltage, as files of all makes write them."""

import math
import re

from common.errors import SourceError

_PREFIX = re.compile(r"^(?:(?:ECG|EKG|LEAD|CHANNEL|CHAN)[ _:.-]+)+(?=[A-Za-z0-9])", re.IGNORECASE)
_NAME = re.compile(r"-?[A-Za-z]{1,4}[0-9]{0,3}[A-Za-z]?[+-]?")
"""Of a lead. Anything else may be a note about the person."""

_LONGEST = 16
_AUGMENTED = {"AVR": "aVR", "AVL": "aVL", "AVF": "aVF", "-AVR": "-aVR"}
_UNITS = {
    "mv": 1.0, "millivolt": 1.0, "millivolts": 1.0,
    "uv": 1e-3, "\u00b5v": 1e-3, "\u03bcv": 1e-3, "microvolt": 1e-3, "microvolts": 1e-3,
    "nv": 1e-6, "v": 1e3, "volt": 1e3, "volts": 1e3,
}  # fmt: skip
"""In mV, by the unit's name in small letters."""

_ECG_LABEL = re.compile(
    r"^(?:(?:ECG|EKG)\b.*|(?:ECG|EKG)\d*|I{1,3}|-?aV[RLF]|V[1-9]R?|ML[I]{1,3}|MV[1-6]|MCL\d|CM\d|"
    r"CC\d|CS\d|V[XYZ]|[XYZ]|D[1-3]|II\+|V)$",
    re.IGNORECASE,
)


def millivolts(unit: str) -> float | None:
    """One of a unit in mV; None if it is no voltage."""
    return _UNITS.get(unit.strip().lower())


def is_ecg_label(label: str) -> bool:
    """Whether a channel of a file with many kinds of signals is an ECG, by its name."""
    return bool(_ECG_LABEL.match(label.strip()))


def lead_names(labels: list[str]) -> tuple[str, ...]:
    """The names of leads, each once. What cannot be a name becomes ``lead-1``, ``lead-2`` …"""
    names: list[str] = []
    for number, label in enumerate(labels, 1):
        text = _PREFIX.sub("", label.strip())
        text = _AUGMENTED.get(text.upper(), text)
        if not _NAME.fullmatch(text):
            text = f"lead-{number}"
        name, again = text, 2
        while name in names:
            name = f"{text[: _LONGEST - 1 - len(str(again))]}-{again}"
            again += 1
        names.append(name)
    return tuple(names)


def one_rate(rates: list[float]) -> float:
    """The sampling rate of all leads.

    Raises:
        SourceError: they differ, or one is no rate.
    """
    if not all(math.isfinite(rate) and rate > 0 for rate in rates):
        raise SourceError("its header declares an impossible sampling rate: export it again")
    if len(set(rates)) > 1:
        shown = ", ".join(f"{rate:g}" for rate in sorted(set(rates)))
        raise SourceError(
            f"its leads have different sampling rates ({shown} Hz): resample them to one"
        )
    return rates[0]
