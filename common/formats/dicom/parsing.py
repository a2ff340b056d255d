"""pydicom, set up for files of strangers: what parses headers that are not plain.

It is imported when the first such file comes: see ``header_tags``.
"""

import io
import logging
import warnings
from collections.abc import Collection, Iterable
from typing import Any, BinaryIO

import pydicom
from pydicom.filereader import read_dataset

from common.formats.dicom.file_kinds import NotDicom
from common.formats.dicom.header_scan import ScannedHeader

# The values that matter are validated where they are used; warnings about the others help nobody.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
# pydicom warns about what it can handle (padding, a wrong VR). The filter is set once, and for its
# modules only, because ``warnings.catch_warnings`` around each read is not thread-safe.
warnings.filterwarnings("ignore", module=r"pydicom\.")
# It logs the same, and quotes values, which can be a patient's.
logging.getLogger("pydicom").propagate = False


def parse_file(file: BinaryIO) -> pydicom.FileDataset:
    """Parse a whole file."""
    return pydicom.dcmread(file, force=True)


def parse_header(
    scanned: ScannedHeader, tags: Iterable[int], *, force: bool
) -> pydicom.FileDataset:
    """Parse these elements before the pixel data of a header that was measured.

    Raises:
        NotDicom: it was read by ``force`` and is not DICOM.
        Exception: whatever pydicom raises for a damaged header.
    """
    try:
        data, wanted = io.BytesIO(scanned.data), [*tags]
        return pydicom.dcmread(data, stop_before_pixels=True, force=force, specific_tags=wanted)
    except Exception as error:
        if force and not isinstance(error, OSError):
            raise NotDicom("no DICOM header") from error
        raise


def parse_elements(scanned: ScannedHeader, chosen: Collection[int]) -> pydicom.Dataset:
    """Parse some of the elements of a plain header.

    Args:
        scanned: the header, which has ``elements``.
        chosen: the numbers of the elements.

    Raises:
        Exception: whatever pydicom raises for damaged ones.
    """
    elements: list[Any] = scanned.elements or []
    ends = [*(start for _, _, start, _, _ in elements[1:]), len(scanned.data)]
    data = b"".join(scanned.data[elements[n][2] : ends[n]] for n in sorted(chosen))
    return read_dataset(io.BytesIO(data), scanned.implicit, is_little_endian=True)
