"""Slices that are not sent: copies and strays, which is no failure, and those that are refused."""

from collections.abc import Sequence
from pathlib import Path

from common.domain.skipped_kinds import named
from common.errors import SourceError
from common.formats.dicom.slices import Slice


class LeftOut(SourceError):
    """A file is left out of its series; nothing is lost.

    Attributes:
        kind: what it is (``common.domain.skipped_kinds``).
        path: the file.
        original: the label of the file that it is a copy of; empty if it is no copy.
        damage: what else is wrong with it, and what to do; empty if nothing is.
    """

    def __init__(self, kind: str, path: Path, original: str = "", damage: str = "") -> None:
        super().__init__(f"left out: {named(kind)}")
        self.kind = kind
        self.path = path
        self.original = original
        self.damage = damage


class SlicesRefused(SourceError):
    """Slices of a series cannot become a volume.

    Attributes:
        file: the label of the file that they are named after.
        slices: all of them.
    """

    def __init__(self, reason: str, file: str, slices: Sequence[Slice]) -> None:
        super().__init__(reason)
        self.file = file
        self.slices = tuple(slices)
