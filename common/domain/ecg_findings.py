"""What an analyzer finds in an electrocardiogram: the zero crossings of each lead, and what it
measures of the heart (``common.domain.ecg_measures``)."""

from typing import Literal, Self

from pydantic import Field, model_validator

from common.domain.always_valid import AlwaysValid
from common.domain.ecg_measures import EcgMeasures
from common.domain.findings import AnyQuality, Verdict
from common.domain.types import Count, Name, Text, Value


class LeadCrossings(AlwaysValid):
    """The zero crossings of one lead."""

    lead: Text = Field(description="name of the lead, as in the signal's 'leads'")
    zero_crossings: Count | None = Field(
        description="changes of sign from one sample that is not zero to the next; null if no "
        "sample is a number"
    )


class EcgFindings(AlwaysValid):
    """The result of an analyzer of electrocardiograms, which gets a scan's header and the samples.

    A recording of any quality has zero crossings, which count samples and say nothing of the heart.
    ``measures`` do, as far as the recording allows.
    """

    kind: Literal["ecg"] = Field(default="ecg", description="kind of the findings")
    quality: AnyQuality = Field(description="whether the recording could be analysed")
    crossings: tuple[LeadCrossings, ...] = Field(
        description="zero crossings of each lead, in the order of the signal's 'leads'; empty if "
        "the scan is not a signal",
    )
    measures: EcgMeasures | None = Field(
        default=None,
        description="what was measured of the heart; null if the analyzer only counts crossings",
    )
    parameters: dict[Name, Value] = Field(
        default={}, description="parameters by name; a name ends in its unit"
    )
    thresholds: dict[Name, float] = Field(
        default={}, description="limits derived from this recording, by name"
    )
    seed: Count | None = Field(
        default=None, description="seed of the random numbers; null if the analyzer uses none"
    )
    limitations: tuple[Text, ...] = Field(
        default=(), description="what the analyzer was validated on, and what it cannot do"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        measured = self.quality.verdict if self.measures is None else self.measures.verdict
        if (self.quality.verdict == Verdict.FAIL) != (measured == Verdict.FAIL):
            raise ValueError("quality and measures have verdict 'fail' together, or neither has")
        return self

    @property
    def lesions(self) -> None:
        """None: an ECG has none to count."""

    @property
    def volumes(self) -> None:
        """None: an ECG has none."""
