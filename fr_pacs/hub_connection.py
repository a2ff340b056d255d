"""The connection of one client thread to Fr-HUB: opened, lost, and opened again."""

import time

from common.domain.types import HUB_NAME
from common.errors import PeerAway, ProtocolError, Refusal
from common.runtime.logger import AvailabilityLog
from common.runtime.retry import backoff_s
from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.connection_policy import ConnectionPolicy
from common.wire.protocol import Side

_CONNECT_S = 3.0

_DAMAGED = frozenset({Refusal.MALFORMED, Refusal.TOO_LARGE, Refusal.UNEXPECTED})
"""Codes with which Fr-HUB refuses a hello whose bits changed on the way: the next may arrive."""

FINAL_AFTER = 3
"""Refusals after which this unit gives up. Without TLS a bit that changes on the way turns a name
into an unknown one, and a nonce or a proof into that of another key."""


class HubConnection:
    """One connection to Fr-HUB, and when to try the next one.

    Attributes:
        channel: the open connection; None while there is none.
    """

    def __init__(
        self, settings: PacsSettings, availability: AvailabilityLog, policy: ConnectionPolicy
    ) -> None:
        self.channel: Channel | None = None
        self._settings = settings
        self._availability = availability
        self._policy = policy
        self._failures = 0
        self._refusals = 0  # since a connection was opened, those that no retry can fix
        self._next_try = 0.0

    def open(self) -> int | None:
        """Connect if there is no connection and the next try is due.

        Returns:
            The number of scans that Fr-HUB allows in flight if a connection was opened, else None.

        Raises:
            ProtocolError: Fr-HUB refuses this unit again and again, and says that no retry helps.
        """
        if self.channel is not None or time.monotonic() < self._next_try:
            return None
        try:
            return self._connect()
        except PeerAway as error:
            self.lost(error)
        except ProtocolError as error:
            self._refusals += not error.retry and error.code not in _DAMAGED
            if self._refusals >= FINAL_AFTER:
                raise
            self.lost(error)
        return None

    def _connect(self) -> int:
        settings = self._settings
        channel = Channel.connect(
            (settings.hub_host, settings.hub_port),
            Side.SCAN_SENDER,
            settings.frame_limit_kib * 1024,
            settings.idle_timeout_s,
            _CONNECT_S,
            self._policy,
        )
        welcome = channel.greet(settings.pacs_name, HUB_NAME)
        self.channel = channel
        self._refusals = 0
        self._availability.available()
        return max(1, welcome.window)

    def proved(self) -> None:
        """Fr-HUB has acknowledged a scan on this connection. Only now does the next pause start
        small: a connection that ends at once each time must not be opened in a busy loop."""
        self._failures = 0

    def lost(self, error: Exception) -> None:
        """Close the connection, log that it is lost, and set the time of the next try."""
        self._availability.unavailable(error)
        self.close()
        self._next_try = time.monotonic() + backoff_s(self._failures)
        self._failures += 1

    def due_in(self) -> float:
        """Seconds until the next try to connect."""
        return max(0.0, self._next_try - time.monotonic())

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None
