"""Answers to scans and reports, and the keep-alive."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from common.errors import Refusal
from common.wire.messages.fields import TEXT_MAX, malformed, read_ids, read_integer, read_text


@dataclass(frozen=True, slots=True)
class Ack:
    """These scans are durable at Fr-HUB, or their reports have reached Fr-PACS, or these reports
    will be sent again."""

    t: ClassVar[str] = "ack"
    ids: tuple[str, ...]
    known: tuple[str, ...] = ()
    """Those of the scans that were stored before: their reports may have been sent already."""

    def body(self) -> dict[str, Any]:
        body = {"ids": list(self.ids)}
        return {**body, "known": list(self.known)} if self.known else body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        return cls(read_ids(body, "ids"), read_ids(body, "known") if "known" in body else ())


@dataclass(frozen=True, slots=True)
class Nack:
    """A refusal with its reason. Without an id it refuses the connection, which then closes."""

    t: ClassVar[str] = "nack"
    id: str | None
    code: Refusal
    reason: str
    retry: bool

    def body(self) -> dict[str, Any]:
        # A reason may quote what it refuses; the receiver takes no longer text.
        reason = self.reason[:TEXT_MAX]
        return {"id": self.id, "code": str(self.code), "reason": reason, "retry": self.retry}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        name, retry = body.get("id"), body.get("retry")
        if not (name is None or isinstance(name, str)):
            raise malformed("the field 'id' of a nack must be a string or null")
        if not isinstance(retry, bool):
            raise malformed("the field 'retry' of a nack must be a boolean")
        try:
            code = Refusal(read_text(body, "code"))
        except ValueError:
            raise malformed("the field 'code' of a nack must be a code of this protocol") from None
        return cls(name, code, read_text(body, "reason"), retry)


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: send this scan again after ``retry_after_ms`` milliseconds."""

    t: ClassVar[str] = "busy"
    id: str
    retry_after_ms: int

    def body(self) -> dict[str, Any]:
        return {"id": self.id, "retry_after_ms": self.retry_after_ms}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        return cls(read_text(body, "id"), read_integer(body, "retry_after_ms"))


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a pong; keeps an idle connection open."""

    t: ClassVar[str] = "ping"

    def body(self) -> dict[str, Any]:
        return {}

    @classmethod
    def parse(cls, _body: dict[str, Any]) -> Self:
        return cls()


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping."""

    t: ClassVar[str] = "pong"

    def body(self) -> dict[str, Any]:
        return {}

    @classmethod
    def parse(cls, _body: dict[str, Any]) -> Self:
        return cls()
