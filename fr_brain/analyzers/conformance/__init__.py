"""Checks that an analyzer does what every analyzer must do."""

from fr_brain.analyzers.conformance.checks import check_analyzer

__all__ = ["check_analyzer"]
