"""An analyzer that a Fr-BRAIN has, as it tells the others."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from common.domain.types import Document


@dataclass(frozen=True, slots=True, order=True)
class InstalledAnalyzer:
    """An analyzer of a running Fr-BRAIN.

    Args:
        types: the types of scan that it reads.
    """

    name: str
    version: str
    types: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def to_document(self) -> Document:
        """As it is stored."""
        return {"name": self.name, "version": self.version, "types": list(self.types)}


def installed_in(stored: Any) -> tuple[InstalledAnalyzer, ...]:
    """The analyzers in what was stored; what is damaged is left out."""
    found = []
    for one in stored if isinstance(stored, list) else ():
        match one:
            case {"name": str(name), "version": str(version), "types": list(types)}:
                known = tuple(sorted(kind for kind in types if isinstance(kind, str)))
                found.append(InstalledAnalyzer(name, version, known))
    return tuple(found)


def packed(analyzers: Iterable[InstalledAnalyzer]) -> bytes:
    """Analyzers as JSON in UTF-8."""
    return json.dumps([one.to_document() for one in analyzers]).encode()


def unpacked(text: bytes) -> tuple[InstalledAnalyzer, ...]:
    """The analyzers in what ``packed`` made; none, of anything else."""
    try:
        return installed_in(json.loads(text))
    except ValueError:
        return ()
