"""Inputs to compare readers with: generated ones, whose truth is known, and others' test files."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import set_pixel_data
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from tests.readers.encodings import ENCODINGS
from tests.readers.volumes import Volume

_MR = "1.2.840.10008.5.1.4.1.1.4"
_SHAPE = (72, 64, 12)  # columns, rows, slices
_ORIGIN = np.array([-90.0, -100.0, -50.0])

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Input:
    """A file or folder, and what should come of it."""

    name: str
    path: Path
    truth: list[Volume] | None
    """None: not known."""
    dicom: bool = True


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where a generated series lies: LPS+, mm."""

    row: tuple[float, float, float] = (1.0, 0.0, 0.0)
    column: tuple[float, float, float] = (0.0, 1.0, 0.0)
    step: float = 3.0
    between: tuple[float, float] = (1.5, 1.25)  # rows, columns

    @property
    def normal(self) -> _Array:
        return np.cross(self.row, self.column)

    def place(self, k: int) -> list[float]:
        return [float(x) for x in _ORIGIN + self.normal * self.step * k]

    def affine(self) -> _Array:
        made = np.eye(4)
        made[:3, 0] = np.array(self.row) * self.between[1]
        made[:3, 1] = np.array(self.column) * self.between[0]
        made[:3, 2] = self.normal * self.step
        made[:3, 3] = _ORIGIN
        made[:2] *= -1  # LPS+ to RAS+
        return made


def values(seed: int, low: int = 0, high: int = 4000) -> npt.NDArray[np.int64]:
    """An image in which each voxel differs from its mirror images."""
    random = np.random.default_rng(seed)
    i, j, k = np.meshgrid(*map(np.arange, _SHAPE), indexing="ij")
    image = i * 7 + j * 31 + k * 101 + random.integers(0, 5, _SHAPE)
    scaled = (image - image.min()) / (image.max() - image.min())
    made: npt.NDArray[np.int64] = np.rint(low + scaled * (high - low)).astype(np.int64)
    return made


class _Series:
    """Writes the slices of one series."""

    def __init__(self, folder: Path, grid: _Grid | None = None) -> None:
        self.folder, self.grid = folder, grid or _Grid()
        self._study, self._series = generate_uid(), generate_uid()
        folder.mkdir(parents=True, exist_ok=True)

    def write(
        self,
        image: npt.NDArray[np.int64],
        name: str = "{:03}.dcm",
        syntax: str = ExplicitVRLittleEndian,
        dtype: str = "<u2",
        bits: int = 16,
        preamble: bool = True,
        first: int = 1,
        **fields: object,
    ) -> None:
        for k in range(image.shape[2]):
            data = self._slice(image[:, :, k].T, k, first + k, dtype, bits)
            for keyword, value in fields.items():
                setattr(data, keyword, value(k) if callable(value) else value)
            self._save(data, self.folder / name.format(first + k), syntax, preamble=preamble)

    def _slice(
        self, plane: npt.NDArray[np.int64], k: int, number: int, dtype: str, bits: int
    ) -> Dataset:
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = _MR, generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID = self._study, self._series
        data.Modality, data.PatientID, data.Manufacturer = "MR", "one", "X"
        data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        data.SeriesNumber, data.InstanceNumber = 5, number
        data.StudyDate = data.SeriesDate = "20240102"
        data.StudyTime = data.SeriesTime = "101010"
        data.Rows, data.Columns, data.SamplesPerPixel = *plane.shape, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.BitsAllocated = np.dtype(dtype).itemsize * 8
        data.BitsStored, data.HighBit = bits, bits - 1
        data.PixelRepresentation = int(np.dtype(dtype).kind == "i")
        data.PixelSpacing = list(self.grid.between)
        data.SliceThickness = data.SpacingBetweenSlices = self.grid.step
        data.ImageOrientationPatient = [*self.grid.row, *self.grid.column]
        data.ImagePositionPatient = self.grid.place(k)
        data.PixelData = plane.astype(dtype).tobytes()
        return data

    def _save(self, data: Dataset, path: Path, syntax: str, *, preamble: bool) -> None:
        data.file_meta = FileMetaDataset()
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        packed = syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless)
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if packed else UID(syntax)
        if packed:
            data.compress(syntax)
        if preamble:
            data.save_as(path, enforce_file_format=True)
        else:
            implicit = syntax == ImplicitVRLittleEndian
            pydicom.dcmwrite(path, data, implicit_vr=implicit, little_endian=True)

    def truth(self, image: npt.NDArray[np.int64], slope: float = 1.0, inter: float = 0.0) -> Volume:
        return Volume(image * slope + inter, self.grid.affine())


def _classic(folder: Path) -> list[Volume]:
    series, image = _Series(folder), values(1)
    series.write(image)
    return [series.truth(image)]


def _oblique(folder: Path) -> list[Volume]:
    turn = np.deg2rad(20)
    row = (float(np.cos(turn)), float(np.sin(turn)), 0.0)
    series, image = _Series(folder, _Grid(row=row, column=(0.0, 0.0, -1.0))), values(2)
    series.write(image)
    return [series.truth(image)]


def _signed(folder: Path) -> list[Volume]:
    series, image = _Series(folder), values(3, -1000, 3000)
    series.write(image, dtype="<i2")
    return [series.truth(image)]


def _signed_twelve_bits(folder: Path) -> list[Volume]:
    """The upper four bits are not the sign's."""
    series, image = _Series(folder), values(4, -1000, 2000)
    series.write(image & 0x0FFF, dtype="<u2", bits=12, PixelRepresentation=1)
    return [series.truth(image)]


def _rescaled(folder: Path) -> list[Volume]:
    series, image = _Series(folder), values(5)
    series.write(image, RescaleSlope="0.5", RescaleIntercept="-10.25")
    return [series.truth(image, 0.5, -10.25)]


def _rescaled_slice_by_slice(folder: Path) -> list[Volume]:
    series, image = _Series(folder), values(6)
    series.write(image, RescaleSlope=lambda k: f"{1 + k / 4}", RescaleIntercept="0")
    slopes = 1 + np.arange(_SHAPE[2]) / 4
    return [Volume(image * slopes, series.grid.affine())]


def _bytes(folder: Path) -> list[Volume]:
    series, image = _Series(folder), values(7, 0, 255)
    series.write(image, dtype="u1", bits=8)
    return [series.truth(image)]


def _encoded(syntax: str, **options: bool) -> Callable[[Path], list[Volume]]:
    def make(folder: Path) -> list[Volume]:
        series, image = _Series(folder), values(8)
        series.write(image, syntax=syntax, name="IM{:04}", **options)  # type: ignore[arg-type]
        return [series.truth(image)]

    return make


def _big_endian(folder: Path) -> list[Volume]:
    series, image = _Series(folder), values(9)
    series.write(image, syntax=ExplicitVRBigEndian, dtype=">u2")
    return [series.truth(image)]


def _mixed(**fields: tuple[object, object]) -> Callable[[Path], list[Volume]]:
    """Two volumes at one place, told apart by these fields."""

    def make(folder: Path) -> list[Volume]:
        series, images = _Series(folder), [values(10), values(11)]
        for n, image in enumerate(images):
            chosen = {keyword: pair[n] for keyword, pair in fields.items()}
            series.write(image, first=1 + n * _SHAPE[2], **chosen)  # type: ignore[arg-type]
        return [series.truth(image) for image in images]

    return make


def _copied(folder: Path) -> list[Volume]:
    made = _classic(folder)
    for path in sorted(folder.iterdir())[:3]:
        (folder / f"copy-{path.name}").write_bytes(path.read_bytes())
    return made


def _gap(folder: Path) -> list[Volume]:
    """Nobody knows what was in the slice that is lost."""
    _classic(folder)
    (folder / "006.dcm").unlink()
    return []


def _reversed_instances(folder: Path) -> list[Volume]:
    series, image = _Series(folder), values(12)
    series.write(image, InstanceNumber=lambda k: _SHAPE[2] - k)
    return [series.truth(image)]


def _beside_others(folder: Path) -> list[Volume]:
    made = _classic(folder)
    other = _Series(folder / "others")
    other.write(values(1)[:, :, :1], SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    return made


def _enhanced(folder: Path) -> list[Volume]:
    series, image = _Series(folder), values(13)
    series.write(image)
    paths = sorted(folder.iterdir())
    data = pydicom.dcmread(paths[0])
    for path in paths:
        path.unlink()
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.4.1")
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(data, keyword)
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [Dataset()], [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = list(series.grid.between)
    shared.PixelMeasuresSequence[0].SliceThickness = series.grid.step
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    for k in range(_SHAPE[2]):
        frame = Dataset()
        frame.PlanePositionSequence, frame.FrameContentSequence = [Dataset()], [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = series.grid.place(k)
        frame.FrameContentSequence[0].DimensionIndexValues = [1, k + 1]
        frame.FrameContentSequence[0].InStackPositionNumber = k + 1
        frame.FrameContentSequence[0].StackID = "1"
        frames.append(frame)
    data.SharedFunctionalGroupsSequence = [shared]
    data.PerFrameFunctionalGroupsSequence = frames
    data.NumberOfFrames = _SHAPE[2]
    set_pixel_data(data, image.transpose(2, 1, 0).astype("<u2"), "MONOCHROME2", 16)
    data.save_as(folder / "enhanced.dcm", enforce_file_format=True)
    return [series.truth(image)]


_GENERATED: dict[str, Callable[[Path], list[Volume]]] = {
    "classic": _classic,
    "oblique": _oblique,
    "signed 16 bits": _signed,
    "signed 12 of 16 bits": _signed_twelve_bits,
    "8 bits": _bytes,
    "rescaled": _rescaled,
    "rescaled slice by slice": _rescaled_slice_by_slice,
    "implicit VR": _encoded(ImplicitVRLittleEndian),
    "without preamble": _encoded(ImplicitVRLittleEndian, preamble=False),
    "big-endian": _big_endian,
    "RLE": _encoded(RLELossless),
    "JPEG 2000": _encoded(JPEG2000Lossless),
    "JPEG-LS": _encoded(JPEGLSLossless),
    "two echoes": _mixed(EchoTime=("10", "90"), EchoNumbers=(1, 2)),
    "two time points": _mixed(
        TemporalPositionIdentifier=(1, 2), AcquisitionTime=("101010", "101020")
    ),
    "b0 and b1000": _mixed(DiffusionBValue=(0.0, 1000.0)),
    "two inversion times": _mixed(InversionTime=("500", "2500")),
    "magnitude and phase": _mixed(
        ImageType=(["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])
    ),
    "three slices twice": _copied,
    "a slice lost": _gap,
    "instance numbers reversed": _reversed_instances,
    "a secondary capture beside": _beside_others,
    "enhanced": _enhanced,
}


def generated(folder: Path) -> Iterator[Input]:
    """Series with a known truth, written below a folder."""
    for name, make in {**_GENERATED, **ENCODINGS}.items():
        path = folder / name.replace(" ", "-")
        yield Input(name, path, make(path))


def of_pydicom() -> Iterator[Input]:
    """The test files of pydicom: each image by itself, and its series."""
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    for path in sorted(folder.glob("*.dcm")):
        yield Input(f"pydicom {path.name}", path, None)
    for path in sorted(folder.glob("dicomdirtests/*/*")):
        if path.is_dir():
            yield Input(f"pydicom {path.relative_to(folder / 'dicomdirtests')}", path, None)


def of_nibabel(unpacked: Path) -> Iterator[Input]:
    """The test files of nibabel: DICOM for dcm2niix, images of other formats for nibabel.

    Args:
        unpacked: a folder for compressed files without their compression, which only Fr reads.
    """
    folder = Path(nib.__file__).parent
    unpacked.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("nicom/tests/data/*")):
        if path.name.endswith((".dcm", ".dcm.gz")):
            yield Input(f"nibabel {path.name}", path, None)
        if path.name.endswith(".dcm.gz"):
            plain = unpacked / path.stem
            plain.write_bytes(gzip.decompress(path.read_bytes()))
            yield Input(f"nibabel {plain.name}", plain, None)
    for path in sorted(folder.glob("tests/data/*")):
        if path.name.endswith((".nii", ".nii.gz", ".hdr", ".mgz", ".mgh")):
            yield Input(f"nibabel {path.name}", path, None, dicom=False)
