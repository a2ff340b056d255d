"""Which file, and which volume in it, an image comes from."""

from collections.abc import Sequence

from common.formats.dicom.slices import Slice
from common.formats.dicom.stack import Stack
from common.formats.ecg.recording import EcgFile
from common.formats.reading.questions import Image
from common.scan_files.accounts import Origin
from common.scan_files.file_names import FileNames


def origin_of(image: Image, names: FileNames, folder: str) -> Origin:
    """Where an image comes from.

    Args:
        image: whose label is that of its file, and which volume it is.
        names: made the label of the file.
        folder: the absolute path that the names are relative to.
    """
    if isinstance(image, Stack):
        count = len({plane.path for plane in image.slices})
        return _origin(image.file, image.label, names, folder, count)
    if isinstance(image, EcgFile):
        return _origin(image.label, image.label, names, folder)
    # The name of a file with one volume may end so, too.
    number = f" [volume {image.number + 1}]" if image.layout.volumes > 1 else ""
    file = image.label.removesuffix(number)
    return _origin(file, image.label, names, folder)


def origins_of_slices(
    slices: Sequence[Slice], file: str, label: str, names: FileNames, folder: str
) -> tuple[Origin, ...]:
    """Where slices come from that are not sent: their volume, and each further file.

    Args:
        slices: of the volume.
        file: the label of the file that it is named after.
        label: of the volume.
        names: made the labels.
        folder: the absolute path that the names are relative to.
    """
    files = dict.fromkeys(plane.label for plane in slices)
    volume = _origin(file, label, names, folder, len(files))
    return volume, *(origin_of_file(one, names, folder) for one in files if one != file)


def origin_of_file(label: str, names: FileNames, folder: str) -> Origin:
    """Where the file of a label is."""
    return _origin(label, label, names, folder)


def _origin(file: str, label: str, names: FileNames, folder: str, files: int = 1) -> Origin:
    volume = label[len(file) :].strip(" []()") if label.startswith(file) else label
    return Origin(names.whole(file), volume, folder, files)
