"""The messages of the wire: frozen, each with ``body`` (its fields as BSON types) and ``parse``
(the same back, checked).

``parse`` raises ``ProtocolError`` where the connection must end, ``FlawError`` where one message
is wrong and the connection goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from common.domain.report import PICTURE_BYTES_MAX, BrainReport
from common.domain.scan import BrainScan, Packing
from common.domain.types import hash_voxels
from common.errors import ProtocolError, Refusal
from common.wire.constants import INLINE_VOXELS_MAX, NONCE_BYTES, PROTOCOL_VERSION

_TEXT_MAX = 1000


class InvalidMessageError(ProtocolError):
    """One message is wrong, the stream is not."""

    def __init__(self, code: Refusal, reason: str, scan_id: str | None) -> None:
        super().__init__(code, reason)
        self.id = scan_id[:64] if scan_id else None


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of whoever connected; with a nonce if it has a shared secret."""

    t: ClassVar[str] = "hello"
    name: str
    version: int = PROTOCOL_VERSION
    nonce: bytes = b""

    def body(self) -> dict[str, Any]:
        body = {"version": self.version, "name": self.name}
        return {**body, "nonce": self.nonce} if self.nonce else body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        nonce = _random(body, "nonce") if "nonce" in body else b""
        return cls(_text(body, "name"), _integer(body, "version"), nonce)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The answer to a hello with a nonce: who answers, and its own nonce."""

    t: ClassVar[str] = "challenge"
    name: str
    nonce: bytes

    def body(self) -> dict[str, Any]:
        return {"name": self.name, "nonce": self.nonce}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        return cls(_text(body, "name"), _random(body, "nonce"))


@dataclass(frozen=True, slots=True)
class Proof:
    """Whoever connected has the shared secret."""

    t: ClassVar[str] = "proof"
    proof: bytes

    def body(self) -> dict[str, Any]:
        return {"proof": self.proof}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        return cls(_random(body, "proof"))


@dataclass(frozen=True, slots=True)
class Welcome:
    """The end of the greeting: who answers, and how much may be in flight at once; with a proof
    if there is a shared secret."""

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
        proof = _random(body, "proof") if "proof" in body else b""
        return cls(_text(body, "name"), _integer(body, "window"), _integer(body, "version"), proof)


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan's header; with its voxels inside if these are at most ``INLINE_VOXELS_MAX`` bytes,
    else followed by its chunks."""

    t: ClassVar[str] = "scan"
    scan: BrainScan
    voxels: bytes | memoryview | None = None
    packing: Packing | None = None
    """Of a large scan: how its chunks are compressed; None: they are not."""

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"scan": self.scan.model_dump(exclude_none=True)}
        if self.voxels is not None:
            body["voxels"] = bytes(self.voxels)
        if self.packing is not None:
            body["packing"] = self.packing.model_dump()
        return body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        header = body.get("scan")
        if not isinstance(header, dict):
            raise ProtocolError(Refusal.MALFORMED, "a scan message without its scan")
        name = header.get("scan_id")
        scan_id = name if isinstance(name, str) else None
        try:
            scan = BrainScan.model_validate(header)
        except ValidationError as error:
            raise InvalidMessageError(Refusal.HEADER, explain(error), scan_id) from None
        voxels = body.get("voxels")
        if voxels is not None and not isinstance(voxels, bytes):
            raise InvalidMessageError(Refusal.MALFORMED, "voxels must be binary", scan_id)
        inline = scan.voxels_bytes <= INLINE_VOXELS_MAX
        if inline != (voxels is not None):
            wanted = "inside the scan message" if inline else "in chunks"
            raise InvalidMessageError(
                Refusal.CHUNKS, f"{scan.voxels_bytes} bytes of voxels travel {wanted}", scan_id
            )
        if voxels is not None and len(voxels) != scan.voxels_bytes:
            raise InvalidMessageError(
                Refusal.HEADER,
                f"{len(voxels)} bytes of voxels, the header declares {scan.voxels_bytes}",
                scan_id,
            )
        return cls(scan, voxels, _packing(body, scan))


@dataclass(frozen=True, slots=True)
class Chunk:
    """The ``n``-th piece (from 0) of a scan's voxels: ``CHUNK_BYTES``, the last one the rest."""

    t: ClassVar[str] = "chunk"
    scan_id: str
    n: int
    voxels: bytes | memoryview

    def body(self) -> dict[str, Any]:
        return {"id": self.scan_id, "n": self.n, "voxels": bytes(self.voxels)}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        voxels = body.get("voxels")
        if not isinstance(voxels, bytes):
            raise ProtocolError(Refusal.MALFORMED, "a chunk without binary voxels")
        return cls(_text(body, "id"), _integer(body, "n"), voxels)


@dataclass(frozen=True, slots=True)
class Report:
    """A report on its way to the Fr-PACS that its scan came from."""

    t: ClassVar[str] = "report"
    report: BrainReport
    picture: bytes | None = None
    """PNG that the report's ``picture_hash`` names."""

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"report": self.report.model_dump()}
        if self.picture is not None:
            body["picture"] = self.picture
        return body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        content = body.get("report")
        if not isinstance(content, dict):
            raise ProtocolError(Refusal.MALFORMED, "a report message without its report")
        try:
            report = BrainReport.model_validate(content)
        except ValidationError as error:
            name = content.get("scan_id")
            scan_id = name if isinstance(name, str) else None
            raise InvalidMessageError(Refusal.HEADER, explain(error), scan_id) from None
        picture = body.get("picture")
        if picture is None:
            return cls(report)
        if not isinstance(picture, bytes) or len(picture) > PICTURE_BYTES_MAX:
            reason = f"a picture is binary, of at most {PICTURE_BYTES_MAX} bytes"
            raise InvalidMessageError(Refusal.MALFORMED, reason, report.scan_id)
        if hash_voxels(picture) != report.picture_hash:
            raise InvalidMessageError(
                Refusal.HASH, "the picture is not the report's", report.scan_id
            )
        return cls(report, picture)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A stored report on its way, passed on as it is: who gets it, as a ``Report``, checks it."""

    t: ClassVar[str] = Report.t
    content: Mapping[str, Any]
    picture: bytes | None = None

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"report": self.content}
        return body if self.picture is None else {**body, "picture": self.picture}


@dataclass(frozen=True, slots=True)
class Ack:
    """These scans are durable at Fr-HUB; or these reports have reached Fr-PACS."""

    t: ClassVar[str] = "ack"
    ids: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        return {"ids": list(self.ids)}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        ids = body.get("ids")
        if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
            raise ProtocolError(Refusal.MALFORMED, "an ack without a list of ids")
        return cls(tuple(ids))


@dataclass(frozen=True, slots=True)
class Nack:
    """Refused, and why. Without an id it concerns the connection, which closes."""

    t: ClassVar[str] = "nack"
    id: str | None
    code: Refusal
    reason: str
    retry: bool

    def body(self) -> dict[str, Any]:
        # A reason may quote what it refuses: longer than a text may be, nobody would read it.
        reason = self.reason[:_TEXT_MAX]
        return {"id": self.id, "code": str(self.code), "reason": reason, "retry": self.retry}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        name, retry = body.get("id"), body.get("retry")
        if not (name is None or isinstance(name, str)) or not isinstance(retry, bool):
            raise ProtocolError(Refusal.MALFORMED, "a nack with a wrong field")
        try:
            code = Refusal(_text(body, "code"))
        except ValueError:
            raise ProtocolError(Refusal.MALFORMED, "a nack with an unknown code") from None
        return cls(name, code, _text(body, "reason"), retry)


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: send this scan again after a while."""

    t: ClassVar[str] = "busy"
    id: str
    retry_after_ms: int

    def body(self) -> dict[str, Any]:
        return {"id": self.id, "retry_after_ms": self.retry_after_ms}

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        return cls(_text(body, "id"), _integer(body, "retry_after_ms"))


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? Keeps an idle connection open."""

    t: ClassVar[str] = "ping"

    def body(self) -> dict[str, Any]:
        return {}

    @classmethod
    def parse(cls, _body: dict[str, Any]) -> Self:
        return cls()


@dataclass(frozen=True, slots=True)
class Pong:
    """Yes."""

    t: ClassVar[str] = "pong"

    def body(self) -> dict[str, Any]:
        return {}

    @classmethod
    def parse(cls, _body: dict[str, Any]) -> Self:
        return cls()


@dataclass(frozen=True, slots=True)
class InvalidMessage:
    """Not on the wire: stands for one message that was refused on a connection that goes on."""

    id: str
    code: Refusal
    reason: str


Greeting = Hello | Challenge | Proof | Welcome
Message = Greeting | Scan | Chunk | Report | Ack | Nack | Busy | Ping | Pong
Event = Message | InvalidMessage
Sendable = Message | Forwarded

TYPES: dict[str, type[Message]] = {
    kind.t: kind
    for kind in (
        *(Hello, Challenge, Proof, Welcome),
        *(Scan, Chunk, Report, Ack, Nack, Busy, Ping, Pong),
    )
}


def explain(error: ValidationError) -> str:
    """What is wrong with a document, naming fields but no values: those may be a patient's."""
    lines = error.errors(include_input=False, include_url=False)[:5]
    return "; ".join(
        f"{'.'.join(map(str, line['loc'])) or 'the whole'}: "
        f"{line['msg'].removeprefix('Value error, ')}"
        for line in lines
    )


def _packing(body: dict[str, Any], scan: BrainScan) -> Packing | None:
    content = body.get("packing")
    if content is None:
        return None
    try:
        packing = Packing.model_validate(content)
    except ValidationError as error:
        raise InvalidMessageError(Refusal.HEADER, explain(error), scan.scan_id) from None
    if scan.voxels_bytes <= INLINE_VOXELS_MAX or packing.bytes >= scan.voxels_bytes:
        raise InvalidMessageError(
            Refusal.HEADER,
            f"{packing.bytes} bytes of compressed voxels stand for {scan.voxels_bytes}: "
            "only a large scan is compressed, and only to less",
            scan.scan_id,
        )
    return packing


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > _TEXT_MAX:
        raise ProtocolError(Refusal.MALFORMED, f"the field {name!r} must be a text")
    return value


def _integer(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(Refusal.MALFORMED, f"the field {name!r} must be an integer")
    return value


def _random(body: dict[str, Any], name: str) -> bytes:
    """A nonce or a proof: both are of one size."""
    value = body.get(name)
    if not isinstance(value, bytes) or len(value) != NONCE_BYTES:
        raise ProtocolError(Refusal.MALFORMED, f"the field {name!r} must be {NONCE_BYTES} bytes")
    return value
