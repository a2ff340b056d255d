"""What a FLAIR scan shows together with the T1 scan of the same study."""

from pydantic import Field

from common.domain.always_valid import AlwaysValid
from common.domain.rounding import NonNegativeMl
from common.domain.types import Affine, Positive, Text

LESIONS_LISTED_MAX = 100
"""The most lesions, the largest first, whose share a report gives."""


class LesionOnT1(AlwaysValid):
    """What the T1 scan shows where a lesion of the FLAIR scan is."""

    id: Positive = Field(description="its label in the map 'lesions' of this scan")
    not_white: float = Field(
        ge=0,
        le=1,
        description="share of the lesion, 0 to 1, that the T1 scan does not label as white matter. "
        "It is high where the lesion is dark on T1, but also where the lesion lies in or beside "
        "grey matter or fluid",
    )


class WithT1(AlwaysValid):
    """This FLAIR scan and the T1 scan of its study, aligned. Volumes are of the T1 scan."""

    t1_scan: str = Field(description="id of the T1 scan")
    t1_revision: Positive = Field(description="revision of its report")
    withheld: Text | None = Field(
        default=None, description="why the two scans are not read together; null if they are"
    )
    doubt: Text | None = Field(
        default=None, description="why to doubt these measures; null if there is no reason"
    )
    t1_intracranial_ml: NonNegativeMl | None = Field(
        default=None, description="intracranial volume in the T1 scan, ml"
    )
    intracranial_difference_percent: float | None = Field(
        default=None,
        description="by how much that volume is larger than in this scan, % of that in this scan",
    )
    grey_matter_ml: NonNegativeMl | None = Field(
        default=None, description="grey matter in the T1 scan without the lesions of this scan, ml"
    )
    white_matter_ml: NonNegativeMl | None = Field(
        default=None, description="white matter in the T1 scan, lesions included, ml"
    )
    csf_ml: NonNegativeMl | None = Field(
        default=None,
        description="cerebrospinal fluid in the T1 scan without the lesions of this scan, ml",
    )
    from_grey_matter_ml: NonNegativeMl | None = Field(
        default=None,
        description="volume of lesions that the T1 report counts as grey matter, and that is "
        "white matter here, ml",
    )
    from_csf_ml: NonNegativeMl | None = Field(
        default=None,
        description="volume of lesions that the T1 report counts as cerebrospinal fluid, and that "
        "is white matter here, ml",
    )
    lesions: tuple[LesionOnT1, ...] = Field(
        default=(),
        max_length=LESIONS_LISTED_MAX,
        description="the lesions of this scan, the largest first; without those that lie outside "
        "of the T1 scan",
    )
    to_t1: Affine | None = Field(
        default=None,
        description="rigid transform from mm in this scan's space to mm in the T1 scan's, 3 x 4, "
        "RAS+",
    )
    overlap: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Dice coefficient of the brain tissue in both scans, after alignment",
    )

    @property
    def is_misfit(self) -> bool:
        """Whether the two heads were aligned and do not fit each other: the scans may be of two
        people."""
        return self.withheld is not None and self.overlap is not None
