"""One message that is wrong on a connection that continues."""

from dataclasses import dataclass

from common.errors import ProtocolError, Refusal

_ID_MAX = 64  # characters of the longest valid scan id


class InvalidMessageError(ProtocolError):
    """One message is wrong; the stream of messages is not.

    Args:
        code: why it is refused.
        reason: the same for a person.
        scan_id: of the scan or report; None if the message names none, and then the connection
            must end, as no answer could say which message is meant.
    """

    def __init__(self, code: Refusal, reason: str, scan_id: str | None) -> None:
        super().__init__(code, reason)
        self.id = scan_id[:_ID_MAX] if scan_id else None


@dataclass(frozen=True, slots=True)
class InvalidMessage:
    """The event that stands for a refused message. It never travels."""

    id: str
    code: Refusal
    reason: str
