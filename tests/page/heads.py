"""Small scans with lesions, reports and label maps, for tests that need no Fr-BRAIN."""

from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from common.domain.findings import (
    Findings,
    Lesion,
    Lesions,
    Quality,
    Region,
    RegionCounts,
    Verdict,
    Volumes,
)
from common.domain.follow_up import FollowUp
from common.domain.report import AnalyzerId
from common.domain.with_t1 import WithT1
from common.store.db_manager import DBManager
from fr_pacs.sources.phantom.model import Recipe, make_phantom
from tests.factories import make_claimable, make_report
from tests.label_maps import packed

SHAPE = (24, 28, 24)
AFFINE = ((4.0, 0.0, 0.0, -46.0), (0.0, 4.0, 0.0, -54.0), (0.0, 0.0, 4.0, -46.0))
LESIONS = ((16, 10, 14), (7, 18, 9))
"""The voxel in the middle of each lesion, which has 3 x 3 x 3 voxels."""


def place_of(voxel: tuple[int, int, int]) -> tuple[float, float, float]:
    """Where a voxel lies, mm."""
    x, y, z = (4.0 * index + row[3] for index, row in zip(voxel, AFFINE, strict=True))
    return x, y, z


def _image() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A ball with bright lesions, the lesions' labels, and the ball."""
    axes = np.meshgrid(*(np.linspace(-1.1, 1.1, n) for n in SHAPE), indexing="ij")
    ball = (np.sum(np.square(axes), axis=0) < 1).astype(np.uint8)
    lesions = np.zeros(SHAPE, np.uint8)
    for number, (x, y, z) in enumerate(LESIONS, start=1):
        lesions[x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2] = number
    return ball * 90 + (lesions > 0) * np.uint8(140), lesions, ball


def _findings(lesions: int, **compared: Any) -> Findings:
    found = tuple(
        Lesion(
            id=number,
            voxels=27,
            volume_ml=1.728,
            centroid_voxel=voxel,
            centroid_mm=place_of(voxel),
            mni_mm=(-24.0, -26.0, 30.0 + number),
            region=Region.JUXTACORTICAL,
            slice_number=voxel[2] + 1,
            extent_mm=(12.0, 12.0, 12.0),
            intensity_ratio=1.5,
            confidence=0.9 - 0.1 * number,
        )
        for number, voxel in enumerate(LESIONS[:lesions], start=1)
    )
    volumes = Volumes(head_ml=700.0, brain_ml=560.0, intracranial_ml=640.0, csf_ml=80.0)
    totals = Lesions(
        count=len(found),
        voxels=27 * len(found),
        volume_ml=1.728 * len(found),
        by_region=RegionCounts.of((Region.JUXTACORTICAL, 1.728) for _ in found),
        largest=found,
    )
    return Findings(
        quality=Quality(verdict=Verdict.PASS), lesions=totals, volumes=volumes, **compared
    )


def make_head(
    store: DBManager,
    lesions: int = 2,
    follow_up: FollowUp | None = None,
    with_t1: WithT1 | None = None,
    read_as: str | None = None,
    **overrides: Any,
) -> str:
    """A scan that is done, with so many of the lesions in its report; its key."""
    image, _, _ = _image()
    fields = {"scan_type": "volume", "shape": SHAPE, "affine": AFFINE, "modality": "MR"}
    voxels = image.tobytes(order="F")
    [scan] = make_claimable(store, 1, **{**fields, "voxels": voxels, **overrides})
    parameters = {} if read_as is None else {"contrast": read_as}
    compared = {"follow_up": follow_up, "with_t1": with_t1}
    _report(store, scan.key, lesions, parameters=parameters, **compared)
    return scan.key


def analyse_again(store: DBManager, key: str, lesions: int, **compared: Any) -> None:
    """Add the next revision of a head's report, with so many of the lesions."""
    [revised] = store.revisions.revisions_of([key])
    assert store.revisions.schedule_reanalysis([key], revised.revision) == 1
    _report(store, key, lesions, **compared)


def _report(store: DBManager, key: str, lesions: int, **compared: Any) -> None:
    _, labels, ball = _image()
    [claim] = store.claims.claim("maker", 1, 60)
    assert claim.scan.key == key
    report = make_report(
        claim.scan,
        revision=claim.revision,
        subject=claim.scan.subject,
        study=claim.scan.study,
        analyzer=AnalyzerId(name="volume", version="5"),
        findings=_findings(lesions, **compared),
    )
    maps = packed(lesions=labels * (labels <= lesions), brain=ball)
    assert not store.claims.complete([(claim, report)], labels={report.key: maps}, pair=True)


def nifti(array: npt.NDArray[Any], affine: Any = None) -> bytes:
    """An image as an uncompressed NIfTI file."""
    rows = AFFINE if affine is None else affine
    matrix = np.vstack([np.asarray(rows)[:3], (0.0, 0.0, 0.0, 1.0)])
    image = nib.Nifti1Image(array, matrix)  # type: ignore[no-untyped-call]
    return bytes(image.to_bytes())


def phantom_file() -> bytes:
    """A synthetic head with lesions that the analysis finds, as a NIfTI file."""
    recipe = Recipe(lesions=(8, 8), lesion_radius_mm=(5.0, 6.0), healthy_chance=0.0)
    phantom = make_phantom(16, 0, (96, 96, 96), recipe)
    return nifti(phantom.voxels, phantom.affine)
