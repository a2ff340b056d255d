"""The rows of the evaluation: scans of one kind each, with goals."""

from dataclasses import dataclass, field, replace

from fr_pacs.sources.phantom.source import Recipe, shape_of

TUNING_SEEDS = range(100_000)
"""Seeds of phantoms for developing an analyzer."""
EVALUATION_SEEDS = range(900_000, 1_000_000)
"""Seeds of held-out phantoms: nothing is tuned on them. They start at 900,000 because results on
seeds from 700,000 and 800,000 were known when versions 4 and 5 of the analyzer were made."""

SCANS = 20

ONE_MM = (181, 217, 181)
CUBE = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Row:
    """Scans of one kind, with goals."""

    name: str
    recipe: Recipe
    shape: tuple[int, int, int]
    at_least: dict[str, float] = field(default_factory=dict)
    """Lower bounds by figure; see ``measures``."""
    at_most: dict[str, float] = field(default_factory=dict)


def _sick(noise: float, inu: float, **changes: object) -> Recipe:
    recipe = Recipe(
        noise_percent=(noise, noise),
        inu_percent=(inu, inu),
        lesion_contrast=(1.35, 1.8),
        lesion_radius_mm=(1.5, 6.0),
        healthy_chance=0,
    )
    return replace(recipe, **changes)  # type: ignore[arg-type]


def _table(f1: float, dice: float) -> dict[str, float]:
    return {"f1": f1, "dice": dice}


def _tissues(share: float) -> dict[str, float]:
    return dict.fromkeys(("grey_error", "white_error", "csf_error"), share)


_FEW_FALSE = {"false_per_scan": 0.05}
_HARD = {"lesion_contrast": (1.2, 1.7), "lesion_radius_mm": (1.2, 5.0)}
_HEALTHY_T1 = {"contrast": "t1", "lesion_contrast": None, "healthy_chance": 1}

ROWS = (
    Row("1 mm 3/20", _sick(3, 20), ONE_MM, _table(0.976, 0.920), _FEW_FALSE | _tissues(0.05)),
    Row("1 mm 5/40", _sick(5, 40), ONE_MM, _table(0.961, 0.916), _FEW_FALSE),
    Row("1 mm 9/40", _sick(9, 40), ONE_MM, _table(0.939, 0.911), _FEW_FALSE | _tissues(0.10)),
    Row("1 mm hard 5/40", _sick(5, 40, **_HARD), ONE_MM, _table(0.85, 0.80), _FEW_FALSE),
    Row("128 cubed 5/40", _sick(5, 40), CUBE, _table(0.88, 0.849), _FEW_FALSE),
    Row("healthy 5/40", _sick(5, 40, healthy_chance=1), ONE_MM, {}, _FEW_FALSE),
    Row("empty air 3/20", _sick(3, 20, background="empty"), ONE_MM, {}, _FEW_FALSE),
    Row("T1 3/20", _sick(3, 20, **_HEALTHY_T1), ONE_MM, {}, _FEW_FALSE | _tissues(0.05)),
    Row("T1 9/40", _sick(9, 40, **_HEALTHY_T1), ONE_MM, {}, _FEW_FALSE | _tissues(0.10)),
    Row("0.75 mm 5/40", _sick(5, 40), shape_of((0.75, 0.75, 0.75)), {}, _FEW_FALSE),
    Row("2 mm 3/20", _sick(3, 20), shape_of((2, 2, 2)), {}, _FEW_FALSE),
    Row("1x1x3 mm 3/20", _sick(3, 20), shape_of((1, 1, 3)), {}, _FEW_FALSE),
)  # fmt: skip
"""The first five rows are those of the reference table."""


def seed_of(row: Row) -> int:
    """The seed of the phantoms of a row."""
    return EVALUATION_SEEDS[[other.name for other in ROWS].index(row.name)]
