"""What an analyzer finds in a scan: quality, lesions, volumes, with the unit in each field."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from common.domain.types import Flag, Frozen, Name, Value

LESIONS_LISTED_MAX = 500
"""Lesions that a report lists, at most."""


class Verdict(StrEnum):
    """What a report says of its image's fitness for the analysis."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"  # results are given; ``reasons`` says what to doubt
    FAIL = "fail"  # the image cannot be judged; measures are withheld


class Quality(Frozen):
    """Whether the image could be judged."""

    verdict: Verdict = Field(description="pass, warn (see the reasons) or fail (no measures given)")
    reasons: tuple[str, ...] = Field(default=(), description="why not 'pass', a sentence each")
    flags: tuple[Flag, ...] = Field(
        default=(), description="the reasons for machines, such as 'noisy'; the analyzer's words"
    )
    noise_percent: float | None = Field(
        default=None, ge=0, description="standard deviation of noise, % of white matter"
    )
    inu_percent: float | None = Field(
        default=None, ge=0, description="intensity non-uniformity: range of the bias field, %"
    )
    intracranial_plausible: bool | None = Field(
        default=None, description="whether the intracranial volume is one that heads have"
    )


class Lesion(Frozen):
    """One connected lesion."""

    id: int | None = Field(
        default=None, ge=1, description="place in the list, from 1, the largest first"
    )
    voxels: int = Field(ge=1, description="voxels (grid: cells) in it")
    volume_ml: float | None = Field(description="millilitres; none where not placed in space")
    centroid_voxel: tuple[float, ...] = Field(description="mean voxel index along each axis")
    centroid_mm: tuple[float, float, float] | None = Field(
        description="the centroid in mm, RAS+; none where not placed in space"
    )
    extent_mm: tuple[float, float, float] | None = Field(
        default=None,
        description="edges of its bounding box in mm: left-right, back-front, down-up",
    )
    intensity_ratio: float | None = Field(
        default=None, ge=0, description="its mean intensity over that of white matter"
    )
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="0 to 1: how sure the analyzer is of it"
    )


class SizeCounts(Frozen):
    """Lesions by size; a lesion on a bound counts to the larger ones."""

    below_0_03_ml: int = Field(ge=0, description="lesions of less than 0.03 ml")
    from_0_03_to_0_1_ml: int = Field(ge=0, description="lesions of 0.03 to 0.1 ml")
    from_0_1_to_1_ml: int = Field(ge=0, description="lesions of 0.1 to 1 ml")
    above_1_ml: int = Field(ge=0, description="lesions of 1 ml and more")

    @classmethod
    def of(cls, volumes_ml: Iterable[float]) -> Self:
        """Count lesions of these volumes."""
        counts = [0, 0, 0, 0]
        for ml in volumes_ml:
            counts[sum(ml >= bound for bound in (0.03, 0.1, 1.0))] += 1
        return cls(
            below_0_03_ml=counts[0],
            from_0_03_to_0_1_ml=counts[1],
            from_0_1_to_1_ml=counts[2],
            above_1_ml=counts[3],
        )


class Lesions(Frozen):
    """All lesions found, and the largest of them one by one."""

    count: int = Field(ge=0, description="lesions found")
    voxels: int = Field(ge=0, description="voxels (grid: cells) in all of them")
    volume_ml: float | None = Field(description="millilitres in all; none if not placed in space")
    by_size: SizeCounts | None = Field(
        default=None,
        description="counts by size; counted here where an analyzer lists all its lesions",
    )
    largest: tuple[Lesion, ...] = Field(
        default=(),
        max_length=LESIONS_LISTED_MAX,
        description="the largest, in falling order of size; an analyzer may list none",
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


class Volumes(Frozen):
    """Volumes in millilitres, and in % of the intracranial volume where that is known."""

    head_ml: float = Field(ge=0, description="all that is not air, ml")
    brain_ml: float = Field(ge=0, description="parenchyma: grey and white matter, lesions; ml")
    intracranial_ml: float | None = Field(
        default=None, ge=0, description="all inside of the skull, ml"
    )
    grey_matter_ml: float | None = Field(default=None, ge=0, description="grey matter, ml")
    white_matter_ml: float | None = Field(default=None, ge=0, description="white matter, ml")
    csf_ml: float | None = Field(default=None, ge=0, description="cerebrospinal fluid, ml")
    brain_percent: float | None = Field(
        default=None, ge=0, description="parenchyma, % of intracranial"
    )
    grey_matter_percent: float | None = Field(
        default=None, ge=0, description="grey matter, % of intracranial"
    )
    white_matter_percent: float | None = Field(
        default=None, ge=0, description="white matter, % of intracranial"
    )
    csf_percent: float | None = Field(
        default=None, ge=0, description="cerebrospinal fluid, % of intracranial"
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


class Findings(Frozen):
    """What an analyzer returns: array and header in, this out."""

    quality: Quality = Field(description="whether the image could be judged")
    lesions: Lesions | None = Field(description="none where quality is 'fail'")
    volumes: Volumes | None = Field(
        default=None, description="none where quality is 'fail' or the image is not in space"
    )
    parameters: dict[Name, Value] = Field(
        default={},
        description="what the analyzer was set to, by name; a unit ends the name, as in 'shell_mm'",
    )
    thresholds: dict[Name, float] = Field(
        default={}, description="intensities and limits that it took from this image, by name"
    )
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = Field(
        default=None, description="of its random numbers; none: it draws no random numbers"
    )
    limitations: tuple[str, ...] = Field(
        default=(), description="what this analyzer was checked on and cannot do"
    )

    @model_validator(mode="after")
    def _withhold(self) -> Self:
        if self.quality.verdict is Verdict.FAIL and (self.lesions or self.volumes):
            raise ValueError("an image that cannot be judged gets no measures")
        if self.quality.verdict is not Verdict.FAIL and self.lesions is None:
            raise ValueError("a judged image must say its lesions, if only that there are none")
        return self
