"""Checks that an analyzer keeps the rules that every analyzer must keep."""

from fr_brain.analyzers.conformance.checks import check_analyzer

__all__ = ["check_analyzer"]
