"""``EcgMeasures``: what the ECG analyzer measures in a record. Field names end in their unit.

A value that cannot be judged is None, and ``withheld`` says why: no number is ever made of noise.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from common.domain.ecg_peaks import CHARACTERS_MAX, STEPS_MS, decode, encode
from common.domain.types import Count, Flag, Frozen, Text

LEADS_MAX = 64
"""More leads than any body-surface map that is stored as an ECG here."""

Share = Annotated[float, Field(ge=0, le=1)]
LeadGrade = Literal["good", "usable", "unusable"]
EcgVerdict = Literal["pass", "warn", "fail"]
RhythmName = Literal["sinus", "regular", "irregular"]


class _Measure(Frozen):
    """Base: analyzers are plug-ins, so an instance that was changed is validated again."""

    model_config = ConfigDict(revalidate_instances="subclass-instances")


class Measured(_Measure):
    """A value with the analyzer's confidence in it, or the reason why it is withheld."""

    value: float | None = Field(default=None, description="null if it is withheld")
    confidence: Share | None = Field(
        default=None, description="the analyzer's confidence in the value, 0 to 1"
    )
    withheld: Text | None = Field(default=None, description="why there is no value")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.value is None) != (self.withheld is not None):
            raise ValueError("a measure has either a value or the reason why it is withheld")
        if (self.value is None) != (self.confidence is None):
            raise ValueError("a measure has a confidence if, and only if, it has a value")
        return self

    @classmethod
    def no(cls, reason: str) -> Self:
        """A measure that is withheld."""
        return cls(withheld=reason)


class RPeaks(_Measure):
    """The heartbeats found."""

    count: Count = Field(description="number of R peaks")
    listed: Count = Field(description="number of peaks, from the first, whose times are listed")
    step_ms: int = Field(
        ge=STEPS_MS[0], le=STEPS_MS[-1], description="resolution of the listed times, ms"
    )
    encoded: Annotated[str, Field(max_length=CHARACTERS_MAX, pattern=r"^[A-Za-z0-9_-]*$")] = Field(
        description="times of the listed peaks as a short text, a number for each peak, in digits "
        "to base 64 (A to Z, a to z, 0 to 9, - and _ stand for 0 to 63). A digit below 48 is the "
        "number. A digit d from 48 to 62 and the next one, e, are 48 + 64 (d - 48) + e. The digit "
        "63 is followed by the seven digits of the number, the highest first. An even number n "
        "says that the interval before this peak is n / 2 steps longer than the interval before "
        "the previous peak; an odd one, that it is (n + 1) / 2 steps shorter. Before the first "
        "peak, the interval is 0. The time of a peak is the sum of all intervals up to it, in "
        "steps of step_ms from the start of the record. '4o-4IP' with step_ms 1 are 300, 1100, "
        "1904 and 2700 ms"
    )

    @model_validator(mode="after")
    def _decodes(self) -> Self:
        if self.listed > self.count or len(decode(self.encoded, self.step_ms)) != self.listed:
            raise ValueError("the R peaks listed are not as many as the field says")
        return self

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Self:
        """From the times since the start of the record, ms, ascending."""
        step, listed, text = encode(times_ms)
        return cls(count=len(times_ms), listed=listed, step_ms=step, encoded=text)

    def times_ms(self) -> tuple[int, ...]:
        """The times of the listed peaks since the start of the record, ms, ascending."""
        return decode(self.encoded, self.step_ms)


class EcgLead(_Measure):
    """The quality of one lead."""

    name: Text = Field(description="name of the lead, as the record has it")
    grade: LeadGrade = Field(description="good, usable (with problems) or unusable")
    problems: tuple[Flag, ...] = Field(
        default=(),
        description="'flat', 'noisy', 'clipped', 'mains_hum', 'lead_off', 'inverted', "
        "'baseline_wander', 'gaps', 'constant_parts', 'swapped', 'too_high'",
    )
    usable: Share = Field(description="share of the record in which the lead is usable")
    noise_mv: float | None = Field(
        default=None, ge=0, description="standard deviation of the noise between waves, mV"
    )
    mains_mv: float | None = Field(
        default=None, ge=0, description="amplitude of mains hum (50 or 60 Hz), mV"
    )
    qrs_mv: float | None = Field(
        default=None, ge=0, description="median height of the QRS complex, peak to peak, mV"
    )


class RrStatistics(_Measure):
    """Intervals between successive beats, without those that span a gap in the record."""

    intervals: Count = Field(description="number of intervals")
    mean_ms: float = Field(gt=0, description="mean interval, ms")
    median_ms: float = Field(gt=0, description="median interval, ms")
    shortest_ms: float = Field(gt=0, description="shortest interval, ms")
    longest_ms: float = Field(gt=0, description="longest interval, ms")


class HeartRateVariability(_Measure):
    """From intervals between normal beats (Task Force, Circulation 93, 1996)."""

    sdnn_ms: Measured = Field(description="standard deviation of the intervals, ms")
    rmssd_ms: Measured = Field(
        description="root mean square of the differences of successive intervals, ms"
    )
    pnn50_percent: Measured = Field(
        description="share of successive intervals that differ by more than 50 ms, %"
    )
    lf_ms2: Measured = Field(description="power from 0.04 to 0.15 Hz, ms²; mean over 5-min parts")
    hf_ms2: Measured = Field(description="power from 0.15 to 0.4 Hz, ms²; mean over 5-min parts")
    lf_hf: Measured = Field(description="ratio of the two powers")


class Rhythm(_Measure):
    """The rhythm, and what interrupts it."""

    name: RhythmName | None = Field(
        description="sinus (each beat has a P wave before it), regular, irregular; null: withheld"
    )
    withheld: Text | None = Field(default=None, description="why the rhythm is not named")
    findings: tuple[Flag, ...] = Field(
        default=(),
        description="'bradycardia', 'tachycardia', 'pauses', 'ectopic_beats', 'no_p_waves', "
        "'irregularly_irregular', 'dropped_beats'",
    )
    ventricular_like: Count | None = Field(
        default=None, description="number of early or wide beats whose shape differs"
    )
    supraventricular_like: Count | None = Field(
        default=None, description="number of early beats of the usual shape"
    )
    pauses: Count | None = Field(default=None, description="number of intervals of 2 s or more")

    @model_validator(mode="after")
    def _named_or_withheld(self) -> Self:
        if (self.name is None) != (self.withheld is not None):
            raise ValueError("a rhythm has either a name or the reason why it is withheld")
        return self


class EcgMeasures(_Measure):
    """All that the analyzer measures in one record."""

    verdict: EcgVerdict = Field(
        description="pass, warn (see the reasons) or fail (no beat can be measured)"
    )
    reasons: tuple[Text, ...] = Field(
        default=(), description="why the verdict is not 'pass', one sentence each"
    )
    flags: tuple[Flag, ...] = Field(
        default=(), description="the reasons in machine-readable form, such as 'noisy'"
    )
    duration_s: float = Field(ge=0, description="length of the record, s")
    analysed_s: float = Field(ge=0, description="length in which beats could be judged, s")
    leads: tuple[EcgLead, ...] = Field(max_length=LEADS_MAX, description="quality of each lead")
    peaks: RPeaks | None = Field(description="the heartbeats; null if none can be judged")
    heart_rate_bpm: Measured = Field(description="mean heart rate, beats per minute")
    rr: RrStatistics | None = Field(description="intervals between beats; null: fewer than two")
    hrv: HeartRateVariability = Field(description="heart rate variability")
    pr_ms: Measured = Field(description="PR interval: start of the P wave to start of QRS, ms")
    qrs_ms: Measured = Field(description="duration of the QRS complex, ms")
    qt_ms: Measured = Field(description="QT interval: start of QRS to end of the T wave, ms")
    qtc_bazett_ms: Measured = Field(description="QT corrected for the rate: QT / RR^(1/2), ms")
    qtc_fridericia_ms: Measured = Field(description="QT corrected for the rate: QT / RR^(1/3), ms")
    axis_degrees: Measured = Field(
        description="electrical axis of QRS in the frontal plane, -180 to 180°"
    )
    rhythm: Rhythm = Field(description="the rhythm")

    @model_validator(mode="after")
    def _withhold(self) -> Self:
        if self.verdict == "fail" and (self.peaks is not None or self.rr is not None):
            raise ValueError("measures with verdict 'fail' must not have beats")
        if self.verdict != "pass" and not self.reasons:
            raise ValueError("a verdict other than 'pass' needs reasons")
        return self
