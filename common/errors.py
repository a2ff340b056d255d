"""Fr's errors, with one base:

.. code-block:: text

    FrError
    ├── SettingsError            a setting is wrong; the message names it and what is allowed
    ├── AlreadyRunning           another process holds a port or lock that this one needs
    ├── MongodError              the embedded MongoDB cannot be found or started
    ├── ProtocolError            the peer violated the protocol: code, reason, whether to retry
    ├── PeerAway                 the peer does not answer, or the connection was lost
    │   └── PeerClosed           the peer has closed the connection between two messages
    ├── SourceError              a file or series cannot become a scan
    ├── AnalysisError            an analyzer could not finish
    ├── ArchiveDamaged           an archive of the audit trail is not what was exported
    └── StoreError
        ├── StoreUnavailable     MongoDB is unreachable or has no majority: retry
        ├── StoreRefused         MongoDB refuses the login or the command: an operator must act
        │   └── SchemaNewer      a newer release migrated the database
        ├── SchemaOlder          the database must be migrated first
        ├── UploadLost           a sweep removed an upload in progress: send the scan again
        ├── ClaimLost            the scan has another owner by now
        ├── AuditConflict        another entry has the next place of an audit chain
        └── VoxelsDamaged        stored voxels are not what was acknowledged

Foreign exceptions are converted where they enter (``raise … from``). No message contains patient
data, voxels or passwords.
"""

from enum import StrEnum


class Refusal(StrEnum):
    """The ``code`` of a nack; its ``retry`` field tells whether sending again can help."""

    # The bytes are not a message: not BSON, truncated, or a field is missing or has the wrong type.
    MALFORMED = "malformed"
    # A frame or a scan exceeds the receiver's limit.
    TOO_LARGE = "too_large"
    # The peer speaks another protocol version.
    VERSION = "version"
    # The message type does not exist, or is not allowed here.
    UNEXPECTED = "unexpected"
    # A scan's header contradicts itself: shape, dtype and byte count, an impossible affine.
    HEADER = "header"
    # The voxels do not have the hash that the header declares.
    HASH = "hash"
    # A chunk is missing, repeated, out of order or of the wrong size.
    CHUNKS = "chunks"
    # The scan id has other content.
    CONFLICT = "conflict"
    # The scan was erased on request: it is not stored again under this id.
    ERASED = "erased"
    # The scan was analysed, its report delivered, and retention has removed both since.
    PURGED = "purged"
    # The peer is not authenticated: its certificate, its name or the shared secret is wrong.
    UNAUTHENTICATED = "unauthenticated"
    # The hub's settings do not list a Fr-PACS of this name, so it could not receive a report.
    UNKNOWN_PACS = "unknown_pacs"
    # Too many connections, or the peer makes no progress.
    LIMIT = "limit"
    # A temporary problem of the receiver, such as a full disk.
    UNAVAILABLE = "unavailable"


class FrError(Exception):
    """Base of all errors that Fr raises on purpose."""


class SettingsError(FrError):
    """A setting is wrong."""


class SettingsWarning(UserWarning):
    """A setting is probably wrong. The text is for the user and quotes no value."""


class AlreadyRunning(FrError):
    """Another process holds a port or lock that this one needs."""


class MongodError(FrError):
    """The embedded MongoDB cannot be found, started or reached."""


class ProtocolError(FrError):
    """A peer violated the protocol."""

    def __init__(self, code: Refusal, reason: str, *, retry: bool = False) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.retry = retry


class PeerAway(FrError):
    """The peer does not answer, or the connection to it was lost."""


class PeerClosed(PeerAway):
    """The peer has closed the connection between two messages, as it does when it ends in order."""


class SourceError(FrError):
    """A file, one of its volumes, or a series cannot become a scan; the message says why."""


class AnalysisError(FrError):
    """An analyzer could not finish, or none handles this type of scan."""


class StoreError(FrError):
    """Base of the store's errors."""


class StoreUnavailable(StoreError):
    """MongoDB is unreachable, exceeds the time limit or has no majority. Retrying can help."""


class StoreRefused(StoreError):
    """MongoDB refuses the login or the command. Retrying cannot help."""


class SchemaNewer(StoreRefused):
    """A newer release migrated the database: install that release."""


class SchemaOlder(StoreError):
    """The database is empty or of an earlier release: an administrator runs ``make migrate``."""


class UploadLost(StoreError):
    """A sweep removed the chunks of an upload that took too long: send the scan again."""


class ClaimLost(StoreError):
    """The scan has another owner, or is finished: stop working on it."""


class AuditConflict(StoreError):
    """Another entry has the next place of this chain of the audit trail."""


class ArchiveDamaged(FrError):
    """An archive of the audit trail was changed, is not signed with the given key, or differs from
    the trail."""


class VoxelsDamaged(StoreError):
    """The stored voxels are incomplete or do not match their hash."""
