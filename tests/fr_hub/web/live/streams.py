"""Clients of the live feed, on real sockets."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

Event = dict[str, Any]


class Stream:
    """Server-sent events as a browser reads them."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.iter_lines()
        self.last_id: str | None = None
        """What a browser would send as ``Last-Event-ID``."""
        self.comments = 0

    def next(self) -> Event | None:
        """The next event; None: the stream has ended."""
        data, last_id = "", None
        for line in self._lines:
            if not line:
                self.last_id = last_id or self.last_id
                if data:
                    found: Event = json.loads(data)
                    return found
            elif line.startswith(":"):
                self.comments += 1
            elif line.startswith("id: "):
                last_id = line.removeprefix("id: ")
            elif line.startswith("data: "):
                data += line.removeprefix("data: ")
        return None

    def until(self, **wanted: Any) -> Event:
        """The next event that has these fields."""
        while (event := self.next()) is not None:
            if wanted.items() <= event.items():
                return event
        raise AssertionError(f"the stream ended before {wanted}")


@contextlib.contextmanager
def watching(
    port: int, headers: Mapping[str, str], last_id: str | None = None, **params: Any
) -> Iterator[Stream]:
    """A stream that is open during the block."""
    given = dict(headers) if last_id is None else {**headers, "Last-Event-ID": last_id}
    url = f"http://127.0.0.1:{port}/api/v1/events"
    with httpx2.stream("GET", url, headers=given, params=params, timeout=60) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)
