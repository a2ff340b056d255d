"""What the reader process does for a request: one file's header, or one volume's voxels.

The libraries of a format are imported with its first file: a process that reads only NIfTI, or
only DICOM, starts in half the time.
"""

import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.archives import as_source_error
from common.formats.buffers import Allocate
from common.formats.compression import MAGIC_BYTES, inflated, inflater_for, unpacked_max
from common.formats.dicom.file_kinds import NotDicom
from common.formats.dicom.slices import Slice
from common.formats.ecg.members import ecg_path
from common.formats.ecg.opening import EcgFormat, ecg_format, open_ecg
from common.formats.ecg.recording import Opened as OpenedEcg
from common.formats.ecg.recording import check_not_flat, checked
from common.formats.ecg.wfdb import SIGNAL_SUFFIXES, has_header, is_segment
from common.formats.nifti.pairs import header_of, is_header, suffix_of, voxels_of
from common.formats.nifti.volumes import NiftiVolume
from common.formats.not_a_scan import NotAScan, UnreadKind
from common.formats.opening import Opened, Stamp, open_archive, open_file
from common.formats.reading.budgets import cpu_s, frames_of
from common.formats.reading.messages import (
    Message,
    attributes_message,
    layout_message,
    layout_of,
    slice_message,
    slice_of,
)
from common.formats.reading.recordings import recording_message, recording_of
from common.formats.recognition import HEAD_BYTES, Format, recognise, unreadable

if TYPE_CHECKING:
    from common.formats.nifti.volume_reader import VolumeReader

_TEXT_COST = 16
"""Text takes as long as so many times its size of pixels."""
_TEXT = (EcgFormat.JSON, EcgFormat.CSV)
_KEPT_SAMPLES_MAX = 1 << 22
"""Samples of a text that are kept until they are asked for, so that it is parsed once: 32 MiB."""


class Answerer:
    """Answers requests, one file or volume each.

    Args:
        limit: called with the seconds of processor time that a request may take.
    """

    def __init__(self, limit: Callable[[float], None]) -> None:
        self._limit = limit
        self._volumes: VolumeReader | None = None
        self._parsed: tuple[Path, EcgFormat, Stamp, OpenedEcg] | None = None
        """The last ECG whose header was read, if it is text."""

    def header(self, request: Message) -> Message:
        """Read the header of a file.

        Raises:
            NotAScan: it is none.
            SourceError: it cannot become a scan.
        """
        self._limit(cpu_s(0))
        path = Path(request["path"])
        alone = bool(request.get("alone"))
        with as_source_error(), open_file(path) as opened:
            name, in_archive = opened.name, opened.in_archive
            head = opened.file.read(HEAD_BYTES)
            ecg = ecg_format(head, name, alone=alone)
            if ecg is not None:
                return self._ecg_header(path, ecg, opened, alone=alone)
            try:
                found = recognise(head, name, _inside(opened.file))
            except NotAScan:
                # Only the header beside it tells what it is.
                if name.lower().endswith(SIGNAL_SUFFIXES) and has_header(ecg_path(path)):
                    raise NotAScan("signals") from None
                raise
        if found is Format.ARCHIVE:
            return self._members(path, in_archive=in_archive)
        if found is Format.PAIR_VOXELS:
            header = header_of(path)
            if (other := voxels_of(header)).name != path.name:
                raise SourceError(
                    f"its {suffix_of(header)} has two files of voxels, and {suffix_of(other)} is "
                    "the one that is read: remove the wrong one"
                )
            if not alone:
                raise NotAScan("pair")
            raise SourceError(f"half of a .hdr/.img pair: send its {suffix_of(header)}")
        if found is Format.NIFTI:
            if in_archive and is_header(name):
                raise UnreadKind("a .hdr/.img pair in an archive: unpack it")
            return self._nifti_header(path)
        try:
            return self._dicom_header(path, name, bare=found is Format.BARE_DICOM, alone=alone)
        except NotAScan as other:
            if other.kind != "waveform":
                raise
        with as_source_error(), open_file(path) as opened:
            return self._ecg_header(path, EcgFormat.DICOM, opened, alone=alone)

    def voxels(self, request: Message, allocate: Allocate) -> npt.NDArray[Any]:
        """Read the voxels of a volume.

        Raises:
            SourceError: they cannot be read.
        """
        self._limit(cpu_s(int(request["frames"])))
        if "recording" in request:
            return self._ecg_samples(request, allocate)
        read = self._nifti_voxels if "layout" in request else self._dicom_voxels
        return read(request, allocate)

    def digests(self, request: Message) -> Message:
        """A digest of the pixels of each slice; None where they cannot be read."""
        self._limit(cpu_s(int(request["frames"])))
        from common.formats.dicom.stack_voxels import slice_digests

        return {"digests": slice_digests(_slices(request))}

    def _members(self, path: Path, *, in_archive: bool) -> Message:
        if in_archive:
            raise UnreadKind("an archive in an archive: unpack it")
        self._limit(cpu_s(frames_of(0, unpacked_max(path.stat().st_size))))
        members = open_archive(path).members
        if not members:
            raise NotAScan("archive")
        return {"members": [(member.name, member.size) for member in members]}

    def _nifti_header(self, path: Path) -> Message:
        from common.formats.nifti.volume_reader import read_layout

        layout, stamp = read_layout(path, lambda size: self._limit(cpu_s(frames_of(0, size))))
        return {"layout": layout_message(layout), "stamp": stamp}

    def _ecg_header(self, path: Path, form: EcgFormat, opened: Opened, *, alone: bool) -> Message:
        size, _ = opened.stamp
        self._limit(cpu_s(frames_of(0, _TEXT_COST * size)))
        place = ecg_path(path)
        if form is EcgFormat.WFDB and not alone and is_segment(place):
            raise NotAScan("segment")
        ecg = open_ecg(place, form)
        recording = checked(ecg.recording)
        if form in _TEXT and recording.samples * len(recording.leads) <= _KEPT_SAMPLES_MAX:
            self._parsed = path, form, opened.stamp, ecg
        return {
            "recording": recording_message(recording),
            "format": form.value,
            "stamp": opened.stamp,
        }

    def _ecg_samples(self, request: Message, allocate: Allocate) -> npt.NDArray[Any]:
        path, recording = Path(request["path"]), recording_of(request["recording"])
        opened = self._opened_ecg(path, EcgFormat(request["format"]))
        if opened.recording != recording:
            raise SourceError("the file changed while it was read: send it again")
        shape = recording.samples, len(recording.leads)
        size = 4 * shape[0] * shape[1]
        samples = allocate(size)[:size].view(np.float32).reshape(shape, order="F")
        samples.fill(np.nan)
        opened.read(samples)
        check_not_flat(samples)
        return samples

    def _opened_ecg(self, path: Path, form: EcgFormat) -> OpenedEcg:
        parsed, self._parsed = self._parsed, None
        if parsed is not None and parsed[:2] == (path, form):
            with open_file(path) as opened:
                if opened.stamp == parsed[2]:
                    return parsed[3]
        return open_ecg(ecg_path(path), form)

    def _dicom_header(self, path: Path, name: str, *, bare: bool, alone: bool) -> Message:
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
            raise unreadable(name) from error
        return {
            "slices": [*map(slice_message, found.slices)],
            "patient": found.patient,
            "attributes": attributes_message(found.attributes),
        }

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


def _slices(request: Message) -> list[Slice]:
    files = [(Path(path), label) for path, label in request["files"]]
    return [
        slice_of(plane, files[number][0], files[number][1], None)
        for number, plane in request["slices"]
    ]


def _inside(file: BinaryIO) -> bytes | None:
    """The first bytes of what a compressed file inflates to; None if it is not compressed."""
    file.seek(0)
    if inflater_for(file.read(MAGIC_BYTES)) is None:
        return None
    file.seek(0)
    head = b""
    # What is damaged is for whoever reads on.
    with suppress(EOFError, zlib.error):
        for piece in inflated(file, HEAD_BYTES):
            head += piece
            if len(head) >= HEAD_BYTES:
                break
    return head[:HEAD_BYTES]
