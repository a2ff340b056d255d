"""Synthetic heads with known lesions."""
