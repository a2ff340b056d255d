"""Documents are read and written as they are, whatever bytes they hold."""

from common.store.exact_bson import Undecodable, encoded, exact
from tests.common.store.damaged import not_utf8


def test_text_that_is_not_utf8_is_encoded_as_it_was() -> None:
    nested = {"a": [{"b": "to-be-damaged"}, 1, "é"], "name of to-be-damaged": None}
    stored = not_utf8({"_id": "to-be-damaged", "n": 7, "nested": nested, "good": "é"})
    document = exact(stored)
    assert document["_id"] == Undecodable(b"\xfe\xffobe-damaged")
    assert (document["n"], document["good"]) == (7, "é")
    assert encoded(document.items()).raw == stored.raw
