"""Measures heartbeats in an ECG."""
