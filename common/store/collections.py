"""Names of the MongoDB collections, and what a notification announces. Stored: never renamed."""

from enum import StrEnum


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
