"""Codes of the filters that a recorder applied, such as ``highpass_0_05_hz``."""

import math
import re
from collections.abc import Iterable, Sequence

_PREFILTER = re.compile(r"\b(HP|LP|N)\s*:\s*([0-9]+(?:[.,][0-9]+)?)\s*(k?Hz|s)?", re.IGNORECASE)
_NAMES = {"HP": "highpass", "LP": "lowpass", "N": "notch"}
_MOST = 8


def filter_code(kind: str, hz: float) -> str | None:
    """The code of a filter; None if its frequency is none.

    Args:
        kind: ``highpass``, ``lowpass`` or ``notch``.
        hz: its frequency.
    """
    if not math.isfinite(hz) or not 0 < hz < 1e6:
        return None
    return f"{kind}_{f'{hz:.6g}'.replace('.', '_').replace('-', '_').replace('+', '')}_hz"


def prefilter_codes(text: str) -> list[str]:
    """The filters in a field 'prefiltering' of EDF, such as ``HP:0.1Hz LP:75Hz N:50Hz``."""
    codes = []
    for name, number, unit in _PREFILTER.findall(text):
        value = float(number.replace(",", "."))
        if unit.lower() == "s":  # a time constant
            value = 1 / (2 * math.pi * value) if value else 0.0
        elif unit.lower() == "khz":
            value *= 1000
        code = filter_code(_NAMES[name.upper()], value)
        codes += [code] if code else []
    return codes


def common_codes(each: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """The filters that all leads have, in the order of the first."""
    first, *others = (list(codes) for codes in each)
    shared = [code for code in dict.fromkeys(first) if all(code in other for other in others)]
    return tuple(shared[:_MOST])
