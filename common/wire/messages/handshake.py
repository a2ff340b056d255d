"""The messages of the handshake, in their order."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from common.wire.constants import PROTOCOL_VERSION
from common.wire.messages.fields import read_integer, read_random, read_text


@dataclass(frozen=True, slots=True)
class Hello:
    """The client's first message; with a nonce if it has a shared secret."""

    t: ClassVar[str] = "hello"
    name: str
    version: int = PROTOCOL_VERSION
    nonce: bytes = b""

    def body(self) -> dict[str, Any]:
        body = {"version": self.version, "name": self.name}
        return {**body, "nonce": self.nonce} if self.nonce else body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        nonce = read_random(body, "nonce") if "nonce" in body else b""
        return cls(read_text(body, "name"), read_integer(body, "version"), nonce)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The server's answer to a hello with a nonce: its name and its own nonce."""

    t: ClassVar[str] = "challenge"
    name: str
    nonce: bytes

    def body(self) -> dict[str, Any]:
        return {"name": self.name, "nonce": self.nonce}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        return cls(read_text(body, "name"), read_random(body, "nonce"))


@dataclass(frozen=True, slots=True)
class Proof:
    """The client's proof that it has the shared secret."""

    t: ClassVar[str] = "proof"
    proof: bytes

    def body(self) -> dict[str, Any]:
        return {"proof": self.proof}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        return cls(read_random(body, "proof"))


@dataclass(frozen=True, slots=True)
class Welcome:
    """The end of the handshake: the server's name, how many messages may be unanswered at once,
    and the server's proof if there is a shared secret."""

    t: ClassVar[str] = "welcome"
    name: str
    window: int
    version: int = PROTOCOL_VERSION
    proof: bytes = b""

    def body(self) -> dict[str, Any]:
        body = {"version": self.version, "name": self.name, "window": self.window}
        return {**body, "proof": self.proof} if self.proof else body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        proof = read_random(body, "proof") if "proof" in body else b""
        name, window = read_text(body, "name"), read_integer(body, "window")
        return cls(name, window, read_integer(body, "version"), proof)


HandshakeMessage = Hello | Challenge | Proof | Welcome
