"""The error that says that a file is not DICOM."""

from common.errors import SourceError


class NotDicom(SourceError):
    """The file has no DICOM header."""
