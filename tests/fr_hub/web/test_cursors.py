"""Cursors come back as they went, and nothing else passes for one."""

import base64

import pytest

from common.domain.personal_text import name_key
from common.store.scan_pages import Place
from fr_hub.web.cursors import LONGEST, cursor_at, cursor_of, place_of, values_of
from fr_hub.web.problems import Problem


def test_a_place_comes_back_as_it_went() -> None:
    for place in (
        Place(0, (-5, "scan-1@pacs-1")),
        Place(1, ()),
        Place(1, ("sub-é", 3, "x")),
        Place(1, ("می\u200cنی", "क्\u200dष")),
    ):
        assert place_of(cursor_at(place)) == place
    assert place_of(None) is None
    assert cursor_at(None) is None
    assert values_of(cursor_of(["a", 1])) == ["a", 1]


def test_the_longest_name_in_any_script_has_a_cursor() -> None:
    for letter in "aعक𠀀":
        values = [name_key(letter * 300), "f" * 64]
        assert len(cursor_of(values)) <= LONGEST
        assert values_of(cursor_of(values)) == values


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[true]", "[1.5]", '[{"$gt": 1}]', "[[1]]", f"[{2**63}]", '["\\ud800"]', "[" * 400],
)
def test_what_no_list_gave_is_refused(text: str) -> None:
    for cursor in (text, base64.urlsafe_b64encode(text.encode()).decode()):
        with pytest.raises(Problem) as raised:
            values_of(cursor)
        assert raised.value.status == 422


@pytest.mark.parametrize("values", [[], ["a"], [-1, "a"]])
def test_a_cursor_of_another_list_is_refused(values: list[str | int]) -> None:
    with pytest.raises(Problem):
        place_of(cursor_of(values))
