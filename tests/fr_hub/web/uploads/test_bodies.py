"""Bodies are read as they come; what came before a connection was lost is not."""

import asyncio
from typing import Any

import pytest
from fastapi import Request

from fr_hub.web.problems import Problem
from fr_hub.web.uploads import bodies
from fr_hub.web.uploads.bodies import content_length, parsed, receive, small_body
from fr_hub.web.uploads.multipart import BadForm

LOST = {"type": "http.disconnect"}


def request(*messages: dict[str, Any] | bytes, length: str | None = None) -> Request:
    """A request whose body comes in these pieces; after the last one nothing comes."""
    headers = [] if length is None else [(b"content-length", length.encode())]
    left = list(messages)

    async def next_message() -> Any:
        if not left:
            await asyncio.Event().wait()
        one = left.pop(0)
        if isinstance(one, dict):
            return one
        return {"type": "http.request", "body": one, "more_body": one != b""}

    return Request({"type": "http", "method": "PATCH", "headers": headers}, next_message)


def received(asked: Request, *, whole: bool = False) -> bytes:
    written: list[bytes] = []
    asyncio.run(receive(asked, written.append, whole=whole))
    return b"".join(written)


def test_a_body_is_written_in_large_pieces() -> None:
    pieces: list[bytes] = []
    many = [bytes(60_000)] * 40
    asyncio.run(receive(request(*many, b""), pieces.append))
    assert sum(map(len, pieces)) == 40 * 60_000
    assert len(pieces) == 3


def test_what_came_before_the_connection_was_lost_is_kept() -> None:
    assert received(request(b"one", b"two", LOST)) == b"onetwo"
    with pytest.raises(BadForm, match="lost"):
        received(request(b"one", LOST), whole=True)


def test_a_client_that_sends_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "IDLE_S", 0.05)
    written: list[bytes] = []
    with pytest.raises(Problem) as slow:
        asyncio.run(receive(request(b"one"), written.append))
    assert (slow.value.status, slow.value.code) == (408, "too_slow")
    assert written == [b"one"]


@pytest.mark.parametrize("limit", ["IDLE_S", "_MANIFEST_S"])
def test_a_list_of_files_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(bodies, limit, 0.05)
    with pytest.raises(Problem) as slow:
        asyncio.run(asyncio.wait_for(small_body(request(b"{", length="100")), 20))
    assert (slow.value.status, slow.value.code) == (408, "too_slow")
    assert slow.value.headers == {"Connection": "close"}


@pytest.mark.parametrize("length", [None, str(5 << 20)])
def test_a_list_of_files_that_is_too_long_is_not_read(length: str | None) -> None:
    many = [bytes(1 << 20)] * 6
    with pytest.raises(Problem) as refused:
        asyncio.run(small_body(request(*many, b"", length=length)))
    assert refused.value.status == 413
    assert asyncio.run(small_body(request(b'{"si', b'ze":1}', b""))) == b'{"size":1}'


def test_what_describes_no_upload_is_refused_without_repeating_it() -> None:
    with pytest.raises(Problem) as refused:
        parsed(b'{"size": "JANE"}')
    assert refused.value.errors is not None
    assert "JANE" not in str(refused.value.errors)
    assert parsed(b'{"size": 1}').size == 1


@pytest.mark.parametrize(("text", "length"), [("12", 12), ("", None), ("-1", None), ("x", None)])
def test_a_declared_length_is_a_number(text: str, length: int | None) -> None:
    assert content_length(request(length=text)) == length
