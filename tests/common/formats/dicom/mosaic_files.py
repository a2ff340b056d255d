"""Siemens mosaics of known content: tiles, and the private CSA header that explains them."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SERIES = generate_uid()
FIELDS = {
    "NumberOfImagesInMosaic": "US",
    "SliceNormalVector": "FD",
    "ProtocolSliceNumber": "IS",
}


def csa_header(tags: Mapping[str, Sequence[float]]) -> bytes:
    """A CSA header of the second kind (``SV10``), as syngo MR B and later write it."""
    data = b"SV10\4\3\2\1" + struct.pack("<2I", len(tags), 77)
    for name, values in tags.items():
        kind = FIELDS[name].encode()
        data += struct.pack("<64si4s3i", name.encode(), len(values), kind, 0, 6, 77)
        # Six items, whatever the number of values, as scanners write.
        for k in range(6):
            text = b"%s\0" % f"{values[k]:.8g}".encode() if k < len(values) else b""
            data += struct.pack("<4i", len(text), len(text), 77, len(text))
            data += text + b"\0" * (-len(text) % 4)
    return data


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Where a volume lies (LPS+, mm), and how its mosaic is written."""

    row: tuple[float, float, float] = (1.0, 0.0, 0.0)
    column: tuple[float, float, float] = (0.0, 1.0, 0.0)
    first: tuple[float, float, float] = (-30.0, -40.0, 15.0)
    """The centre of the first voxel."""
    between: tuple[float, float] = (2.5, 2.0)
    """Rows, columns."""
    step: float = 3.5
    descending: bool = False
    """The slices follow each other against the cross product of row and column."""

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        return np.cross(self.row, self.column) * (-1 if self.descending else 1)

    def affine(self) -> npt.NDArray[np.float64]:
        """4x4, RAS+."""
        made = np.eye(4)
        made[:3, 0] = np.array(self.row) * self.between[1]
        made[:3, 1] = np.array(self.column) * self.between[0]
        made[:3, 2] = self.normal * self.step
        made[:3, 3] = self.first
        made[:2] *= -1
        return made

    def write(
        self, path: Path, voxels: npt.NDArray[Any], csa: bytes | None = None, **fields: Any
    ) -> Path:
        """Write voxels (column, row, slice) of 16 bits; a field that is None is left out."""
        width, height, count = voxels.shape
        across = ceil(sqrt(count))
        image = np.zeros((height * across, width * across), "<u2")
        for k in range(count):
            top, left = k // across * height, k % across * width
            image[top : top + height, left : left + width] = voxels[:, :, k].T
        # As if the mosaic were one large slice around the centre of the first one.
        aside = (width * across - width) / 2 * self.between[1] * np.array(self.row)
        down = (height * across - height) / 2 * self.between[0] * np.array(self.column)
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", generate_uid()
        data.SeriesInstanceUID, data.Modality, data.Manufacturer = SERIES, "MR", "SIEMENS"
        data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
        data.InstanceNumber = data.AcquisitionNumber = data.SeriesNumber = 1
        data.Rows, data.Columns = image.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation, data.PixelSpacing = 0, list(self.between)
        data.SpacingBetweenSlices, data.SliceThickness = self.step, self.step - 0.5
        data.ImageOrientationPatient = [*self.row, *self.column]
        data.ImagePositionPatient = [float(mm) for mm in np.array(self.first) - aside - down]
        tags = {"NumberOfImagesInMosaic": [count], "SliceNormalVector": [*self.normal]}
        if csa is None:
            csa = csa_header({"ProtocolSliceNumber": [0], **tags})
        if csa:
            private = data.private_block(0x29, "SIEMENS CSA HEADER", create=True)
            private.add_new(0x10, "OB", csa)
        data.PixelData = image.tobytes()
        for keyword, value in fields.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.save_as(path, enforce_file_format=True)
        return path


def tilted(degrees: float) -> Mosaic:
    """Rows and columns that are turned about two axes."""
    c, s = (float(f(np.deg2rad(degrees))) for f in (np.cos, np.sin))
    return Mosaic(row=(c, s, 0.0), column=(-s * c, c * c, s))


def content(count: int, seed: int = 1) -> npt.NDArray[np.int64]:
    """Voxels (8, 6, count) that differ from their mirror images."""
    return np.random.default_rng(seed).integers(1, 4000, (8, 6, count))
