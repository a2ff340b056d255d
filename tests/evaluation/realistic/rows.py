"""The rows that judge, on the anatomy of Colin27, and the kinds of heads that served tuning.

The families are apart in anatomy and in seeds; README.md says what was tuned on what.
"""

from dataclasses import dataclass, field, replace

from tests.evaluation.realistic.kinds import Kind

TUNING_SEEDS = range(200_000, 210_000)
"""Seeds of realistic heads for developing an analyzer, on the anatomies ``coded`` and ``mni``."""
JUDGING_SEEDS = range(960_000, 970_000)
"""Seeds of the rows below, on the anatomy ``colin``. Those from 950,000 on were seen while versions
up to 9 of the analyzer were developed, and judged version 9. Those from 960,100 on judged a first
fit of version 10; its rows of T1 were judged on them alone."""

_SERIES = 1500
"""The first of the judging seeds that the rows take."""

SCANS = 10
"""Scans of a row: one takes 2 to 4 s to make."""


@dataclass(frozen=True, slots=True)
class RealisticRow:
    """Realistic heads of one kind, with goals."""

    name: str
    kind: Kind
    at_least: dict[str, float] = field(default_factory=dict)
    """Lower bounds by figure; see ``measures``."""
    at_most: dict[str, float] = field(default_factory=dict)
    family: str = "colin"


_SOFT = Kind()
_SHARP = Kind(edge_mm=(0.6, 1.0), rim=(0, 0), caps=(0, 0), limbic=(0, 0))
_MS = Kind(
    lesions=(15, 35), radius_mm=(1.2, 4.0), confluent=(1, 4), rim=(0.02, 0.12), caps=(0.02, 0.2),
    limbic=(0.02, 0.1), dirty=(0.01, 0.03), lesion=(1.25, 1.7),
)  # fmt: skip
_OLD = Kind(
    lesions=(8, 20), confluent=(1, 3), rim=(0.1, 0.25), caps=(0.1, 0.3), dirty=(0.02, 0.04),
    limbic=(0.03, 0.1), wide=(0.2, 0.45), lesion=(1.25, 1.6),
)  # fmt: skip
_CONFOUNDED = Kind(
    lesions=(0, 0), confluent=(0, 0), rim=(0.08, 0.2), caps=(0.05, 0.2), dirty=(0.01, 0.03),
    limbic=(0.05, 0.12),
)  # fmt: skip
_T1 = replace(_SOFT, contrast="t1")

KINDS = {
    "soft 1 mm": _SOFT,
    "sharp 1 mm": _SHARP,
    "MS 1 mm": _MS,
    "MS stripped": replace(_MS, stripped=True),
    "MS 5 mm": replace(_MS, spacing_mm=(0.9, 0.9, 5.0)),
    "soft 5 mm": replace(_SOFT, spacing_mm=(0.9, 0.9, 5.0)),
    "soft 3 mm": replace(_SOFT, spacing_mm=(1.0, 1.0, 3.0), tilt=15.0),
    "old 1 mm": _OLD,
    "healthy confounded": _CONFOUNDED,
    "small faint": replace(
        _SOFT, radius_mm=(1.0, 2.0), edge_mm=(1.0, 2.0), lesion=(1.2, 1.45), confluent=(0, 0)
    ),
    "3 T contrast": replace(_SOFT, grey=(1.28, 1.42), lesion=(1.6, 2.0)),
    "1.5 T contrast": replace(_SOFT, grey=(1.03, 1.1)),
    "strong coils": replace(_SOFT, field_percent=(80, 120), coils=True),
    "noise, motion": replace(_SOFT, noise_percent=(6, 8), ghost=0.05, gibbs=True),
    "T1": _T1,
    "T1 bright fat": replace(_T1, fat=(1.3, 1.8), lesions=(0, 0), confluent=(0, 0)),
    "T1 bright fat alone": replace(
        _T1, fat=(1.3, 1.8), fat_only=True, lesions=(0, 0), confluent=(0, 0)
    ),
    "flow": replace(_SOFT, flow=(0.6, 1.3)),
    "cropped": replace(_SOFT, cropped_mm=(5.0, 35.0)),
    "loosely stripped": replace(_SOFT, stripped=True, loose_mm=(1.0, 10.0)),
    "child": replace(_SOFT, size=(0.8, 0.9), skull=0.6),
}
"""The place of a kind gives the seed of its row, so new ones go to the end."""

ADDED_KINDS = ("flow", "cropped", "loosely stripped", "child")
"""Kinds that no fit up to version 12 of the analyzer knew."""

_AT_LEAST = {
    "soft 1 mm": {"f1": 0.97, "dice": 0.86},
    "MS 1 mm": {"f1": 0.80, "dice": 0.72},
    "MS stripped": {"f1": 0.80, "dice": 0.72},
    "MS 5 mm": {"f1": 0.90, "dice": 0.72},
    "soft 5 mm": {"f1": 0.90, "dice": 0.72},
    "old 1 mm": {"dice": 0.70},
    "small faint": {"sensitivity": 0.55},
}
_TISSUES = {"unread": 0.0, "grey_error": 0.10, "white_error": 0.10}
_AT_MOST = {
    "soft 1 mm": {"lesion_error": 0.15},
    "MS 5 mm": {"lesion_error": 0.25, "false_per_scan": 0.3},
    "soft 5 mm": {"lesion_error": 0.25, "false_per_scan": 0.3},
    "healthy confounded": {"false_per_scan": 0.1},
    "small faint": {"false_per_scan": 0.2},
    "3 T contrast": _TISSUES,
    "1.5 T contrast": _TISSUES,
    "T1": {"unread": 0.05},
    "T1 bright fat": _TISSUES | {"unread": 0.05},
    "T1 bright fat alone": _TISSUES | {"unread": 0.05},
} | {name: {"false_per_scan": 0.3} for name in ADDED_KINDS}

ROWS = tuple(
    RealisticRow(f"head {name}", kind, _AT_LEAST.get(name, {}), _AT_MOST.get(name, {}))
    for name, kind in KINDS.items()
)


def seed_of(row: RealisticRow) -> int:
    """The seed of the heads of a row."""
    return JUDGING_SEEDS[_SERIES + [other.name for other in ROWS].index(row.name)]
