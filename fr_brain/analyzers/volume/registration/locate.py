"""Where the head and its lesions are in MNI space, as the report gives it."""

from dataclasses import dataclass

import numpy as np

from common.domain.findings import HeadRegistration, Region, RegionCounts
from common.domain.scan import BrainScan
from common.domain.types import Affine
from fr_brain.analyzers.volume.registration.align import Matrix
from fr_brain.analyzers.volume.registration.map_segmentation import tissue_map
from fr_brain.analyzers.volume.registration.regions import place_lesions
from fr_brain.analyzers.volume.registration.register import register
from fr_brain.analyzers.volume.segment import Segmentation

TEMPLATE = "MNI152 (ICBM 152 nonlinear symmetric 2009a), 4 mm, affine"

_INSIDE_MIN = 0.5  # share of a lesion inside the template's skull


@dataclass(frozen=True)
class LocatedLesion:
    """A lesion's place; None where it is withheld."""

    slice_number: int
    """Position along the scan's third axis, from 1."""
    mni_mm: tuple[int, int, int] | None
    region: Region | None


@dataclass(frozen=True)
class Located:
    """The places of a scan's lesions."""

    registration: HeadRegistration
    lesions: list[LocatedLesion]
    """In the order of the segmentation, without those of ``outside``."""
    outside: frozenset[int]
    """Numbers (from 1) of what is no lesion, because it lies outside the template's skull, where
    scalp, muscles and fat are."""

    @property
    def regions(self) -> list[Region] | None:
        """Of each lesion; None if regions are withheld."""
        if self.registration.withheld is not None:
            return None
        return [lesion.region for lesion in self.lesions if lesion.region]

    def by_region(self, volumes_ml: list[float] | None) -> RegionCounts | None:
        """Counts and volumes by region; None if regions are withheld.

        Args:
            volumes_ml: of each lesion; None if volumes are withheld.
        """
        regions = self.regions
        if regions is None:
            return None
        volumes = volumes_ml if volumes_ml is not None else [None] * len(regions)
        return RegionCounts.of(zip(regions, volumes, strict=True))


def locate(scan: BrainScan, segmentation: Segmentation) -> Located:
    """Register the head and place its lesions.

    Args:
        scan: the header with the affine (mm, RAS+).
        segmentation: of the scan.
    """
    affine = np.array(scan.affine)
    found = register(tissue_map(segmentation, affine))
    registration = HeadRegistration(
        template=TEMPLATE,
        overlap=round(found.overlap, 3),
        to_mni=_rounded(found.affine),
        withheld=found.doubt,
    )
    slices = [
        1 + round(segmentation.image.scan_index(lesion.centroid)[2])
        for lesion in segmentation.lesions
    ]
    if found.affine is None:
        unknown = [LocatedLesion(number, None, None) for number in slices]
        return Located(registration, unknown, frozenset())
    placed = place_lesions(segmentation, affine, found.affine)
    return Located(
        registration,
        [
            LocatedLesion(number, place.mni_mm, place.region)
            for number, place in zip(slices, placed, strict=True)
            if place.inside >= _INSIDE_MIN
        ],
        frozenset(n for n, place in enumerate(placed, 1) if place.inside < _INSIDE_MIN),
    )


def _rounded(affine: Matrix | None) -> Affine | None:
    """The transform with the digits that matter: they move no point by 0.1 mm."""
    if affine is None:
        return None
    x, y, z = (
        (round(float(a), 4), round(float(b), 4), round(float(c), 4), round(float(shift), 2))
        for a, b, c, shift in affine
    )
    return x, y, z
