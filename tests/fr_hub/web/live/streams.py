"""Clients of the live feed, on real sockets."""

import contextlib
import json
import time
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
        """The next event; None: the stream has ended.

        Raises:
            AssertionError: none came for a minute.
        """
        data, last_id, began = "", None, time.monotonic()
        for line in self._lines:
            if not line:
                self.last_id = last_id or self.last_id
                if data:
                    found: Event = json.loads(data)
                    return found
            elif line.startswith(":"):
                self.comments += 1  # they come as long as the stream is open
                assert time.monotonic() < began + 60, "no event came"
            elif line.startswith("id: "):
                last_id = line.removeprefix("id: ")
            elif line.startswith("data: "):
                data += line.removeprefix("data: ")
        return None

    def until(self, **wanted: Any) -> Event:
        """The next event that has these fields."""
        [event] = self.until_all(wanted)
        return event

    def until_all(self, *wanted: Event) -> list[Event]:
        """The next events that have these fields each, in any order."""
        found: dict[int, Event] = {}
        while len(found) < len(wanted):
            event = self.next()
            assert event is not None, f"the stream ended before {wanted}"
            for number, fields in enumerate(wanted):
                if number not in found and fields.items() <= event.items():
                    found[number] = event
        return [found[number] for number in range(len(wanted))]


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
