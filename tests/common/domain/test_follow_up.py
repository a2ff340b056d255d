"""What changed since the previous scan survives storage, and its values have bounds."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.follow_up import LESIONS_LISTED_MAX, ChangedLesion, FollowUp, LesionChange

NEW = ChangedLesion(
    change=LesionChange.NEW, ids=(3,), volume_ml=0.4, previous_ml=0, centroid_mm=(1, 2, 3)
)
ABOUT: dict[str, Any] = {
    "previous_scan": "scan-1",
    "previous_revision": 1,
    "previous_acquired_at": datetime(2025, 3, 1, tzinfo=UTC),
    "days": 365,
}


def test_it_is_the_same_after_a_round_trip_through_json() -> None:
    made = FollowUp(**ABOUT, new=1, grown=0, new_ml=0.4, lesions=(NEW,))
    assert FollowUp.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": -1},
        {"previous_revision": 0},
        {"new": -1},
        {"overlap": 1.1},
        {"lesions": (NEW,) * (LESIONS_LISTED_MAX + 1)},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FollowUp(**{**ABOUT, **wrong})
