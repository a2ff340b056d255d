"""The messages of the wire, frozen dataclasses.

Each has its type ``t``, ``body`` (its fields as BSON types) and ``parse`` (the same back, checked).
``parse`` raises ``InvalidMessageError`` where one message is wrong and the connection can continue,
and ``ProtocolError`` where the connection must end.
"""

from common.wire.messages.answers import Ack, Busy, Nack, Ping, Pong
from common.wire.messages.handshake import Challenge, HandshakeMessage, Hello, Proof, Welcome
from common.wire.messages.invalid import InvalidMessage, InvalidMessageError
from common.wire.messages.labels import Labels
from common.wire.messages.reports import Failed, Forwarded, Report
from common.wire.messages.scans import Chunk, ReportRequest, Scan

__all__ = [
    "TYPES",
    "Ack",
    "Busy",
    "Challenge",
    "Chunk",
    "Event",
    "Failed",
    "Forwarded",
    "HandshakeMessage",
    "Hello",
    "InvalidMessage",
    "InvalidMessageError",
    "Labels",
    "Message",
    "Nack",
    "Ping",
    "Pong",
    "Proof",
    "Report",
    "ReportRequest",
    "Scan",
    "Sendable",
    "Welcome",
]

Message = (
    HandshakeMessage
    | Scan
    | Chunk
    | ReportRequest
    | Labels
    | Report
    | Failed
    | Ack
    | Nack
    | Busy
    | Ping
    | Pong
)
Event = Message | InvalidMessage
Sendable = Message | Forwarded

TYPES: dict[str, type[Message]] = {
    kind.t: kind
    for kind in (
        *(Hello, Challenge, Proof, Welcome),
        *(Scan, Chunk, ReportRequest, Labels, Report, Failed, Ack, Nack, Busy, Ping, Pong),
    )
}
"""The class of each message type."""
