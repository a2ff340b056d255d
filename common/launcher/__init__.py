"""Runs all units as processes: ``fr all``, ``make all``."""
