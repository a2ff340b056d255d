"""What changed in a head since the subject's previous scan."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from common.domain.always_valid import AlwaysValid
from common.domain.rounding import Mm, NonNegativeMl
from common.domain.types import Affine, Count, Positive, Text

LESIONS_LISTED_MAX = 100
"""The most changed lesions that a report lists one by one."""


class LesionChange(StrEnum):
    """What became of a lesion since the previous scan."""

    # Stored: never renamed.
    NEW = "new"  # the previous scan does not show it
    GROWN = "grown"  # larger, by more than the measurements of a stable lesion differ
    SHRUNK = "shrunk"  # smaller, likewise
    STABLE = "stable"
    GONE = "gone"  # only the previous scan shows it


class ChangedLesion(AlwaysValid):
    """A lesion, or several that are one in the other scan, and what became of it."""

    change: LesionChange = Field(description="new, grown, shrunk, stable or gone")
    ids: tuple[Count, ...] = Field(
        default=(), description="its labels in the map 'lesions' of this scan; none if it is gone"
    )
    previous_ids: tuple[Count, ...] = Field(
        default=(), description="its labels in that map of the previous scan; none if it is new"
    )
    volume_ml: NonNegativeMl = Field(description="volume now, ml")
    previous_ml: NonNegativeMl = Field(description="volume in the previous scan, ml")
    centroid_mm: tuple[Mm, Mm, Mm] = Field(
        description="centroid in mm of this scan's space, RAS+; of a lesion that is gone, where it "
        "would be"
    )
    doubtful: bool = Field(
        default=False,
        description="whether the other scan may show it, too, and the analyzer may have missed it "
        "there: it is small, or the tissue looks like a lesion there",
    )


class FollowUp(AlwaysValid):
    """What changed since the subject's previous scan. Counts leave out doubtful lesions."""

    previous_scan: str = Field(description="id of the previous scan")
    previous_revision: Positive = Field(description="revision of its report")
    previous_acquired_at: datetime = Field(description="when the previous scan was acquired")
    days: float = Field(ge=0, description="days between the two scans")
    withheld: Text | None = Field(
        default=None, description="why the two scans are not compared; null if they are"
    )
    new: Count | None = Field(default=None, description="lesions that are new")
    grown: Count | None = Field(default=None, description="lesions that have grown")
    shrunk: Count | None = Field(default=None, description="lesions that have shrunk")
    stable: Count | None = Field(default=None, description="lesions that have not changed")
    gone: Count | None = Field(default=None, description="lesions that are gone")
    doubtful: Count | None = Field(
        default=None,
        description="further lesions that were found in one scan only, and that the analyzer may "
        "have missed in the other",
    )
    new_ml: NonNegativeMl | None = Field(default=None, description="volume of the new lesions, ml")
    lesions: tuple[ChangedLesion, ...] = Field(
        default=(),
        max_length=LESIONS_LISTED_MAX,
        description="the lesions that are not stable, the largest change first",
    )
    brain_change_percent: float | None = Field(
        default=None, description="change of the brain's volume, % of that in the previous scan"
    )
    brain_error_percent: float | None = Field(
        default=None,
        ge=0,
        description="how far that change was off in 95 % of pairs of synthetic scans of one head; "
        "two real scanners may differ by more; null if slices are thick",
    )
    to_previous: Affine | None = Field(
        default=None,
        description="rigid transform from mm in this scan's space to mm in the previous scan's, "
        "3 x 4, RAS+",
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
