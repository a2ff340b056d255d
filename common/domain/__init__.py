"""Scans, reports and what can be said of them: pure, no I/O."""
