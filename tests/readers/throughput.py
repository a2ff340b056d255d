"""How fast a whole folder of DICOM is read, beside dcm2niix: found, grouped, checked, decoded."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from pydicom.uid import generate_uid

from tests.common.formats.dicom import multiframe_files as multiframe
from tests.readers.readers import read_with_fr, read_with_nibabel, run_dcm2niix
from tests.readers.volumes import Volume

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Throughput:
    """Of both readers with one folder."""

    slices: int
    size: int
    """Bytes of voxels."""
    ours_s: list[float]
    theirs_s: list[float]
    """Seconds of each round; dcm2niix also writes NIfTI files, and Fr hashes the voxels."""

    @property
    def ratio(self) -> float:
        """Fr's speed over that of dcm2niix: the median of the rounds."""
        return median(
            theirs / ours for ours, theirs in zip(self.ours_s, self.theirs_s, strict=True)
        )

    def __str__(self) -> str:
        ours, theirs = median(self.ours_s), median(self.theirs_s)
        return (
            f"{self.slices:,} slices, {self.size / 1e6:.0f} MB: Fr {ours:.2f} s "
            f"({self.size / ours / 1e6:.0f} MB/s), dcm2niix {theirs:.2f} s "
            f"({self.size / theirs / 1e6:.0f} MB/s); Fr over dcm2niix {self.ratio:.2f}"
        )


def write_folder(folder: Path, series: int = 6, slices: int = 300, side: int = 256) -> int:
    """Write classic series of 16-bit slices; how many bytes of voxels they have."""
    random = np.random.default_rng(1)
    for number in range(1, series + 1):
        uid = generate_uid()
        (folder / f"{number}").mkdir(parents=True)
        for k in range(slices):
            place = [*multiframe.FIRST[:2], 3.0 * k]
            multiframe.write(
                folder / f"{number}" / f"{k:04}.dcm",
                random.integers(0, 4096, (side, side, 1)),
                3.0,
                NumberOfFrames=None,
                ImagePositionPatient=place,
                SeriesInstanceUID=uid,
                InstanceNumber=k + 1,
                SeriesNumber=number,
            )
    return series * slices * side * side * 2


def measure(folder: Path, size: int, rounds: int = _ROUNDS) -> Throughput:
    """Read a folder with both readers in turn, after a first time that is not counted.

    Args:
        folder: with nothing but DICOM slices.
        size: bytes of their voxels.
        rounds: how often.

    Raises:
        ValueError: they do not read the same number of voxels.
    """
    ours_s, theirs_s = [], []
    for number in range(rounds + 1):
        start = perf_counter()
        ours = read_with_fr(folder)[0]
        took_us = perf_counter() - start
        with TemporaryDirectory() as made:
            start = perf_counter()
            run_dcm2niix(folder, Path(made))
            took_them = perf_counter() - start
            theirs = [one for path in Path(made).glob("*.nii") for one in read_with_nibabel(path)]
        if _voxels(ours) != _voxels(theirs) or _voxels(ours) * 2 != size:
            raise ValueError("the readers do not read the same")
        del ours, theirs
        if number:
            ours_s.append(took_us)
            theirs_s.append(took_them)
    return Throughput(len([*folder.glob("*/*.dcm")]), size, ours_s, theirs_s)


def _voxels(volumes: list[Volume]) -> int:
    return sum(volume.values.size for volume in volumes)
