"""Every failure to read a NIfTI file, as a ``SourceError`` that its user can act on."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import SourceError


@contextmanager
def as_source_error() -> Iterator[None]:
    """Turn whatever reading a file raises into a ``SourceError``, with the cause chained."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return (
            "the file is truncated: it ends before the voxels that its header declares; copy it "
            "again"
        )
    if isinstance(error, zlib.error):
        return "the compressed data is damaged: copy the file again"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or type(error).__name__}"
    if isinstance(error, MemoryError):
        return "not enough memory for this volume"
    # nibabel's HeaderDataError, and ValueErrors from NumPy. Their texts may quote the file.
    return f"the NIfTI header is not valid ({type(error).__name__}): export the image again"
