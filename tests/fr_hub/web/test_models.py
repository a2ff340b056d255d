from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from common.domain.scan import Priority
from common.domain.states import SHOWN
from fr_hub.web.models import Answer, ShownState, Time, known_state, one_of


class Thing(Answer):
    count: int = 0
    """How many."""


def test_what_is_stored_and_no_value_of_an_enum_is_not_known() -> None:
    assert one_of(Priority, "stat") is Priority.STAT
    for stored in ("soon", None, 3, ["stat"]):
        assert one_of(Priority, stored) is None


def test_a_number_is_no_time() -> None:
    times: TypeAdapter[object] = TypeAdapter(Time)
    assert str(times.validate_python("2026-01-31T09:00:00+01:00")) == "2026-01-31 08:00:00+00:00"
    for wrong in ("0.5", "1700000000", 0.5, 1700000000):
        with pytest.raises(ValidationError, match="must be a time with its zone"):
            times.validate_python(wrong)


def test_states_are_those_that_people_know() -> None:
    assert set(get_args(ShownState)) == SHOWN.keys()
    assert known_state(SHOWN["failed"]) == "failed"
    assert known_state("Lost") == "unknown"


def test_a_field_with_a_default_is_in_each_answer_and_its_text_in_the_schema() -> None:
    schema = Thing.model_json_schema(mode="serialization")
    assert schema["required"] == ["count"]
    assert schema["properties"]["count"]["description"] == "How many."
