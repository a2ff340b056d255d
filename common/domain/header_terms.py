"""Terms in the header of a scan, and what becomes of others: no free text of a peer is stored.

A sender of another release may know more terms, so an unknown one does not refuse its scan: it is
left out, or, where people must hear of it, replaced.
"""

import re

from common.domain.input_problems import PROBLEMS, UNKNOWN_PROBLEM
from common.domain.volume_roles import ROLE_WORDS, VOLUME_ROLES

CONTRASTS = frozenset(
    {
        *("t1", "t2", "t2star", "pd", "flair", "stir", "tof", "diffusion", "perfusion"),
        *("swi", "bold", "asl", "dwi", "adc", "mtr", "dir", "psir", "t1rho", "qsm"),
    }
)
"""Contrasts of images: those of ``common.formats`` and others that people use."""

_NUMBER = re.compile(r"b?\d{1,6}")


def known_contrast(contrast: str) -> str | None:
    """The contrast, if it is one of ``CONTRASTS``."""
    return contrast if contrast in CONTRASTS else None


def known_role(role: str) -> str | None:
    """The role, such as ``'diffusion, b1000, direction 3'``; the kind alone if the rest of it has
    unknown words, None if the kind is unknown."""
    kind, *rest = re.split(r"[ ,]+", role)
    if kind not in VOLUME_ROLES:
        return None
    known = all(word in ROLE_WORDS or _NUMBER.fullmatch(word) for word in rest if word)
    return role if known else kind


def known_problems(codes: tuple[str, ...]) -> tuple[str, ...]:
    """The codes, with ``UNKNOWN_PROBLEM`` in the place of those that are not in ``PROBLEMS``."""
    known = (code if code in PROBLEMS else UNKNOWN_PROBLEM for code in codes)
    return tuple(dict.fromkeys(known))
