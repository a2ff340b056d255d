"""Ranges of bytes, as clients ask for them."""

import pytest
from starlette.requests import Request

from fr_hub.web.problems import Problem
from fr_hub.web.ranges import range_of


def request(**headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": pairs})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes = 1-2", (1, 3)),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("items=0-1", None),
        (f"bytes=0-{'9' * 19}", None),
    ],
)
def test_a_range_is_read(text: str, expected: tuple[int, int] | None) -> None:
    assert range_of(request(range=text), 100, '"e"') == expected


def test_a_range_of_other_content_is_not_given() -> None:
    assert range_of(request(), 100, '"e"') is None
    assert range_of(request(range="bytes=0-1", if_range='"e"'), 100, '"e"') == (0, 2)
    assert range_of(request(range="bytes=0-1", if_range='"x"'), 100, '"e"') is None


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=-0", "bytes=200-300"])
def test_a_range_without_a_byte_is_refused_with_the_size(text: str) -> None:
    with pytest.raises(Problem) as raised:
        range_of(request(range=text), 100, '"e"')
    assert raised.value.status == 416
    assert raised.value.headers["Content-Range"] == "bytes */100"
