"""A refused message is named by its scan, if it names one."""

import pytest

from common.errors import ProtocolError, Refusal
from common.wire.messages.invalid import InvalidMessageError


@pytest.mark.parametrize(
    ("scan_id", "named"),
    [
        ("scan-1", "scan-1"),
        ("a" * 64, "a" * 64),
        ("a" * 64 + "b", "a" * 64),
        ("", None),
        (None, None),
    ],
)
def test_it_names_the_scan_by_no_more_than_an_id_may_have(
    scan_id: str | None, named: str | None
) -> None:
    assert InvalidMessageError(Refusal.HEADER, "it is wrong", scan_id).id == named


def test_where_it_is_not_told_apart_it_ends_the_connection_with_its_code() -> None:
    with pytest.raises(ProtocolError, match="the hash differs") as raised:
        raise InvalidMessageError(Refusal.HASH, "the hash differs", "scan-1")
    assert raised.value.code is Refusal.HASH
