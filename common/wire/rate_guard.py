"""Disconnects a peer that stops in the middle of something."""

from common.errors import ProtocolError, Refusal
from common.wire.connection_policy import ConnectionPolicy


class RateGuard:
    """Measures how fast a peer sends the rest of what it has begun.

    Only time spent waiting for the peer counts: while this side does not read, as it has no room,
    the peer is not to blame.
    """

    def __init__(self, policy: ConnectionPolicy) -> None:
        self._policy = policy
        self._frame: int | None = None
        self._frame_s = self._window_s = 0.0
        self._received = 0

    def record_wait(
        self, frame: int | None, seconds: float, received: int, *, mid_transfer: bool
    ) -> None:
        """Count one wait for the peer.

        Args:
            frame: the number of the message that had begun before it
                (``WireProtocol.current_frame``).
            seconds: how long it lasted.
            received: how many bytes came.
            mid_transfer: the peer owes more messages of a scan, so that even a pause between two
                messages counts.

        Raises:
            ProtocolError: the peer is too slow.
        """
        if frame is None and not mid_transfer:
            self._frame = None
            self._window_s = self._received = 0
            return
        if self._frame != frame:
            self._frame, self._frame_s = frame, 0.0
        self._frame_s += seconds
        self._window_s += seconds
        self._received += received
        policy = self._policy
        if frame is not None and self._frame_s > policy.frame_timeout_s:
            raise _too_slow(
                f"a message was still incomplete after {policy.frame_timeout_s:g} s: "
                "check the network, or raise FRAME_TIMEOUT_S at the receiver"
            )
        if self._window_s < policy.rate_window_s:
            return
        if self._received < policy.min_bytes_per_s * self._window_s:
            raise _too_slow(
                f"too slow in the middle of a message: {self._received} bytes in "
                f"{self._window_s:.0f} s, at least {policy.min_bytes_per_s:.0f} a second are "
                "needed; check the network, or lower RATE_MIN_KIB_S at the receiver"
            )
        self._window_s = self._received = 0


def _too_slow(reason: str) -> ProtocolError:
    return ProtocolError(Refusal.LIMIT, reason, retry=True)
