"""A generated part of a document is replaced, and nothing else is."""

import pytest

from tests.markdown import between, part

DOCUMENT = "before\n<!-- rows -->\nold\n<!-- end of rows -->\nafter\n"


def test_only_the_named_part_is_replaced() -> None:
    made = between(DOCUMENT, "rows", "new\n")
    assert made == DOCUMENT.replace("old", "new")
    assert part(made, "rows") == "new\n"


@pytest.mark.parametrize("document", ["", "<!-- rows -->\nold\n", "<!-- end of rows -->\n"])
def test_a_document_without_the_place_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="no place for rows"):
        between(document, "rows", "new\n")
