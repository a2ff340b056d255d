"""Evaluation of the analysis on held-out phantoms with ground truth, and on real images."""
