"""The names in databases of earlier releases, which must never change."""

from common.store.collections import Collection, Notification


def test_the_stored_names_stay() -> None:
    assert {str(name) for name in Collection} == {
        "brain_scans",
        "brain_reports",
        "brain_report_history",
        "brain_pictures",
        "brain_labels",
        "brain_chunks",
        "brain_uploads",
        "brain_audit",
        "brain_audit_open",
        "fr_audit_exports",
        "wake_ups",
        "fr_events",
        "fr_units",
        "fr_users",
        "fr_tokens",
        "fr_sessions",
        "fr_requests",
        "fr_patients",
        "fr_measurements",
        "brain_meta",
    }
    assert {str(what) for what in Notification} >= {"scan", "report"}
