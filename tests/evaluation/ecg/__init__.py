"""Evaluation of the ECG analyzer on held-out synthetic records with truth, and on real ones."""
