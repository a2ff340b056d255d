"""What is not sent, and is no failure: a copy, or a slice that strayed into a series."""

from pathlib import Path

from common.domain.skipped_kinds import named
from common.errors import SourceError


class LeftOut(SourceError):
    """A file is left out of its series; nothing is lost.

    Attributes:
        kind: what it is (``common.domain.skipped_kinds``).
        path: the file.
    """

    def __init__(self, kind: str, path: Path) -> None:
        super().__init__(f"left out: {named(kind)}")
        self.kind = kind
        self.path = path
