"""Compares a head with an earlier scan of it."""
