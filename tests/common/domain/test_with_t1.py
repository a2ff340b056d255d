"""What a FLAIR scan shows together with a T1 scan survives JSON and is checked."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.domain.with_t1 import LESIONS_LISTED_MAX, LesionOnT1, WithT1

ABOUT: dict[str, Any] = {"t1_scan": "scan-1", "t1_revision": 1}
DARK = LesionOnT1(id=1, not_white=0.93)


def test_it_survives_json() -> None:
    made = WithT1(**ABOUT, white_matter_ml=512.34567, lesions=(DARK,), overlap=0.98)
    assert WithT1.model_validate_json(made.model_dump_json()) == made
    assert made.white_matter_ml == 512.3


@pytest.mark.parametrize(
    "wrong",
    [
        {"t1_revision": 0},
        {"csf_ml": -1},
        {"overlap": 1.2},
        {"lesions": (DARK,) * (LESIONS_LISTED_MAX + 1)},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WithT1(**{**ABOUT, **wrong})


def test_a_share_is_from_0_to_1() -> None:
    with pytest.raises(ValidationError):
        LesionOnT1(id=1, not_white=1.1)
