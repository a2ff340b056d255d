"""The handshake as a sans-IO state machine: events in, messages to send out.

.. code-block:: text

    client                                        server
    hello      name, nonce A             ─────►
                                         ◄─────   challenge   name, nonce B
    proof      HMAC(secret, 'asks' …)    ─────►
                                         ◄─────   welcome     HMAC(secret, 'answers' …)

Without a shared secret on either side the handshake is hello and welcome. With one, each side
proves that it has the secret, and neither sends it. A secret on one side only is refused.

Each proof is an HMAC-SHA-256 over the protocol's version, the role, the direction (scans or
reports), both names and both nonces. So no proof can be replayed (the nonces are fresh), reflected
to its author (the role), used on the other kind of connection (the direction) or for another unit
(the names). The server proves itself last: an unauthenticated client gets nothing to guess the
secret by.

A driver sends what ``start`` returns, then passes each event to ``receive`` and sends what that
returns, until ``complete``. It moves the bytes and enforces the time limit; the order is here.
"""

import hmac
import struct
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import ClassVar

from common.domain.foreign_text import quote
from common.errors import ProtocolError, Refusal
from common.wire.constants import PROTOCOL_VERSION
from common.wire.messages import (
    Challenge,
    Event,
    HandshakeMessage,
    Hello,
    InvalidMessage,
    Nack,
    Proof,
    Welcome,
)
from common.wire.protocol import Side

Outgoing = tuple[HandshakeMessage, ...]

_DIRECTION = {
    Side.SCAN_SENDER: b"scans",
    Side.SCAN_RECEIVER: b"scans",
    Side.REPORT_SENDER: b"reports",
    Side.REPORT_RECEIVER: b"reports",
}
_SET_BOTH = "set SHARED_SECRET to the same value at both ends, or at neither"


class Step(Enum):
    """What a handshake waits for."""

    START = auto()  # client: ``start`` was not called yet
    CHALLENGE_OR_WELCOME = auto()  # client: hello was sent
    WELCOME = auto()  # client: the proof was sent
    HELLO = auto()  # server
    PROOF = auto()  # server: the challenge was sent
    DECISION = auto()  # server: the client is authentic; this unit calls ``welcome``, or refuses
    NOTHING = auto()  # it is over, well or not


class _Handshake(ABC):
    """One end of a handshake.

    Args:
        side: which end of which kind of connection.
        name: of this unit.
        secret: the shared one; None: there is none.
        nonce: fresh randomness, ``NONCE_BYTES`` of it.
        expected_peer: the only peer that is accepted; None: any.
        certificate_names: the units that the peer's certificate names; None: without TLS.
    """

    _first_step: ClassVar[Step]

    def __init__(
        self,
        side: Side,
        name: str,
        secret: bytes | None,
        nonce: bytes,
        *,
        expected_peer: str | None = None,
        certificate_names: frozenset[str] | None = None,
    ) -> None:
        self._direction = _DIRECTION[side]
        self._name = name
        self._secret = secret
        self._nonce = nonce
        self._expected_peer = expected_peer
        self._certificate_names = certificate_names
        self._step = self._first_step

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether the peer is accepted and no event is awaited any more."""

    def receive(self, event: Event) -> Outgoing:
        """Take the next event.

        Returns:
            What to send to the peer.

        Raises:
            ProtocolError: the peer is refused, or refuses; the handshake is over.
        """
        try:
            return self._receive(event)
        except ProtocolError:
            self._step = Step.NOTHING
            raise

    @abstractmethod
    def _receive(self, event: Event) -> Outgoing: ...

    def _check_name(self, name: str) -> None:
        """Check the name that the peer gives itself."""
        held = self._certificate_names
        if held is not None and name not in held:
            whose = ", ".join(map(repr, sorted(held))) or "nobody"
            raise _unauthenticated(
                f"the peer calls itself {quote(name)} but its certificate belongs to {whose}: "
                "give each unit a certificate with its own name (make certs)"
            )
        if self._expected_peer not in (None, name):
            reason = (
                f"the peer is {quote(name)}, not {self._expected_peer!r}: check names and addresses"
            )
            raise _unauthenticated(reason, retry=True)

    def _proof(self, role: bytes, names: tuple[str, str], nonces: tuple[bytes, bytes]) -> bytes:
        """Names and nonces: the client's, then the server's."""
        parts = (
            b"Fr greeting",
            struct.pack("<I", PROTOCOL_VERSION),
            role,
            self._direction,
            *(name.encode() for name in names),
            *nonces,
        )
        # With their lengths, or a byte could move from one part to the next.
        text = b"".join(struct.pack("<I", len(part)) + part for part in parts)
        return hmac.digest(self._secret or b"", text, "sha256")


class ClientHandshake(_Handshake):
    """The end that connects. Complete when the server's welcome is accepted."""

    _first_step = Step.START
    _challenge: Challenge | None = None

    welcome: Welcome | None = None
    """The server's name and window, once complete."""

    @property
    def complete(self) -> bool:
        """Whether the server's welcome is accepted."""
        return self.welcome is not None

    def start(self) -> Outgoing:
        """What to send first."""
        self._step = Step.CHALLENGE_OR_WELCOME
        return (Hello(self._name, nonce=self._nonce if self._secret else b""),)

    def _receive(self, event: Event) -> Outgoing:
        match self._step, event:
            case Step.CHALLENGE_OR_WELCOME, Challenge():
                return (self._answer_challenge(event),)
            case Step.CHALLENGE_OR_WELCOME | Step.WELCOME, Welcome():
                self._check_welcome(event)
                self._step, self.welcome = Step.NOTHING, event
                return ()
            case Step.CHALLENGE_OR_WELCOME | Step.WELCOME, Nack():
                raise ProtocolError(event.code, event.reason, retry=event.retry)
        raise _out_of_order(event)

    def _answer_challenge(self, challenge: Challenge) -> Proof:
        if not self._secret:
            reason = f"the peer demands a shared secret and this unit has none: {_SET_BOTH}"
            raise ProtocolError(Refusal.UNEXPECTED, reason)
        # Before the proof: another unit than the expected one gets none.
        self._check_name(challenge.name)
        self._step, self._challenge = Step.WELCOME, challenge
        return Proof(self._proof(b"asks", *self._both(challenge)))

    def _check_welcome(self, welcome: Welcome) -> None:
        self._check_name(welcome.name)
        if not self._secret:
            return
        if self._challenge is None:
            raise _unauthenticated(f"the peer has no shared secret: {_SET_BOTH}")
        expected = self._proof(b"answers", *self._both(self._challenge))
        same_name = welcome.name == self._challenge.name
        if not hmac.compare_digest(expected, welcome.proof) or not same_name:
            raise _unauthenticated(f"the peer has another shared secret: {_SET_BOTH}")

    def _both(self, challenge: Challenge) -> tuple[tuple[str, str], tuple[bytes, bytes]]:
        return (self._name, challenge.name), (self._nonce, challenge.nonce)


class ServerHandshake(_Handshake):
    """The end that listens. Complete when the client's hello and proof are accepted; then this
    unit decides whether it has room, and sends ``welcome``."""

    _first_step = Step.HELLO
    _hello: Hello | None = None

    @property
    def complete(self) -> bool:
        """Whether the client is accepted."""
        return self._step is Step.DECISION

    @property
    def hello(self) -> Hello:
        """The client's hello, once complete."""
        if self._hello is None or not self.complete:
            raise RuntimeError("the client is not accepted yet")
        return self._hello

    def start(self) -> Outgoing:
        """What to send first: nothing, the client begins."""
        return ()

    def welcome(self, window: int) -> Welcome:
        """The last message of the handshake.

        Args:
            window: messages that the client may have unanswered.
        """
        hello = self.hello
        self._step = Step.NOTHING
        proof = self._proof(b"answers", *self._both(hello)) if self._secret else b""
        return Welcome(self._name, window, proof=proof)

    def _receive(self, event: Event) -> Outgoing:
        match self._step, event:
            case Step.HELLO, Hello():
                return self._accept_hello(event)
            case Step.PROOF, Proof():
                self._check_proof(event)
                return ()
        raise _out_of_order(event)

    def _accept_hello(self, hello: Hello) -> Outgoing:
        if self._secret and not hello.nonce:
            raise _unauthenticated(f"this unit has a shared secret, the peer has none: {_SET_BOTH}")
        if hello.nonce and not self._secret:
            raise _unauthenticated(f"the peer has a shared secret, this unit has none: {_SET_BOTH}")
        self._hello = hello
        if self._secret:
            self._step = Step.PROOF
            return (Challenge(self._name, self._nonce),)
        self._accept(hello)
        return ()

    def _check_proof(self, proof: Proof) -> None:
        assert self._hello is not None  # noqa: S101 - a proof is awaited only after a hello
        expected = self._proof(b"asks", *self._both(self._hello))
        if not hmac.compare_digest(expected, proof.proof):
            raise _unauthenticated(f"the peer has another shared secret: {_SET_BOTH}")
        self._accept(self._hello)

    def _accept(self, hello: Hello) -> None:
        self._check_name(hello.name)
        self._step = Step.DECISION

    def _both(self, hello: Hello) -> tuple[tuple[str, str], tuple[bytes, bytes]]:
        return (hello.name, self._name), (hello.nonce, self._nonce)


def _unauthenticated(reason: str, *, retry: bool = False) -> ProtocolError:
    return ProtocolError(Refusal.UNAUTHENTICATED, reason, retry=retry)


def _out_of_order(event: Event) -> ProtocolError:
    kind = "an invalid message" if isinstance(event, InvalidMessage) else f"{event.t!r}"
    return ProtocolError(Refusal.UNEXPECTED, f"{kind} is out of order in the handshake")
