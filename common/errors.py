"""The errors of Fr, one base:

.. code-block:: text

    FrError
    ├── SettingsError            a setting is wrong: its name and what would be right
    ├── AlreadyRunning           another one holds what this one needs (port, lock)
    ├── MongodError              the embedded MongoDB cannot be found or started
    ├── ProtocolError            the peer broke the wire's rules: code, reason, retry or not
    ├── PeerAway                 nobody answers, or the connection was lost
    ├── SourceError              a file or series cannot become a scan
    ├── AnalysisError            an analyzer could not finish
    └── StoreError
        ├── StoreUnavailable     MongoDB is away or cannot reach its majority: keep trying
        ├── StoreRefused         MongoDB refuses the login or the command: a person must act
        ├── UploadLost           a blob was swept away while it was being written: send it again
        ├── ClaimLost            the scan is no longer this owner's
        ├── AuditConflict        the next place of an audit chain holds a foreign entry
        └── VoxelsDamaged        stored voxels are not what was acknowledged

Foreign exceptions become one of these where they enter (``raise … from``). No text carries
patient data, voxels or passwords.
"""

from enum import StrEnum


class Refusal(StrEnum):
    """The ``code`` of a nack; its ``retry`` field says whether sending again can help."""

    # The bytes are not a message: not BSON, cut, a field missing or of a wrong type.
    MALFORMED = "malformed"
    # A frame or a scan over the receiver's limit.
    TOO_LARGE = "too_large"
    # Another protocol version.
    VERSION = "version"
    # A message type that does not exist, or not in this place.
    UNEXPECTED = "unexpected"
    # A scan's header contradicts itself: shape, dtype and byte count, an impossible affine.
    HEADER = "header"
    # The voxels do not have the hash that the header declares.
    HASH = "hash"
    # A chunk is missing, repeated, out of order or of the wrong size.
    CHUNKS = "chunks"
    # The scan id is taken by other content.
    CONFLICT = "conflict"
    # The peer did not prove who it is: its certificate, its name or the shared secret is wrong.
    UNAUTHENTICATED = "unauthenticated"
    # The hub's settings name no Fr-PACS of this name, so no report could go back.
    UNKNOWN_PACS = "unknown_pacs"
    # Too many connections, or a peer that makes no progress.
    LIMIT = "limit"
    # A passing trouble of the receiver, such as a full disk.
    UNAVAILABLE = "unavailable"


class FrError(Exception):
    """Base of all errors that Fr raises on purpose."""


class SettingsError(FrError):
    """A setting is wrong."""


class AlreadyRunning(FrError):
    """What this process needs for itself is held by another one."""


class MongodError(FrError):
    """The embedded MongoDB cannot be found, started or reached."""


class ProtocolError(FrError):
    """A peer broke the rules of the wire."""

    def __init__(self, code: Refusal, reason: str, *, retry: bool = False) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.retry = retry


class PeerAway(FrError):
    """The other unit does not answer, or the connection to it was lost."""


class SourceError(FrError):
    """A file, a volume of it, or a series cannot become a scan; the text says why."""


class AnalysisError(FrError):
    """An analyzer could not finish, or none takes this type of scan."""


class StoreError(FrError):
    """Base of what can go wrong with the store."""


class StoreUnavailable(StoreError):
    """MongoDB is away, slow past the time limit, or without a majority. Retrying can help."""


class StoreRefused(StoreError):
    """MongoDB refuses the login or the command. Retrying cannot help."""


class UploadLost(StoreError):
    """The blob of an upload is gone (it lasted longer than the sweep's grace): send it again."""


class ClaimLost(StoreError):
    """The scan is claimed by somebody else, or finished: stop working on it."""


class AuditConflict(StoreError):
    """The audit trail has a foreign entry where the next one of this chain belongs."""


class VoxelsDamaged(StoreError):
    """The stored voxels are incomplete or do not have their hash."""
