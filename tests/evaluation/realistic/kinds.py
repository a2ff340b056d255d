"""What a realistic head can be: ranges to draw from."""

from dataclasses import dataclass
from typing import Literal

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Kind:
    """A pair is a range to draw from; intensities are relative to white matter."""

    contrast: Literal["flair", "t1"] = "flair"
    grey: Range = (1.1, 1.22)
    csf: Range = (0.1, 0.3)
    noise_percent: Range = (2.0, 4.0)
    field_percent: Range = (10.0, 40.0)
    coils: bool = False
    """A field that falls off from several coils, instead of a smooth polynomial."""
    lesions: tuple[int, int] = (6, 18)
    radius_mm: Range = (1.5, 5.0)
    edge_mm: Range = (1.5, 3.5)
    """Width over which a lesion fades out."""
    lesion: Range = (1.35, 1.75)
    confluent: tuple[int, int] = (0, 1)
    """Number of large lesions along the ventricles."""
    rim: Range = (0.0, 0.08)
    """How much brighter the lining of the ventricles is."""
    caps: Range = (0.0, 0.12)
    """How much brighter the white matter around the ventricles' horns is."""
    dirty: Range = (0.0, 0.02)
    """Spread of the brightness of white matter."""
    limbic: Range = (0.0, 0.06)
    fat: Range = (0.7, 1.2)
    """Brightness of what surrounds the brain, as a factor."""
    fat_only: bool = False
    """Whether the factor is that of fat and marrow alone: skin, muscle, dura and the fluid around
    the brain keep their brightness."""
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    tilt: float = 6.0
    """Largest rotation about an axis, degrees."""
    stripped: bool = False
    ghost: float = 0.0
    """Amplitude of a ghost half a field of view away, as after motion."""
    gibbs: bool = False
    wide: Range = (0.0, 0.1)
    """How much larger the ventricles are."""
    loose_mm: Range = (0.0, 0.0)
    """How far outside the brain an uneven skull stripping cuts."""
    flow: Range = (0.0, 0.0)
    """Brightness of the fluid that flows in through the ventricles' openings; a sinus beside it has
    a streak along the phase axis, ``STREAK`` times as bright."""
    cropped_mm: Range = (0.0, 0.0)
    """How much of the brain is missing at its top, or at the bottom."""
    size: Range = (1.0, 1.0)
    """Of the head, as a factor."""
    skull: float = 1.0
    """Thickness of what surrounds the brain, as a factor."""


STREAK = 0.3
"""Brightness of a streak of pulsation over that of the inflow."""
