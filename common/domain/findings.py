"""What an analyzer finds in the image of a brain: quality, lesions, volumes. Field names end in
their unit. ``finding_kinds`` has the findings of other kinds of scans.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from common.domain.always_valid import AlwaysValid
from common.domain.follow_up import FollowUp
from common.domain.rounding import Ml, Mm, NonNegativeMl, VoxelIndex, rounded_ml
from common.domain.types import Affine, Count, Flag, Name, Positive, Text, Value
from common.domain.with_t1 import WithT1

LESIONS_LISTED_MAX = 500
"""The most lesions that a report lists one by one."""


class Verdict(StrEnum):
    """Whether the scan is good enough for the analysis."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"  # measures are given; ``reasons`` says what limits them
    FAIL = "fail"  # the scan cannot be analysed; no measurements are given


class Region(StrEnum):
    """Where a lesion lies, by the criteria of McDonald 2017 for multiple sclerosis."""

    PERIVENTRICULAR = "periventricular"  # beside the lateral ventricles
    JUXTACORTICAL = "juxtacortical"  # in or beside the cortex
    INFRATENTORIAL = "infratentorial"  # in cerebellum or brain stem
    DEEP_WHITE_MATTER = "deep_white_matter"  # none of these


class AnyQuality(AlwaysValid):
    """Whether a scan of any kind could be analysed."""

    verdict: Verdict = Field(
        description="pass, warn (see the reasons) or fail (no measurements are given)"
    )
    reasons: tuple[Text, ...] = Field(
        default=(), description="why the verdict is not 'pass', one sentence each"
    )
    flags: tuple[Flag, ...] = Field(
        default=(),
        description="the reasons in machine-readable form, such as 'noisy'; chosen by the analyzer",
    )


class Quality(AnyQuality):
    """Whether the image could be analysed."""

    noise_percent: float | None = Field(
        default=None,
        ge=0,
        description="standard deviation of the noise, % of the white matter intensity",
    )
    inu_percent: float | None = Field(
        default=None, ge=0, description="intensity non-uniformity: range of the bias field, %"
    )
    intracranial_plausible: bool | None = Field(
        default=None,
        description="whether the intracranial volume is within the range of adults",
    )


class Lesion(AlwaysValid):
    """One connected lesion."""

    id: Positive | None = Field(
        default=None, description="position in the list; 1 is the largest lesion"
    )
    voxels: Positive = Field(description="number of voxels (grid: cells)")
    volume_ml: Ml | None = Field(
        description="volume, ml; null if the image has no affine, or a reason withholds it"
    )
    centroid_voxel: tuple[VoxelIndex, ...] = Field(
        description="centroid as the mean voxel index along each axis, from 0"
    )
    centroid_mm: tuple[Mm, Mm, Mm] | None = Field(
        description="centroid in mm, RAS+; null if the image has no affine"
    )
    mni_mm: tuple[Mm, Mm, Mm] | None = Field(
        default=None,
        description="centroid in MNI space (MNI152), mm, RAS+; null if it is withheld: see "
        "registration",
    )
    region: Region | None = Field(
        default=None,
        description="region by the criteria of McDonald 2017; deep_white_matter is none of the "
        "others, deep grey matter included; null if it is withheld: see registration",
    )
    slice_number: Positive | None = Field(
        default=None,
        description="slice of the centroid: its position along the image's third axis, from 1",
    )
    extent_mm: tuple[Mm, Mm, Mm] | None = Field(
        default=None,
        description="bounding box in mm: left-right, posterior-anterior, inferior-superior",
    )
    intensity_ratio: float | None = Field(
        default=None, ge=0, description="mean intensity divided by that of white matter"
    )
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="the analyzer's confidence, 0 to 1"
    )


class SizeCounts(AlwaysValid):
    """Lesions by size; a lesion exactly on a boundary counts as larger."""

    below_0_03_ml: Count = Field(description="lesions smaller than 0.03 ml")
    from_0_03_to_0_1_ml: Count = Field(description="lesions from 0.03 to below 0.1 ml")
    from_0_1_to_1_ml: Count = Field(description="lesions from 0.1 to below 1 ml")
    above_1_ml: Count = Field(description="lesions of 1 ml or more")

    @classmethod
    def of(cls, volumes_ml: Iterable[float]) -> Self:
        """Count lesions by their volumes in ml."""
        counts = [0, 0, 0, 0]
        for ml in map(rounded_ml, volumes_ml):
            counts[sum(ml >= bound for bound in (0.03, 0.1, 1.0))] += 1
        return cls(
            below_0_03_ml=counts[0],
            from_0_03_to_0_1_ml=counts[1],
            from_0_1_to_1_ml=counts[2],
            above_1_ml=counts[3],
        )


class RegionLoad(AlwaysValid):
    """The lesions of one region."""

    count: Count = Field(description="number of lesions")
    volume_ml: NonNegativeMl | None = Field(
        default=None, description="their volume, ml; null if a reason withholds it"
    )


class RegionCounts(AlwaysValid):
    """Lesions by region, by the criteria of McDonald 2017."""

    periventricular: RegionLoad = Field(description="beside the lateral ventricles")
    juxtacortical: RegionLoad = Field(description="in or beside the cortex")
    infratentorial: RegionLoad = Field(description="in cerebellum or brain stem")
    deep_white_matter: RegionLoad = Field(description="in none of these")

    @classmethod
    def of(cls, lesions: Iterable[tuple[Region, float | None]]) -> Self:
        """Count lesions by their regions, with their volumes in ml."""
        found: dict[str, list[float | None]] = {region.value: [] for region in Region}
        for region, ml in lesions:
            found[region.value].append(ml)
        loads = {}
        for name, volumes in found.items():
            known = [ml for ml in volumes if ml is not None]
            total = sum(known) if len(known) == len(volumes) else None
            loads[name] = RegionLoad(count=len(volumes), volume_ml=total)
        return cls(**loads)


class HeadRegistration(AlwaysValid):
    """How the head was found in MNI space, from which regions and MNI coordinates follow."""

    template: Text = Field(description="what the head was registered to")
    overlap: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Dice coefficient of the head's brain tissue and the template's; null if "
        "nothing fits",
    )
    to_mni: Affine | None = Field(
        default=None,
        description="affine transform from mm in the scan's space to mm in MNI space, 3 x 4, RAS+; "
        "null if it is withheld",
    )
    withheld: Text | None = Field(
        default=None,
        description="why the report has no regions and MNI coordinates; null if it has them",
    )


class Lesions(AlwaysValid):
    """The lesions found: totals, and the largest ones listed."""

    count: Count = Field(description="number of lesions found")
    voxels: Count = Field(description="number of voxels (grid: cells) in all lesions")
    volume_ml: Ml | None = Field(
        description="total volume, ml; null if the image has no affine, or a reason withholds it"
    )
    missed: Text | None = Field(
        default=None,
        description="what the count leaves out because this image cannot show it, such as 'most "
        "lesions would be missed on T1'; null if the analyzer knows of nothing",
    )
    by_size: SizeCounts | None = Field(
        default=None,
        description="number of lesions by size; null if the analyzer gives none and lists not all",
    )
    by_region: RegionCounts | None = Field(
        default=None,
        description="number and volume of all lesions by region; null if they are withheld (see "
        "registration), or the analyzer gives none",
    )
    largest: tuple[Lesion, ...] = Field(
        default=(),
        max_length=LESIONS_LISTED_MAX,
        description="the largest lesions, largest first; an analyzer may list none",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if any(lesion.id is None for lesion in self.largest):
            numbered = tuple(
                lesion if lesion.id else lesion.model_copy(update={"id": place})
                for place, lesion in enumerate(self.largest, 1)
            )
            object.__setattr__(self, "largest", numbered)  # frozen from here on
        if self.by_size is None and self.count == len(self.largest):
            volumes = [lesion.volume_ml for lesion in self.largest]
            if self.volume_ml is not None and None not in volumes:
                counts = SizeCounts.of(ml for ml in volumes if ml is not None)
                object.__setattr__(self, "by_size", counts)
        return self


MISSED_ON_T1 = "most lesions would be missed on T1"


def about_missed(lesions: Lesions, quality: AnyQuality) -> str | None:
    """What the count of lesions leaves out; None if nothing is known of."""
    # Analyzers before version 7 of 'volume' left out ``missed``.
    return lesions.missed or (MISSED_ON_T1 if "t1" in quality.flags else None)


def about_absence(lesions: Lesions, quality: AnyQuality) -> str:
    """What a report says if it lists no lesion: that there is none only where one would be seen."""
    missed = about_missed(lesions, quality)
    return "none found" if missed is None else f"none seen; {missed}"


class Volumes(AlwaysValid):
    """Volumes in ml, and in % of the intracranial volume if that is known."""

    head_ml: NonNegativeMl = Field(description="head: everything that is not air, ml")
    brain_ml: NonNegativeMl = Field(
        description="brain parenchyma: grey matter, white matter and lesions, ml"
    )
    intracranial_ml: NonNegativeMl | None = Field(
        default=None, description="intracranial volume, ml"
    )
    grey_matter_ml: NonNegativeMl | None = Field(default=None, description="grey matter, ml")
    white_matter_ml: NonNegativeMl | None = Field(default=None, description="white matter, ml")
    csf_ml: NonNegativeMl | None = Field(default=None, description="cerebrospinal fluid, ml")
    brain_percent: float | None = Field(
        default=None, ge=0, description="brain parenchyma, % of the intracranial volume"
    )
    grey_matter_percent: float | None = Field(
        default=None, ge=0, description="grey matter, % of the intracranial volume"
    )
    white_matter_percent: float | None = Field(
        default=None, ge=0, description="white matter, % of the intracranial volume"
    )
    csf_percent: float | None = Field(
        default=None, ge=0, description="cerebrospinal fluid, % of the intracranial volume"
    )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.intracranial_ml:
            for part in ("brain", "grey_matter", "white_matter", "csf"):
                ml = getattr(self, f"{part}_ml")
                if ml is not None and getattr(self, f"{part}_percent") is None:
                    percent = round(100 * ml / self.intracranial_ml, 2)
                    object.__setattr__(self, f"{part}_percent", percent)
        return self


class Findings(AlwaysValid):
    """The result of an analyzer of brains, which gets a scan's header and its voxels."""

    kind: Literal["brain"] = Field(default="brain", description="kind of the findings")
    quality: Quality = Field(description="whether the image could be analysed")
    lesions: Lesions | None = Field(description="null if the quality verdict is 'fail'")
    volumes: Volumes | None = Field(
        default=None, description="null if the quality verdict is 'fail' or the image has no affine"
    )
    registration: HeadRegistration | None = Field(
        default=None, description="null if the analyzer does not register the head"
    )
    follow_up: FollowUp | None = Field(
        default=None,
        description="what changed since the subject's previous scan; null if Fr knows of none",
    )
    with_t1: WithT1 | None = Field(
        default=None,
        description="what a FLAIR scan shows together with the T1 scan of its study; null if Fr "
        "knows of none",
    )
    parameters: dict[Name, Value] = Field(
        default={},
        description="parameters by name; a name ends in its unit, as in 'shell_mm'",
    )
    thresholds: dict[Name, float] = Field(
        default={}, description="intensities and limits derived from this image, by name"
    )
    seed: Count | None = Field(
        default=None, description="seed of the random numbers; null if the analyzer uses none"
    )
    limitations: tuple[Text, ...] = Field(
        default=(), description="what the analyzer was validated on, and what it cannot do"
    )

    @model_validator(mode="after")
    def _withhold(self) -> Self:
        if self.quality.verdict is Verdict.FAIL and (self.lesions or self.volumes):
            raise ValueError("a report with verdict 'fail' must not have lesions or volumes")
        if self.quality.verdict is not Verdict.FAIL and self.lesions is None:
            raise ValueError(
                "without verdict 'fail' a report must have lesions, if only a count of 0"
            )
        return self
