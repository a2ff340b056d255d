"""The messages of the handshake, in their order."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from common.wire.constants import PROTOCOL_VERSION
from common.wire.messages.fields import (
    read_features,
    read_integer,
    read_random,
    read_text,
)


@dataclass(frozen=True, slots=True)
class Hello:
    """The client's first message; with a nonce if it has a key."""

    t: ClassVar[str] = "hello"
    name: str
    version: int = PROTOCOL_VERSION
    nonce: bytes = b""
    features: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"version": self.version, "name": self.name}
        if self.nonce:
            body["nonce"] = self.nonce
        return {**body, "features": list(self.features)}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        nonce = read_random(body, "nonce") if "nonce" in body else b""
        name, version = read_text(body, "name"), read_integer(body, "version")
        return cls(name, version, nonce, read_features(body))


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
    """The client's proof that it has the key."""

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
    and the server's proof if there is a key."""

    t: ClassVar[str] = "welcome"
    name: str
    window: int
    version: int = PROTOCOL_VERSION
    proof: bytes = b""
    features: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"version": self.version, "name": self.name, "window": self.window}
        if self.proof:
            body["proof"] = self.proof
        return {**body, "features": list(self.features)}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        proof = read_random(body, "proof") if "proof" in body else b""
        name, window = read_text(body, "name"), read_integer(body, "window")
        return cls(name, window, read_integer(body, "version"), proof, read_features(body))


HandshakeMessage = Hello | Challenge | Proof | Welcome
