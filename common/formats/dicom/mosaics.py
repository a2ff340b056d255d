"""Siemens mosaics: the slices of a volume as tiles of one image, from the left to the right and
from the top to the bottom.

The private CSA header tells how many tiles there are and in which direction the slices follow each
other. The position in the file is that of a plane as large as the mosaic with the centre of the
first slice. Sources: nibabel (``doc/source/dicom/dicom_mosaic.rst``, ``nicom.dicomwrappers``) and
dcm2niix (``nii_dicom.cpp``).
"""

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from common.formats.dicom.slices import TILES_ACROSS_MAX
from common.formats.dicom.values import number, numbers
from common.formats.not_a_scan import UnreadKind

_CSA_MAX = 1 << 20
"""Bytes; scanners write about 10,000."""
_TAG_BYTES = 84
"""Of a tag in a CSA header, before its items."""
_ITEM_BYTES = 16
"""Of an item, before its text."""
_NUMBER = re.compile(rb"NumberOfImagesInMosaic\0")
_PARALLEL = 0.99

Tile = tuple[int, dict[str, Any]]


def tiles_of(values: Mapping[str, Any]) -> list[Tile]:
    """The tiles of a mosaic.

    Args:
        values: the header's values by keyword.

    Returns:
        The number of each tile and its own values, such as its position; empty if the image is no
        mosaic. ``MosaicTiles`` is how many tiles are side by side.

    Raises:
        UnreadKind: it is one, but nothing tells how many slices it has or where they lie.
    """
    if "UihGridImages" in values and (number(values, "UihGridImages") or 0) > 1:
        raise UnreadKind("a mosaic of United Imaging, a volume as tiles of one image: convert it")
    said = "MOSAIC" in str(values.get("ImageType"))
    csa = values.get("SiemensCsa")
    csa = csa if isinstance(csa, bytes) and len(csa) <= _CSA_MAX else b""
    declared = 0
    if "SiemensMosaicImages" in values:
        declared = int(number(values, "SiemensMosaicImages") or 0)
    if not (said or declared > 1 or _has_number(csa)):
        return []
    tags = _tags(csa)
    count = int(number(tags, "NumberOfImagesInMosaic") or declared)
    if declared > 0 and declared != count:
        raise _unread(f"of {count} slices in one private element and {declared} in another")
    if (
        values.get("PerFrameFunctionalGroupsSequence")
        or (number(values, "NumberOfFrames") or 1) > 1
    ):
        raise _unread("of several frames")
    if count == 1:
        return []
    across = math.isqrt(max(count, 1) - 1) + 1
    rows, columns = int(number(values, "Rows") or 0), int(number(values, "Columns") or 0)
    if not 1 < count <= TILES_ACROSS_MAX**2:
        raise _unread("without the number of its slices")
    if rows % across or columns % across:
        raise _unread(f"of {count} slices that do not fit into its {rows} rows, {columns} columns")
    size = {"Rows": rows // across, "Columns": columns // across}
    places = _places(values, tags, count, across)
    return [
        (k, {**size, "MosaicTiles": across, "SliceLocation": None, "ImagePositionPatient": place})
        for k, place in enumerate(places)
    ]


def _places(
    values: Mapping[str, Any], tags: Mapping[str, Any], count: int, across: int
) -> list[list[float]]:
    """The position of each slice, mm, LPS+."""
    position = numbers(values, "ImagePositionPatient", 3)
    cosines = numbers(values, "ImageOrientationPatient", 6)
    spacing = numbers(values, "PixelSpacing", 2)
    sizes = (number(values, name) for name in ("SpacingBetweenSlices", "SliceThickness"))
    step = next((abs(size) for size in sizes if size), None)
    if position is None or cosines is None or spacing is None or step is None:
        raise _unread("without the position, orientation or spacing of its slices")
    normal = numbers(tags, "SliceNormalVector", 3)
    if normal is None:
        raise _unread("whose private header, which has the order of its slices, was removed")
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    crossed = np.cross(row, column)
    along = float(crossed @ np.array(normal))
    if abs(along) < _PARALLEL:
        raise _unread("whose private header contradicts ImageOrientationPatient")
    # From the corner of the mosaic to that of a tile in its middle.
    aside = row * spacing[1] * (int(values["Columns"]) * (1 - 1 / across) / 2)
    down = column * spacing[0] * (int(values["Rows"]) * (1 - 1 / across) / 2)
    steps = np.outer(np.arange(count), crossed * math.copysign(step, along))
    return [[float(mm) for mm in place] for place in position + aside + down + steps]


def _has_number(csa: bytes) -> bool:
    """Whether a CSA header says how many slices a mosaic has, without parsing all of it: each
    slice of other series has one, too."""
    found = _NUMBER.search(csa)
    text = found.start() + _TAG_BYTES + _ITEM_BYTES if found else 0
    return bool(found) and csa[text : text + 4].strip(b"\0 ").isdigit()


def _tags(csa: bytes) -> dict[str, Any]:
    """The values of a CSA header by name; none if it is damaged."""
    if not csa:
        return {}
    with warnings.catch_warnings():  # as it is imported, nibabel warns that it is experimental
        warnings.simplefilter("ignore")
        from nibabel.nicom.csareader import read

    try:
        tags = read(csa)["tags"]  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - whatever nibabel raises for a damaged header
        return {}
    return {str(name): tag["items"] for name, tag in tags.items()}


def _unread(what: str) -> UnreadKind:
    return UnreadKind(
        f"a Siemens mosaic, a volume as tiles of one image, {what}: send the original of the "
        "scanner, or convert it to NIfTI"
    )
