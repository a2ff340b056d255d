"""What the Fr-PACS of a world send."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """What a Fr-PACS sends."""

    kind: str
    shape: str
    rate: float
    """Scans a second."""

    @property
    def endless(self) -> bool:
        """Whether it goes on as long as its world."""
        return self.kind != "files"

    def settings(self, folder: Path, seed: int) -> dict[str, str]:
        """Of a Fr-PACS that sends it.

        Args:
            folder: of the world.
            seed: of synthetic scans.
        """
        rate = {"RATE": f"{self.rate:g}", "THREADS": "2"}
        if not self.endless:
            key = str(folder / "keys" / "pseudonym.key")
            return {**rate, "SOURCE": str(folder / self.shape), "PSEUDONYM_KEY_FILE": key}
        return {**rate, "KIND": self.kind, "SHAPE": self.shape, "SEED": str(seed)}

    def times(self, factor: float) -> "Load":
        """So much more."""
        return replace(self, rate=self.rate * factor)


GRIDS = Load("grid", "10", 4)
PHANTOMS = Load("phantom", "48", 0.2)
"""A chunk each. They cost as much as 20 grids, since Fr-BRAIN and the checker both analyse them."""
FILES = Load("files", "images", 20)
"""The images in this folder of the world, once: started by the fault that makes them."""
SHEETS = Load("grid", "720", 0.5)
"""Large grids: chunks that cost no time to make or to analyse."""
