"""What a lead is, by the names that devices and databases give it."""

import re

STANDARD = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")

_PREFIXES = re.compile(
    r"^(?:MDC[_ ]?ECG[_ ]?LEAD[_ ]?|LEAD[_ ]?|ECG[_ ]?|EKG[_ ]?|ML|D)(?=[IVA0-9])"
)
_SUFFIX = re.compile(r"\(.*\)|[_ ]?(?:EINTHOVEN|GOLDBERGER)$")
_NUMBERED = re.compile(r"^(?:LEAD[_ ]?|D)([123])$")


def standard_name(name: str) -> str | None:
    """The standard lead, in capitals, that a name stands for; None: another, or unknown."""
    bare = _SUFFIX.sub("", name.upper().strip()).strip()
    numbered = _NUMBERED.match(bare)  # "ECG1" is only the first channel
    bare = "I" * int(numbered[1]) if numbered else _PREFIXES.sub("", bare).strip(" _-.")
    return bare if bare in STANDARD else None
