"""What the reader process does for a request: one file's header, or one volume's voxels.

The libraries of a format are imported with its first file: a process that reads only NIfTI, or
only DICOM, starts in half the time.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from common.errors import SourceError
from common.formats.buffers import Allocate
from common.formats.dicom.file_kinds import NotDicom
from common.formats.dicom.slices import Slice
from common.formats.nifti.volumes import NiftiVolume
from common.formats.reading.budgets import cpu_s, frames_of
from common.formats.reading.messages import (
    Message,
    layout_message,
    layout_of,
    slice_message,
    slice_of,
)
from common.formats.recognition import HEAD_BYTES, Format, recognise, unreadable

if TYPE_CHECKING:
    from common.formats.nifti.volume_reader import VolumeReader


class Answerer:
    """Answers requests, one file or volume each.

    Args:
        limit: called with the seconds of processor time that a request may take.
    """

    def __init__(self, limit: Callable[[float], None]) -> None:
        self._limit = limit
        self._volumes: VolumeReader | None = None

    def header(self, request: Message) -> Message:
        """Read the header of a file.

        Raises:
            NotAScan: it is none.
            SourceError: it cannot become a scan.
        """
        self._limit(cpu_s(0))
        path = Path(request["path"])
        found = recognise(_head(path), path.name)
        if found is Format.NIFTI:
            return self._nifti_header(path)
        return self._dicom_header(
            path, bare=found is Format.BARE_DICOM, alone=bool(request.get("alone"))
        )

    def voxels(self, request: Message, allocate: Allocate) -> npt.NDArray[Any]:
        """Read the voxels of a volume.

        Raises:
            SourceError: they cannot be read.
        """
        self._limit(cpu_s(int(request["frames"])))
        read = self._nifti_voxels if "layout" in request else self._dicom_voxels
        return read(request, allocate)

    def digests(self, request: Message) -> Message:
        """A digest of the pixels of each slice; None where they cannot be read."""
        self._limit(cpu_s(int(request["frames"])))
        from common.formats.dicom.stack_voxels import slice_digests

        return {"digests": slice_digests(_slices(request))}

    def _nifti_header(self, path: Path) -> Message:
        from common.formats.nifti.volume_reader import read_layout

        layout, stamp = read_layout(path, lambda size: self._limit(cpu_s(frames_of(0, size))))
        return {"layout": layout_message(layout), "stamp": stamp}

    def _dicom_header(self, path: Path, *, bare: bool, alone: bool) -> Message:
        from common.formats.dicom.headers import read_slices

        try:
            found = read_slices(
                path,
                "",
                force=bare,
                pictures=alone,
                on_frames=lambda frames: self._limit(cpu_s(frames)),
            )
        except NotDicom as error:
            raise unreadable(path.name) from error
        return {"slices": [*map(slice_message, found.slices)], "patient": found.patient}

    def _nifti_voxels(self, request: Message, allocate: Allocate) -> npt.NDArray[Any]:
        from common.formats.nifti.volume_reader import VolumeReader

        self._volumes = self._volumes or VolumeReader()
        path, label, number = Path(request["path"]), request["label"], int(request["number"])
        size, mtime_ns = request["stamp"]
        layout = layout_of(request["layout"])
        volume = NiftiVolume(label, path, layout, (size, mtime_ns), number)
        return self._volumes.read(volume, allocate)

    def _dicom_voxels(self, request: Message, allocate: Allocate) -> npt.NDArray[Any]:
        from common.formats.dicom.stack_voxels import read_stack

        return read_stack(_slices(request), allocate)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from error


def _slices(request: Message) -> list[Slice]:
    files = [(Path(path), label) for path, label in request["files"]]
    return [
        slice_of(plane, files[number][0], files[number][1], None)
        for number, plane in request["slices"]
    ]
