"""Findings cannot be made or changed to something that is not valid."""

import pytest
from pydantic import Field, ValidationError

from common.domain.always_valid import AlwaysValid


class Counted(AlwaysValid):
    count: int = Field(ge=0)


def test_a_changed_copy_is_validated() -> None:
    one = Counted(count=1)
    assert one.model_copy(update={"count": 2}).count == 2
    assert one.model_copy() == one
    with pytest.raises(ValidationError):
        one.model_copy(update={"count": -1})


def test_construction_without_validation_validates() -> None:
    assert Counted.model_construct(count=3).count == 3
    with pytest.raises(ValidationError):
        Counted.model_construct(count=-3)
