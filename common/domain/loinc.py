"""Codes of LOINC, and units of UCUM: whether they are written as these are."""

import re

LOINC = "http://loinc.org"
"""The system of LOINC codes in FHIR."""

_CODE = re.compile(r"([1-9]\d{0,6})-(\d)")
_ANNOTATION = r"\{[!-z|~]*\}"
_ATOM = r"(?:[A-Za-z%'\"*^_]|\[[A-Za-z0-9_%'\"./^*]+\]|10\*|10\^)+"
_TERM = rf"(?:(?:\d+|(?:{_ATOM})(?:[+-]?\d+)?)(?:{_ANNOTATION})?|{_ANNOTATION})"
_PART = rf"(?:{_TERM}|\(/?{_TERM}(?:[./]{_TERM})*\)(?:[+-]?\d+)?)"
_UNIT = re.compile(rf"/?{_PART}(?:[./]{_PART})*")
UNIT_LONGEST = 64


def is_loinc(code: str) -> bool:
    """Whether this can be a code of LOINC: digits, a hyphen and a check digit, which is that of
    Luhn (mod 10; LOINC Users' Guide, appendix on check digits)."""
    found = _CODE.fullmatch(code)
    if found is None:
        return False
    total = 0
    for place, digit in enumerate(reversed(found[1])):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return (10 - total % 10) % 10 == int(found[2])


def is_unit(text: str) -> bool:
    """Whether a text is written as a unit of UCUM (case sensitive, section 2), such as ``mm[Hg]``,
    ``10*9/L`` or ``{score}``. Whether its atoms exist is not checked."""
    return 0 < len(text) <= UNIT_LONGEST and _UNIT.fullmatch(text) is not None
