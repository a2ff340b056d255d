"""The greeting with a shared secret, sans-IO: each side proves that it has it, neither tells it.

.. code-block:: text

    who connects                                  who listens
    hello      name, nonce A             ─────►
                                         ◄─────   challenge   name, nonce B
    proof      HMAC(secret, 'asks' …)    ─────►
                                         ◄─────   welcome     HMAC(secret, 'answers' …)

Each proof is an HMAC-SHA-256 over the protocol's version, the role, the direction (scans or
reports), both names and both nonces. So none can be used again (the nonces are fresh), sent back
to who made it (the role), used on the other kind of connection (the direction) or for another
unit (the names). Who listens proves itself last: a stranger gets nothing to guess the secret by.

Without a secret on either side the greeting is hello and welcome. A secret on one side only is
refused, and said.
"""

import hmac
import struct

from common.errors import ProtocolError, Refusal
from common.wire.constants import PROTOCOL_VERSION
from common.wire.messages import Challenge, Hello, Proof, Welcome
from common.wire.protocol import Side

_DIRECTION = {
    Side.SCAN_SENDER: b"scans",
    Side.SCAN_RECEIVER: b"scans",
    Side.REPORT_SENDER: b"reports",
    Side.REPORT_RECEIVER: b"reports",
}
_SET_BOTH = "set SHARED_SECRET to the same value at both ends, or at none"


class _Greeter:
    """One end of a greeting.

    Args:
        side: of which conversation.
        name: this unit's.
        secret: the shared one, if there is one.
        nonce: fresh randomness, ``NONCE_BYTES`` of it.
    """

    def __init__(self, side: Side, name: str, secret: bytes | None, nonce: bytes) -> None:
        self._direction = _DIRECTION[side]
        self._name = name
        self._secret = secret
        self._nonce = nonce

    def _mac(
        self, role: bytes, certificate_names: tuple[str, str], nonces: tuple[bytes, bytes]
    ) -> bytes:
        """Both pairs: of who asks, of who answers."""
        parts = (
            b"Fr greeting",
            struct.pack("<I", PROTOCOL_VERSION),
            role,
            self._direction,
            *(name.encode() for name in certificate_names),
            *nonces,
        )
        # With their lengths, or a byte could move from one part to the next.
        text = b"".join(struct.pack("<I", len(part)) + part for part in parts)
        return hmac.digest(self._secret or b"", text, "sha256")


class ClientHandshake(_Greeter):
    """The end that connects."""

    _challenge: Challenge | None = None

    def hello(self) -> Hello:
        """What to say first."""
        return Hello(self._name, nonce=self._nonce if self._secret else b"")

    def prove(self, challenge: Challenge) -> Proof:
        """The answer to a challenge.

        Raises:
            ProtocolError: it was not asked for, or came twice.
        """
        if not self._secret or self._challenge is not None:
            raise ProtocolError(Refusal.UNEXPECTED, "a challenge that was not asked for")
        self._challenge = challenge
        return Proof(self._mac(b"asks", *self._both(challenge)))

    def check(self, welcome: Welcome) -> None:
        """Check who welcomes.

        Raises:
            ProtocolError: it did not prove that it has the secret.
        """
        if self._secret is None:
            return
        if self._challenge is None:
            raise ProtocolError(
                Refusal.UNAUTHENTICATED, f"the peer has no shared secret: {_SET_BOTH}"
            )
        due = self._mac(b"answers", *self._both(self._challenge))
        same_name = welcome.name == self._challenge.name
        if not hmac.compare_digest(due, welcome.proof) or not same_name:
            raise ProtocolError(
                Refusal.UNAUTHENTICATED, f"the peer has another shared secret: {_SET_BOTH}"
            )

    def _both(self, challenge: Challenge) -> tuple[tuple[str, str], tuple[bytes, bytes]]:
        return (self._name, challenge.name), (self._nonce, challenge.nonce)


class ServerHandshake(_Greeter):
    """The end that listens."""

    _hello: Hello | None = None

    def challenge(self, hello: Hello) -> Challenge | None:
        """The answer to a hello; None where none has a secret, and welcome is the answer.

        Raises:
            ProtocolError: only one side has a secret.
        """
        if bool(hello.nonce) != bool(self._secret):
            has = "this unit has a shared secret, the peer" if self._secret else "the peer has one"
            whose = f"{has} has none" if self._secret else f"{has}, this unit has none"
            raise ProtocolError(Refusal.UNAUTHENTICATED, f"{whose}: {_SET_BOTH}")
        if not self._secret:
            return None
        self._hello = hello
        return Challenge(self._name, self._nonce)

    def check(self, proof: Proof) -> None:
        """Check the proof of who connected.

        Raises:
            ProtocolError: it is wrong.
        """
        if self._hello is None or not hmac.compare_digest(
            self._mac(b"asks", *self._both(self._hello)), proof.proof
        ):
            raise ProtocolError(
                Refusal.UNAUTHENTICATED, f"the peer has another shared secret: {_SET_BOTH}"
            )

    def welcome(self, window: int) -> Welcome:
        """The end of the greeting; to be said when ``check`` passed."""
        proof = b"" if self._hello is None else self._mac(b"answers", *self._both(self._hello))
        return Welcome(self._name, window, proof=proof)

    def _both(self, hello: Hello) -> tuple[tuple[str, str], tuple[bytes, bytes]]:
        return (hello.name, self._name), (hello.nonce, self._nonce)
