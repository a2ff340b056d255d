"""Questions to a reader process about an image whose header was read."""

import math
from collections.abc import Sequence
from pathlib import Path

from common.domain.affine import Affine
from common.formats.dicom.slices import Slice
from common.formats.dicom.stack import Stack
from common.formats.ecg.recording import EcgFile
from common.formats.nifti.volumes import NiftiVolume
from common.formats.reading.budgets import cpu_s, frames_of, wall_s
from common.formats.reading.messages import Message, encode_path, layout_message, slice_message
from common.formats.reading.process import Question
from common.formats.reading.recordings import recording_message

Image = NiftiVolume | Stack | EcgFile
"""What a reader reads the voxels of."""


def shape_of(volume: Image) -> tuple[int, ...]:
    """The shape of the array that its voxels make."""
    if isinstance(volume, EcgFile):
        return volume.shape
    if isinstance(volume, NiftiVolume):
        return volume.layout.shape
    first = volume.slices[0]
    return first.columns, first.rows, len(volume.slices)


def affine_of(image: Image) -> Affine | None:
    """Voxel indices to mm, RAS+; None if it has no position in space."""
    if isinstance(image, EcgFile):
        return None
    return image.layout.affine if isinstance(image, NiftiVolume) else image.affine


def voxels_question(volume: Image) -> Question:
    """The question for its voxels."""
    frames = frames_of(volume.frames, volume.declared_bytes)
    # Headers may declare fewer bytes a voxel than there are; no type of a scan has more than 8.
    most = max(volume.declared_bytes, math.prod(shape_of(volume)) * 8)
    request = {"op": "voxels", "frames": frames, **_request(volume)}
    return Question(request, cpu_s(frames), wall_s(frames), most)


def _request(volume: Image) -> Message:
    if isinstance(volume, EcgFile):
        return {
            "path": encode_path(volume.path),
            "format": volume.format,
            "recording": recording_message(volume.recording),
            "stamp": volume.stamp,
        }
    if isinstance(volume, NiftiVolume):
        return {
            "path": encode_path(volume.path),
            "label": volume.label,
            "layout": layout_message(volume.layout),
            "stamp": volume.stamp,
            "number": volume.number,
        }
    return files_and_slices(volume.slices)


def files_and_slices(slices: Sequence[Slice]) -> Message:
    """Slices, and the files that they are in."""
    files: dict[Path, int] = {}
    for plane in slices:
        files.setdefault(plane.path, len(files))
    labels = {plane.path: plane.label for plane in slices}
    return {
        "files": [(encode_path(path), labels[path]) for path in files],
        "slices": [(files[plane.path], slice_message(plane)) for plane in slices],
    }
