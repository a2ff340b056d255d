"""Which file, and which volume in it, an image comes from."""

from common.formats.dicom.stack import Stack
from common.formats.nifti.volumes import NiftiVolume
from fr_pacs.sources.base import Origin
from fr_pacs.sources.file_names import FileNames


def origin_of(image: NiftiVolume | Stack, names: FileNames, folder: str) -> Origin:
    """Where an image comes from.

    Args:
        image: whose label is that of its file, and which volume it is.
        names: made the label of the file.
        folder: the absolute path that the names are relative to.
    """
    if isinstance(image, Stack):
        file = image.slices[0].label
    else:
        file = image.label.removesuffix(f" [volume {image.number + 1}]")
    volume = image.label[len(file) :] if image.label.startswith(file) else image.label
    return Origin(names.whole(file), volume.strip(" []()"), folder)
