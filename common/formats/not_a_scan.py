"""Errors that say that a file is none of Fr's scans, and what it is instead."""

from common.domain.skipped_kinds import named
from common.errors import SourceError


class NotAScan(SourceError):
    """The file is no scan: in a folder, it is skipped and counted.

    Attributes:
        kind: what it is (``common.domain.skipped_kinds``).
    """

    def __init__(self, kind: str) -> None:
        super().__init__(f"not a scan, but {named(kind)}")
        self.kind = kind


class UnreadKind(SourceError):
    """A file that is, or may hold, a scan, of a kind that Fr does not read, or with a header that
    is wrong in a way that all slices of a series share. A folder may have hundreds, so the error is
    told once for all of one kind in a folder."""
