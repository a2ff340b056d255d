"""Names of the MongoDB collections, and what a notification announces. Stored: never renamed."""

from enum import StrEnum


class Collection(StrEnum):
    """MongoDB collections."""

    # One document per scan: header, state, and the voxels of a small scan.
    SCANS = "brain_scans"
    # One document per report, ``_id`` is the scan's; ``status`` is False until Fr-PACS has it.
    REPORTS = "brain_reports"
    # Reports that a later revision replaced; ``_id`` is {scan, revision}.
    HISTORY = "brain_report_history"
    # Pictures of reports; ``_id`` is {scan, hash}, where hash is the BLAKE3 of the PNG.
    PICTURES = "brain_pictures"
    # Label maps of reports, packed, in chunks; ``_id`` is {scan, fence, n}: of the claim that made
    # them.
    LABELS = "brain_labels"
    # Voxels of large scans, in chunks; ``_id`` is {blob, n}.
    CHUNKS = "brain_chunks"
    # Uploads in progress, by blob: a sweep finds interrupted ones here.
    UPLOADS = "brain_uploads"
    # Append-only: who did what with which scan; each entry is a batch of events.
    AUDIT = "brain_audit"
    # The chains of the trail that may have entries which no anchor names yet.
    AUDIT_OPEN = "brain_audit_open"
    # What of the trail was sent to a repository elsewhere: see ``common.store.audit_exports``.
    AUDIT_EXPORTS = "fr_audit_exports"
    # Capped: each tiny document wakes its subscribers. Losing one costs a poll interval.
    NOTIFICATIONS = "wake_ups"
    # Capped: what changed, for those who watch: see ``common.store.feed``.
    EVENTS = "fr_events"
    # The processes of all units, and the Fr-PACS that are connected.
    UNITS = "fr_units"
    # Users of the API, their tokens and sessions.
    USERS = "fr_users"
    TOKENS = "fr_tokens"
    SESSIONS = "fr_sessions"
    # Answers to commands that came with an Idempotency-Key.
    REQUESTS = "fr_requests"
    # Personal data: patients, and what was measured of them. It is nowhere else.
    PATIENTS = "fr_patients"
    MEASUREMENTS = "fr_measurements"
    # The schema version, and what a migration left to remember.
    META = "brain_meta"


class Notification(StrEnum):
    """What a notification announces. Polling finds everything; this only ends a wait early."""

    SCAN = "scan"  # a scan is 'To Do'
    REPORT = "report"  # a report is ready to be sent
