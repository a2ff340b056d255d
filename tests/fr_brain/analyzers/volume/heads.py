"""Heads for the tests of the volume analyzer, and what is asked of its findings."""

import importlib.util
import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from common.domain.findings import Findings, Lesions, Verdict, Volumes
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_pacs.sources.phantom.source import Phantom, make_phantom

SIZE = (96, 96, 96)


ROUNDED_MM = 0.01  # positions in findings are rounded to this


COLIN27 = Path("/usr/share/mricron/templates/ch2.nii.gz")


DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


ONE_MM = (181, 217, 181)


SEED = 90_210  # of tuning seeds: nothing is claimed of it that the evaluation does not measure


def scan_of(array: npt.NDArray[Any], affine: Any) -> tuple[BrainScan, npt.NDArray[Any]]:
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    voxels = array.tobytes(order="F")
    rows = None if affine is None else tuple(tuple(map(float, r)) for r in np.array(affine)[:3])
    scan = BrainScan.model_validate(
        {
            "scan_id": "volume-1",
            "pacs": "north",
            "scan_type": "volume",
            "acquired_at": utc_now(),
            "shape": array.shape,
            "dtype": array.dtype.name,
            "voxels_bytes": len(voxels),
            "voxels_hash": hash_voxels(voxels),
            "affine": rows,
        }
    )
    return scan, scan.array(voxels)


def read(array: npt.NDArray[Any], affine: Any) -> Findings:
    return VolumeAnalyzer().analyse(*scan_of(array, affine))


def judged(findings: Findings) -> tuple[Lesions, Volumes]:
    assert findings.lesions is not None, findings.quality.reasons
    assert findings.volumes is not None
    return findings.lesions, findings.volumes


def refused(findings: Findings) -> str:
    assert findings.quality.verdict is Verdict.FAIL
    assert findings.lesions is None
    assert findings.volumes is None
    assert findings.limitations
    (reason,) = findings.quality.reasons
    return reason


def match(phantom: Phantom, lesions: Lesions) -> tuple[int, int]:
    """Lesions of the truth that were found, and findings that are no lesion."""
    found, wrong = set(), 0
    for lesion in lesions.largest:
        assert lesion.centroid_mm is not None
        near = [
            (math.dist(lesion.centroid_mm, true.centre_mm), number)
            for number, true in enumerate(phantom.truth.lesions)
            if math.dist(lesion.centroid_mm, true.centre_mm) <= max(true.radii_mm)
        ]
        if near:
            found.add(min(near)[1])
        else:
            wrong += 1
    return len(found), wrong


def dice(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + other.sum()))


def turned(
    phantom: Phantom, axes: tuple[int, ...], flips: tuple[bool, ...]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The head with its axes permuted, then reversed, and the affine that says so."""
    array = np.array(phantom.voxels).transpose(axes)
    affine = np.vstack([np.array(phantom.affine), [0, 0, 0, 1]])
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        change[old, new] = -1 if flip else 1
        if flip:
            array = np.flip(array, axis=new)
            change[old, 3] = array.shape[new] - 1
    return np.asfortranarray(array), affine @ change


def image(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    if not path.is_file():
        pytest.skip(f"{path.name} is not installed here")
    loaded: Any = nib.load(path)
    array = np.asanyarray(loaded.dataobj)
    return array[..., 0] if array.ndim == 4 else array, loaded.affine


def of_package(package: str, *parts: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed here")
    return Path(spec.origin).parent.joinpath(*parts)


def brightened(box: tuple[slice, slice, slice]) -> Findings:
    phantom = make_phantom(31, 2, SIZE)
    voxels = np.array(phantom.voxels, dtype=np.float32)
    voxels[box] *= 1.7
    return read(voxels, phantom.affine)
