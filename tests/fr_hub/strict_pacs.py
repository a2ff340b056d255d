"""The report server of a Fr-PACS that acknowledges all that it can read."""

import contextlib
import threading
from collections import Counter

from common.errors import FrError
from common.wire.blocking_connection import Channel
from common.wire.messages import Ack, InvalidMessage, Nack, Report
from common.wire.protocol import Side
from tests.fr_hub.pushing import Reports
from tests.running import POLICY

FRAME = 64 * 1024
"""The frame limit of a Fr-PACS whose setting is lower than Fr-HUB's."""


class StrictPacs:
    """The report server of a Fr-PACS that acknowledges reports, and ends a connection on which one
    is too large for it."""

    def __init__(
        self, pacs: Reports, frame: int = FRAME, name: str = "pacs-1", window: int = 100
    ) -> None:
        self.arrived: Counter[str] = Counter()
        self.connections = 0
        self._pacs = pacs
        self._frame = frame
        self._name = name
        self._window = window
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._pacs._server.accept()
                self.connections += 1
                channel = Channel(connection, Side.REPORT_RECEIVER, self._frame, 60, POLICY)
                with contextlib.closing(channel), contextlib.suppress(FrError):
                    channel.welcome(self._name, self._window)
                    while True:
                        self._answer(channel)

    def _answer(self, channel: Channel) -> None:
        match channel.receive(60):
            case Report(report):
                self.arrived[report.scan_id] += 1
                channel.send(Ack((report.scan_id,)))
            case InvalidMessage(name, code, reason):
                channel.send(Nack(name, code, reason, retry=False))
