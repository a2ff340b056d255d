"""Which files are DICOM, and which of them are no images."""

from pathlib import Path

from common.errors import SourceError

_PREAMBLE_BYTES = 128


class NotDicom(SourceError):
    """The file has no DICOM header."""


class DicomDirectory(SourceError):
    """A DICOMDIR (PS3.10 section 8): an index of other files, not an image."""


def lacks_preamble(path: Path) -> bool:
    """Whether a file lacks the preamble of PS3.10 7.1, so that only reading it can tell.

    Raises:
        SourceError: it is empty, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_PREAMBLE_BYTES + 4)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from error
    if not start:
        raise SourceError("the file is empty")
    return start[_PREAMBLE_BYTES:] != b"DICM"
