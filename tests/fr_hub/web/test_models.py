from typing import get_args

from common.domain.scan import Priority
from common.domain.states import SHOWN
from fr_hub.web.models import Answer, ShownState, known_state, one_of


class Thing(Answer):
    count: int = 0
    """How many."""


def test_what_is_stored_and_no_value_of_an_enum_is_not_known() -> None:
    assert one_of(Priority, "stat") is Priority.STAT
    for stored in ("soon", None, 3, ["stat"]):
        assert one_of(Priority, stored) is None


def test_states_are_those_that_people_know() -> None:
    assert set(get_args(ShownState)) == SHOWN.keys()
    assert known_state(SHOWN["failed"]) == "failed"
    assert known_state("Lost") == "unknown"


def test_a_field_with_a_default_is_in_each_answer_and_its_text_in_the_schema() -> None:
    schema = Thing.model_json_schema(mode="serialization")
    assert schema["required"] == ["count"]
    assert schema["properties"]["count"]["description"] == "How many."
