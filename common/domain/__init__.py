"""Scans, reports, the audit trail's entries. No I/O."""
