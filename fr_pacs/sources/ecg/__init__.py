"""Synthetic ECGs with known truth: rhythms, waves, leads, noise."""
