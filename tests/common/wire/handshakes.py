"""A client's and a server's handshake, joined in memory through the frames that would travel."""

from collections.abc import Callable

import pytest

from common.domain.pacs_key import HubSecret
from common.errors import ProtocolError, Refusal
from common.wire.constants import NONCE_BYTES
from common.wire.frames import encode
from common.wire.handshake import ClientHandshake, FrameKeys, Outgoing, ServerHandshake
from common.wire.messages import (
    Challenge,
    Hello,
    Message,
    Nack,
    Proof,
)
from common.wire.protocol import Side, WireProtocol
from tests.common.wire.frames import LIMIT

SECRET, OTHER = b"correct-horse-battery-staple-1234", b"another-horse-battery-staple-1234"


A, B, C = (bytes([n]) * NONCE_BYTES for n in (1, 2, 3))


SCANS = (Side.SCAN_SENDER, Side.SCAN_RECEIVER)


REPORTS = (Side.REPORT_SENDER, Side.REPORT_RECEIVER)


HELLO = Hello("pacs-1", nonce=A)


def client(
    secret: bytes | None = SECRET,
    *,
    name: str = "pacs-1",
    nonce: bytes = A,
    side: Side = SCANS[0],
    peer: str | None = None,
    certified: frozenset[str] | None = None,
    features: tuple[str, ...] = (),
) -> ClientHandshake:
    return ClientHandshake(
        side,
        name,
        None if secret is None else HubSecret(secret),
        nonce,
        expected_peer=peer,
        certificate_names=certified,
        features=features,
    )


def server(
    secret: bytes | None = SECRET,
    *,
    name: str = "fr-hub",
    nonce: bytes = B,
    side: Side = SCANS[1],
    peer: str | None = None,
    certified: frozenset[str] | None = None,
    features: tuple[str, ...] = (),
) -> ServerHandshake:
    return ServerHandshake(
        side,
        name,
        None if secret is None else HubSecret(secret),
        nonce,
        expected_peer=peer,
        certificate_names=certified,
        features=features,
    )


class End:
    """One end: its machine, its protocol, and the bytes on their way to it."""

    def __init__(self, machine: ClientHandshake | ServerHandshake, side: Side) -> None:
        self.machine = machine
        self.protocol = WireProtocol(side, LIMIT)
        self.line = bytearray()
        self.error: ProtocolError | None = None

    def take(self, size: int) -> Outgoing:
        """Take some bytes of its line; what it sends in answer."""
        self.protocol.receive_data(bytes(self.line[:size]))
        del self.line[:size]
        answers: list[Message] = []
        try:
            while (event := self.protocol.next_event()) is not None:
                answers += self.machine.receive(event)
        except ProtocolError as error:
            self.error = error
        return tuple(answers)  # type: ignore[arg-type]


class Pair:
    """A client and a server, joined by two lines that carry ``step`` bytes at a time."""

    def __init__(self, one: ClientHandshake, other: ServerHandshake, step: int = 1 << 20) -> None:
        side = SCANS if one._direction == b"scans" else REPORTS
        self.client, self.server = End(one, side[0]), End(other, side[1])
        self.sent: list[Message] = []
        self.server_keys: FrameKeys | None = None
        self._step = step
        self._send(one.start(), self.server)
        self._send(other.start(), self.client)
        self._run()
        if other.complete:
            message, self.server_keys = other.welcome(8)
            self._send((message,), self.client)
            self._run()
        elif self.server.error is not None:
            error = self.server.error
            self._send((Nack(None, error.code, error.reason, error.retry),), self.client)
            self._run()

    def _send(self, messages: tuple[Message, ...], to: End) -> None:
        self.sent += messages
        for message in messages:
            to.line += encode(message)

    def _run(self) -> None:
        ends = (self.client, self.server)
        while any(end.line and end.error is None for end in ends):
            for end, other in (ends, ends[::-1]):
                if end.line and end.error is None:
                    self._send(end.take(self._step), other)


steps = pytest.mark.parametrize("step", [1, 7, 1 << 20], ids=["byte", "seven", "whole"])


def refused(act: Callable[[], object], code: Refusal = Refusal.UNAUTHENTICATED) -> str:
    with pytest.raises(ProtocolError) as raised:
        act()
    assert raised.value.code is code
    return raised.value.reason


def challenged(machine: ClientHandshake, challenge: Challenge | None = None) -> Proof:
    """Start a client and challenge it; its proof."""
    machine.start()
    (proof,) = machine.receive(challenge or Challenge("fr-hub", B))
    assert isinstance(proof, Proof)
    return proof
