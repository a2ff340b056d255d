"""The handshake as a sans-IO state machine: events in, messages to send out.

.. code-block:: text

    client                                        server
    hello      name, nonce A             ─────►
                                         ◄─────   challenge   name, nonce B
    proof      MAC(key, 'asks' …)        ─────►
                                         ◄─────   welcome     MAC(key, 'answers' …)

The key is that of the Fr-PACS, whichever end it is (``common.domain.pacs_key``). Each side proves
that it has the key, and neither sends it. Inside TLS, where the certificates prove the names, the
handshake may do without a key, and is then hello and welcome. A key on one side only is refused.

Each proof is keyed BLAKE3 over the protocol's version, the role, the direction (scans or reports),
both names, both nonces, and what the messages carry beside. So no proof can be replayed (the nonces
are fresh), reflected to its author (the role), used on the other kind of connection (the direction)
or for another unit (the names), and no relay can change a message of the handshake. The server
proves itself last: an unauthenticated client gets nothing to guess the key by.

The same parts make the keys of the frames that follow, one for each direction.

A driver sends what ``start`` returns, then passes each event to ``receive`` and sends what that
returns, until ``complete``. It moves the bytes and enforces the time limit; the order is here.
"""

import hmac
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar

from blake3 import blake3

from common.domain.foreign_text import quote
from common.domain.pacs_key import PacsKeys
from common.errors import ProtocolError, Refusal
from common.wire.constants import FEATURES, PROTOCOL_VERSION
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
_REMEDY = (
    "set SHARED_SECRET at Fr-HUB and the PACS_KEY made from it (make pacs-key) at the Fr-PACS, or "
    "give both the same DATA_DIR"
)
_ANOTHER_KEY = f"the peer has another key: {_REMEDY}"


class Step(Enum):
    """What a handshake waits for."""

    START = auto()  # client: ``start`` was not called yet
    CHALLENGE_OR_WELCOME = auto()  # client: hello was sent
    WELCOME = auto()  # client: the proof was sent
    HELLO = auto()  # server
    PROOF = auto()  # server: the challenge was sent
    DECISION = auto()  # server: the client is authentic; this unit calls ``welcome``, or refuses
    NOTHING = auto()  # it is over, well or not


@dataclass(frozen=True, slots=True)
class FrameKeys:
    """The keys of the frames after the handshake, of this connection alone."""

    outgoing: bytes = field(repr=False)
    incoming: bytes = field(repr=False)


class _Handshake(ABC):
    """One end of a handshake.

    Args:
        side: which end of which kind of connection.
        name: of this unit.
        keys: what this unit authenticates by; None: by certificates alone.
        nonce: fresh randomness, ``NONCE_BYTES`` of it.
        expected_peer: the only peer that is accepted; None: any.
        certificate_names: the units that the peer's certificate names; None: without TLS.
        features: what this unit understands, and wants, beyond the protocol's version.
    """

    _first_step: ClassVar[Step]

    def __init__(
        self,
        side: Side,
        name: str,
        keys: PacsKeys | None,
        nonce: bytes,
        *,
        expected_peer: str | None = None,
        certificate_names: frozenset[str] | None = None,
        features: tuple[str, ...] = FEATURES,
    ) -> None:
        self._direction = _DIRECTION[side]
        self._name = name
        self._keys = keys
        self._nonce = nonce
        self._expected_peer = expected_peer
        self._certificate_names = certificate_names
        self._features = features
        self._step = self._first_step
        self.agreed_features: frozenset[str] = frozenset()
        """The features that both ends list, once complete."""

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

    def _agree(self, features: tuple[str, ...]) -> None:
        self.agreed_features = frozenset(self._features).intersection(features)

    def _mac(
        self,
        purpose: bytes,
        names: tuple[str, str],
        nonces: tuple[bytes, bytes],
        *said: bytes,
    ) -> bytes:
        """Names and nonces: the client's, then the server's; ``said``: further fields."""
        assert self._keys is not None  # noqa: S101 - nothing is proved without
        parts = (
            b"Fr",
            struct.pack("<I", PROTOCOL_VERSION),
            purpose,
            self._direction,
            *(name.encode() for name in names),
            *nonces,
            *said,
        )
        # With their lengths, or a byte could move from one part to the next.
        text = b"".join(struct.pack("<I", len(part)) + part for part in parts)
        # Scans come from a Fr-PACS, reports go to one: it is the client, or the server.
        pacs = names[0] if self._direction == b"scans" else names[1]
        return blake3(text, key=self._keys.key_of(pacs)).digest()


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

    @property
    def frame_keys(self) -> FrameKeys | None:
        """The keys of the frames from here on, once complete; None inside TLS, which protects
        them."""
        if self.welcome is None or self._challenge is None or self._certificate_names is not None:
            return None
        about = (*self._both(self._challenge), *self._said(self.welcome))
        return FrameKeys(
            outgoing=self._mac(b"frames to receiver", *about),
            incoming=self._mac(b"frames to sender", *about),
        )

    def start(self) -> Outgoing:
        """What to send first."""
        self._step = Step.CHALLENGE_OR_WELCOME
        nonce = self._nonce if self._keys else b""
        return (Hello(self._name, nonce=nonce, features=self._features),)

    def _receive(self, event: Event) -> Outgoing:
        match self._step, event:
            case Step.CHALLENGE_OR_WELCOME, Challenge():
                return (self._answer_challenge(event),)
            case Step.CHALLENGE_OR_WELCOME | Step.WELCOME, Welcome():
                self._check_welcome(event)
                self._agree(event.features)
                self._step, self.welcome = Step.NOTHING, event
                return ()
            case Step.CHALLENGE_OR_WELCOME | Step.WELCOME, Nack():
                raise ProtocolError(event.code, event.reason, retry=event.retry)
        raise _out_of_order(event)

    def _answer_challenge(self, challenge: Challenge) -> Proof:
        if not self._keys:
            reason = f"the peer demands a key and this unit has none: {_REMEDY}"
            raise ProtocolError(Refusal.UNEXPECTED, reason)
        # Before the proof: another unit than the expected one gets none.
        self._check_name(challenge.name)
        self._step, self._challenge = Step.WELCOME, challenge
        return Proof(self._mac(b"asks", *self._both(challenge), _list(self._features)))

    def _check_welcome(self, welcome: Welcome) -> None:
        self._check_name(welcome.name)
        if not self._keys:
            return
        if self._challenge is None:
            raise _unauthenticated(f"the peer has no key: {_REMEDY}")
        expected = self._mac(b"answers", *self._both(self._challenge), *self._said(welcome))
        same_name = welcome.name == self._challenge.name
        if not hmac.compare_digest(expected, welcome.proof) or not same_name:
            raise _unauthenticated(_ANOTHER_KEY)

    def _both(self, challenge: Challenge) -> tuple[tuple[str, str], tuple[bytes, bytes]]:
        return (self._name, challenge.name), (self._nonce, challenge.nonce)

    def _said(self, welcome: Welcome) -> tuple[bytes, bytes, bytes]:
        return _said(self._features, welcome.features, welcome.window)


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

    def welcome(self, window: int) -> tuple[Welcome, FrameKeys | None]:
        """The last message of the handshake.

        Args:
            window: messages that the client may have unanswered.

        Returns:
            The message, and the keys of the frames after it; None inside TLS, which protects them.
        """
        hello = self.hello
        self._step = Step.NOTHING
        if not self._keys:
            return Welcome(self._name, window, features=self._features), None
        about = (*self._both(hello), *_said(hello.features, self._features, window))
        proof = self._mac(b"answers", *about)
        keys = FrameKeys(
            outgoing=self._mac(b"frames to sender", *about),
            incoming=self._mac(b"frames to receiver", *about),
        )
        message = Welcome(self._name, window, proof=proof, features=self._features)
        return message, keys if self._certificate_names is None else None

    def _receive(self, event: Event) -> Outgoing:
        match self._step, event:
            case Step.HELLO, Hello():
                return self._accept_hello(event)
            case Step.PROOF, Proof():
                self._check_proof(event)
                return ()
        raise _out_of_order(event)

    def _accept_hello(self, hello: Hello) -> Outgoing:
        if self._keys and not hello.nonce:
            raise _unauthenticated(f"this unit has a key, the peer has none: {_REMEDY}")
        if hello.nonce and not self._keys:
            raise _unauthenticated(f"the peer has a key, this unit has none: {_REMEDY}")
        self._hello = hello
        if self._keys:
            self._step = Step.PROOF
            return (Challenge(self._name, self._nonce),)
        self._accept(hello)
        return ()

    def _check_proof(self, proof: Proof) -> None:
        assert self._hello is not None  # noqa: S101 - a proof is awaited only after a hello
        expected = self._mac(b"asks", *self._both(self._hello), _list(self._hello.features))
        if not hmac.compare_digest(expected, proof.proof):
            raise _unauthenticated(_ANOTHER_KEY)
        self._accept(self._hello)

    def _accept(self, hello: Hello) -> None:
        self._check_name(hello.name)
        self._agree(hello.features)
        self._step = Step.DECISION

    def _both(self, hello: Hello) -> tuple[tuple[str, str], tuple[bytes, bytes]]:
        return (hello.name, self._name), (hello.nonce, self._nonce)


def _list(features: tuple[str, ...]) -> bytes:
    return ",".join(features).encode()


def _said(
    client: tuple[str, ...], server: tuple[str, ...], window: int
) -> tuple[bytes, bytes, bytes]:
    return _list(client), _list(server), struct.pack("<q", window)


def _unauthenticated(reason: str, *, retry: bool = False) -> ProtocolError:
    return ProtocolError(Refusal.UNAUTHENTICATED, reason, retry=retry)


def _out_of_order(event: Event) -> ProtocolError:
    kind = "an invalid message" if isinstance(event, InvalidMessage) else f"{event.t!r}"
    return ProtocolError(Refusal.UNEXPECTED, f"{kind} is out of order in the handshake")
