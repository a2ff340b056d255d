"""Names, enums and state machines: the vocabulary that the three units share.

The names of the domain (``brain_scans``, ``report_generated``, ``'To Do'`` …) are stored in
databases that outlive a release: changing one is a migration, not a rename.
"""

from enum import StrEnum

PROTOCOL_VERSION = 2
"""Spoken in every hello; a peer that speaks another is refused with a reason."""

HUB_NAME = "fr-hub"
"""Fr-HUB's name on the wire and in its certificate; several hubs are one to their peers."""

NONCE_BYTES = 32
"""Of randomness that each side puts into a greeting with a shared secret."""

REPORT_SCHEMA_VERSION = 2
"""Grows when a report's fields are other ones or change their meaning. Stored reports keep theirs:
``BrainReport`` reads all of them."""

LESIONS_LISTED_MAX = 500
"""Lesions that a report lists, at most."""

PICTURE_BYTES_MAX = 300_000
"""A report with its lesions (about 300 bytes each) and its picture must fit the smallest frame."""

INLINE_VOXELS_MAX = 64 * 1024
"""Bytes of voxels that travel inside the scan message; more travel as chunks.

A scan's document is rewritten by each claim and completion, so large voxels inside it would be
written three times.
"""

CHUNK_BYTES = 255 * 1024
"""Bytes of voxels in each chunk but the last: one stored document a chunk, below 256 KiB."""


class ReportGenerated(StrEnum):
    """``brain_scans.report_generated``: where a scan is on its way to its report."""

    # Durable and acknowledged; waits for a processor.
    TO_DO = "To Do"
    # Claimed: ``owner``, ``fence`` and ``lease_until`` say by whom and until when.
    IN_PROGRESS = "In Progress"
    # Its report is durable. Final, until a person has it analysed again.
    DONE = "Done"
    # Gave no report in the allowed attempts, or its voxels are damaged: ``error`` has the cause.
    ERROR = "Error"


TRANSITIONS: dict[ReportGenerated, frozenset[ReportGenerated]] = {
    # claim; give up on a scan whose attempts are used up; a report that came late
    ReportGenerated.TO_DO: frozenset(
        {ReportGenerated.IN_PROGRESS, ReportGenerated.ERROR, ReportGenerated.DONE}
    ),
    # claim again after the lease; complete; release or fail with attempts left; fail for good
    ReportGenerated.IN_PROGRESS: frozenset(
        {
            ReportGenerated.IN_PROGRESS,
            ReportGenerated.TO_DO,
            ReportGenerated.DONE,
            ReportGenerated.ERROR,
        }
    ),
    # a person has it analysed again (``make reanalyze``): the next revision of its report
    ReportGenerated.DONE: frozenset({ReportGenerated.TO_DO}),
    # a person puts it back; a report that came late
    ReportGenerated.ERROR: frozenset({ReportGenerated.TO_DO, ReportGenerated.DONE}),
}
"""The legal transitions: ``DBManager`` makes each as one atomic update, a test holds it to them."""


PURGED = "Purged"
"""``report_generated`` of a tombstone: the scan was ``'Done'``, its report was delivered, and
retention took both. No state of a scan on its way; only retention comes here, from ``'Done'``."""


class Collection(StrEnum):
    """MongoDB collections."""

    # One document a scan: header, state, small voxels.
    SCANS = "brain_scans"
    # One document a report, ``_id`` is the scan's; ``status`` False until Fr-PACS has it.
    REPORTS = "brain_reports"
    # Reports that a later revision replaced, ``_id`` is {scan, revision}.
    HISTORY = "brain_report_history"
    # Pictures of reports, ``_id`` is {scan, hash}: the BLAKE3 of the PNG.
    PICTURES = "brain_pictures"
    # Voxels of large scans, ``_id`` is {blob, n}.
    CHUNKS = "brain_chunks"
    # Blobs being written: what a sweep may look at when an upload was cut.
    UPLOADS = "brain_uploads"
    # Append-only: who did what with which scan, an entry a batch of events (domain.audit_chain).
    AUDIT = "brain_audit"
    # Capped: one tiny document wakes whoever waits. Losing one costs a poll interval.
    WAKE_UPS = "wake_ups"


class WakeUp(StrEnum):
    """What a wake-up tells: polling stays the truth, this only ends a wait early."""

    SCAN = "scan"  # a scan is 'To Do'
    REPORT = "report"  # a report waits to be sent


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
