"""Synthetic records for the tests, from seeds that neither tuning nor evaluation uses."""

from typing import Any

from fr_pacs.sources.ecg.model import LEADS, EcgRecipe, SyntheticEcg, make_ecg

SEED = 500_000


def record(index: int = 0, leads: int = 2, **changes: Any) -> SyntheticEcg:
    """A record of 20 s at 70 per minute, unless changed."""
    fields = {"leads": LEADS[leads], "duration_s": 20.0, "rate_bpm": (70.0, 70.0), **changes}
    return make_ecg(SEED, index, EcgRecipe(**fields))
