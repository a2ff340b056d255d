"""What a connection of Fr-HUB brings: reports to answer together, each with its label maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common.errors import ProtocolError, Refusal
from common.wire.blocking_connection import Channel
from common.wire.constants import LABEL_MAPS
from common.wire.messages import Chunk, Event, InvalidMessage, Labels, Report
from fr_pacs.label_maps import ArrivingMaps

WINDOW = 1000
"""Reports in flight on one connection."""

TOGETHER_BYTES = 8 * 1024 * 1024
"""Reports are answered together once about this many bytes of them have arrived."""

_WAIT_S = 60.0


class Arrived(NamedTuple):
    """Messages to answer together. A report with label maps comes alone: writing them takes long,
    and nobody else's answer waits for it."""

    events: Sequence[Event]
    maps: ArrivingMaps | None = None
    """The label maps of the one report."""


class ReportIntake:
    """Reads one connection. Of label maps, those of one report are kept at a time.

    Args:
        channel: the connection, greeted.
        folder: where label maps are kept until their report comes; None: none are wanted.
    """

    def __init__(self, channel: Channel, folder: Path | None) -> None:
        self._channel = channel
        self._folder = folder if LABEL_MAPS in channel.features else None
        self._maps: ArrivingMaps | None = None
        self._next: Event | None = None  # read, and not handed out

    def receive(self) -> Arrived:
        """The next messages, without those that carry label maps.

        Raises:
            PeerAway: the connection is lost.
            ProtocolError: the peer broke the rules.
        """
        while True:
            event, self._next = self._next or self._channel.receive(_WAIT_S), None
            if isinstance(event, Labels):
                self._begin(event)
            elif isinstance(event, Chunk):
                self._add(event)
            elif event is not None and self._maps is not None:
                return self._with_maps(event, self._maps)
            elif event is not None:
                return Arrived(self._together(event))

    def _together(self, event: Event) -> list[Event]:
        """This message, and those behind it that are there already."""
        events = [event]
        before = self._channel.bytes_received
        while len(events) < WINDOW and self._channel.bytes_received - before < TOGETHER_BYTES:
            following = self._channel.receive(0)
            if following is None:
                break
            if isinstance(following, Labels | Chunk):
                self._next = following
                break
            events.append(following)
        return events

    def _begin(self, message: Labels) -> None:
        if self._folder is None:
            raise _unexpected("label maps arrived, but this unit did not ask for them (LABEL_MAPS)")
        if self._maps is not None:
            raise _unexpected("more label maps arrived before the report of the previous ones")
        self._maps = ArrivingMaps(message.header, self._folder)

    def _add(self, chunk: Chunk) -> None:
        if self._maps is None:
            raise _unexpected("a chunk arrived, but no label maps were announced")
        self._maps.add(chunk)

    def _with_maps(self, event: Event, maps: ArrivingMaps) -> Arrived:
        header = maps.header
        if not maps.complete:
            raise ProtocolError(
                Refusal.CHUNKS, "a message arrived before the last chunk of the label maps"
            )
        if isinstance(event, Report):
            report = event.report
            if (report.scan_id, report.revision) != (header.scan_id, header.revision):
                raise _unexpected("the label maps are followed by another report than theirs")
            if report.shape != header.shape:
                reason = "the label maps do not have the shape that their report gives the scan"
                raise ProtocolError(Refusal.HEADER, reason)
            return Arrived([event], maps)
        if isinstance(event, InvalidMessage) and event.id == header.scan_id:
            self.close()
            return Arrived([event])
        raise _unexpected("label maps must be followed by their report")

    def close(self) -> None:
        """Drop the label maps that came last, once their report is answered. Idempotent."""
        if self._maps is not None:
            self._maps.close()
            self._maps = None


def _unexpected(reason: str) -> ProtocolError:
    return ProtocolError(Refusal.UNEXPECTED, reason)
