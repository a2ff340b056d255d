"""What the name of a NIfTI file says of its image by BIDS, the Brain Imaging Data Structure
(https://bids-specification.readthedocs.io, "Filename structure")."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

_ENTITY = re.compile(r"(?:^|_)(sub|ses)-([A-Za-z0-9]+)(?=_|$)")
_DIGITS = re.compile(r"\d{4}")

_CONTRASTS: Mapping[str, str] = MappingProxyType(
    {
        "T1w": "t1",
        "T2w": "t2",
        "FLAIR": "flair",
        "PDw": "pd",
        "T2star": "t2star",
        "T2starw": "t2star",
        "dwi": "diffusion",
        "asl": "perfusion",
        "bold": "bold",
    }
)
"""Suffixes of images by magnetic resonance."""


@dataclass(frozen=True, slots=True)
class Entities:
    """What a path says; None where it says nothing."""

    subject: str | None = None
    """Such as ``sub-01``; it may identify a person."""
    session: str | None = None
    """Such as ``ses-01``."""
    contrast: str | None = None

    @property
    def is_session_a_label(self) -> bool:
        """Whether the session may travel as it is. Four digits in a row may be a date."""
        return self.session is not None and not _DIGITS.search(self.session)


def entities_of(path: Path) -> Entities:
    """What the path of a NIfTI file says: its name first, then its folders from the inside out.

    Args:
        path: such as ``sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz``.
    """
    found: dict[str, str] = {}
    stem = path.name.partition(".")[0]
    for part in (stem, *(folder.name for folder in path.parents)):
        for entity, label in _ENTITY.findall(part):
            found.setdefault(entity, f"{entity}-{label}")
    suffix = stem.rpartition("_")[2]
    return Entities(found.get("sub"), found.get("ses"), _CONTRASTS.get(suffix))
