"""What the Fr-PACS of a world send."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Load:
    """What a Fr-PACS sends."""

    kind: str
    shape: str
    rate: float
    """Scans a second."""

    def times(self, factor: float) -> "Load":
        """So much more."""
        return replace(self, rate=self.rate * factor)


GRIDS = Load("grid", "10", 5)
PHANTOMS = Load("phantom", "48", 1)
"""A chunk each."""
SHEETS = Load("grid", "720", 1)
"""Large grids: chunks that cost no time to make or to analyse."""
