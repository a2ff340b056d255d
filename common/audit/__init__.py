"""The audit trail: every promise is recorded before it is made."""
